/**
 * Times of single dispatches, by the adapter's timestamps.
 *
 * In: the dispatches of a program. Out: milliseconds for each. Drivers compile at the first dispatch: run the program before.
 * Each dispatch has a pass of its own here, so the sum is a little more than a step takes.
 */
import { bufferUsage, mapModeRead } from "./dawn.ts";
import type { KernelTime } from "./gpuSession.ts";
import type { PreparedDispatch } from "./programs.ts";
import { encodeDispatch } from "./programs.ts";
import { waitQuietly } from "./quietWait.ts";

/** WebGPU's largest query set. */
const largestQuerySet = 4096;

export async function profileDispatches(
  device: GPUDevice,
  dispatches: readonly PreparedDispatch[],
): Promise<readonly KernelTime[] | undefined> {
  if (!device.features.has("timestamp-query")) return undefined;
  const times: KernelTime[] = [];
  for (let first = 0; first < dispatches.length; first += largestQuerySet / 2)
    times.push(...(await timeDispatches(device, dispatches.slice(first, first + largestQuerySet / 2))));
  return times;
}

async function timeDispatches(device: GPUDevice, dispatches: readonly PreparedDispatch[]): Promise<KernelTime[]> {
  const count = 2 * dispatches.length;
  const querySet = device.createQuerySet({ type: "timestamp", count });
  const resolved = device.createBuffer({ size: 8 * count, usage: bufferUsage.queryResolve | bufferUsage.copySource });
  const staging = device.createBuffer({ size: 8 * count, usage: bufferUsage.mapRead | bufferUsage.copyDestination });
  const encoder = device.createCommandEncoder();
  dispatches.forEach((dispatch, i) => {
    const pass = encoder.beginComputePass({
      timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
    });
    encodeDispatch(pass, dispatch);
    pass.end();
  });
  encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, staging, 0, 8 * count);
  device.queue.submit([encoder.finish()]);
  await waitQuietly(staging.mapAsync(mapModeRead));
  const nanoseconds = new BigUint64Array(staging.getMappedRange().slice(0));
  for (const resource of [querySet, resolved, staging]) resource.destroy();
  return dispatches.map(({ kernel }, i) => ({
    kernel,
    milliseconds: Number((nanoseconds[2 * i + 1] ?? 0n) - (nanoseconds[2 * i] ?? 0n)) / 1e6,
  }));
}
