/**
 * Compiling kernels on all cores, where the driver would do it on one.
 *
 * Mesa's lavapipe compiles a kernel when it is first dispatched, one after another. It keeps what it compiled on disk, for
 * every device: so other devices of the same adapter compile half of a program's kernels meanwhile.
 *
 * In: kernels. Out: they are compiled. What holds: what fails here fails again, and is reported, where it matters.
 */
import type { RunnableKernel } from "../../../compiler/plan/plan.ts";
import { bufferUsage } from "./dawn.ts";
import type { Pipelines } from "./pipelines.ts";
import { waitQuietly } from "./quietWait.ts";
import { sharedText } from "./sharedText.ts";

export interface Compiler {
  readonly device: GPUDevice;
  readonly pipelines: Pipelines;
}

export type WarmUp = (kernels: readonly RunnableKernel[]) => Promise<void>;

/** A long kernel that is there sooner was on disk, and so are the others: not worth other devices. */
const fromDiskMilliseconds = 60;

/** Bytes of each binding: addresses beyond are kept inside by the device. */
const bindingBytes = 256;

/** `own` compiles too; `helpers` are asked for when there is something to compile. */
export function createWarmUp(own: Compiler, helpers: () => Promise<readonly Compiler[]>): WarmUp {
  const known = new Set<string>();
  return async (kernels) => {
    const fresh = new Map<string, RunnableKernel>();
    for (const kernel of kernels) {
      const text = sharedText(kernel.source);
      if (!known.has(text)) fresh.set(text, kernel);
      known.add(text);
    }
    if (fresh.size < 2) return;
    // The longest first, so that no core has one left at the end.
    const waiting = [...fresh].sort(([a], [b]) => a.length - b.length).map(([, kernel]) => kernel);
    const compileWaiting = async (compiler: Compiler): Promise<void> => {
      for (let kernel = waiting.pop(); kernel; kernel = waiting.pop())
        await compileByRunning(compiler, kernel).catch(() => {});
    };
    const longest = waiting.pop();
    if (!longest) return;
    const first = compileByRunning(own, longest).catch(() => {});
    if (await isSettledWithin(first, fromDiskMilliseconds)) return;
    const others = (await helpers()).map(compileWaiting);
    await Promise.all([first.then(() => compileWaiting(own)), ...others]);
  };
}

async function isSettledWithin(work: Promise<void>, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), milliseconds)));
  const settled = await Promise.race([work.then(() => true), late]);
  clearTimeout(timer);
  return settled;
}

/** Runs one workgroup on memory of its own. */
async function compileByRunning({ device, pipelines }: Compiler, kernel: RunnableKernel): Promise<void> {
  const pipeline = await pipelines.get(kernel);
  const count = kernel.bindings.length;
  const memory = device.createBuffer({ size: count * bindingBytes, usage: bufferUsage.storage });
  const entries = kernel.bindings.map((_, binding): GPUBindGroupEntry => {
    return { binding, resource: { buffer: memory, offset: binding * bindingBytes, size: bindingBytes } };
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipelines.layout(count), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  device.queue.submit([encoder.finish()]);
  await waitQuietly(device.queue.onSubmittedWorkDone());
  memory.destroy();
}
