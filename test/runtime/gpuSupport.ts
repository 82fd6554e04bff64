/** What the GPU tests share: whether there is an adapter, and plans of single nests. */
import type { LoopNest } from "../../compiler/nest/loopNest.ts";
import type { NestBuffer } from "../../compiler/nest/nestMemory.ts";
import type { ExecutionPlan } from "../../compiler/plan/plan.ts";
import { printWgsl } from "../../compiler/print/wgsl/printWgsl.ts";
import type { Target } from "../../compiler/target.ts";
import { describeGpu } from "../../runtime/device/gpu/adapter.ts";
import type { GpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";

/** False, with the reason printed, where there is no adapter; CNNC_REQUIRE_GPU=1 turns that into failing tests. */
export async function hasAdapter(): Promise<boolean> {
  const { adapters, problem } = await describeGpu();
  if (adapters.length > 0 || process.env["CNNC_REQUIRE_GPU"] === "1") return true;
  console.warn(`GPU tests are skipped: ${problem?.message ?? "WebGPU finds no adapter on this machine"}`);
  return false;
}

export function wgslOptions(target: Target): { subgroups: boolean; subgroupSize: number } {
  const subgroupSize = target.kind === "wgsl" ? target.subgroupSize : 0;
  return { subgroups: subgroupSize > 0, subgroupSize };
}

/** A plan that runs one nest as the program `run`, with a buffer for each binding. */
export function planOf(nest: LoopNest, options: { subgroups: boolean; subgroupSize: number }): ExecutionPlan {
  const bytes = { f32: 4, u32: 4, u8: 1 };
  const sizes = nest.bindings.map(({ type, length }) => bytes[type] * length);
  return {
    version: 1,
    target: "wgsl",
    buffers: nest.bindings.map(({ name }, i) => ({ name, bytes: sizes[i] ?? 0 })),
    tensors: {},
    kernels: [
      {
        name: nest.name,
        file: "00-kernel",
        bindings: nest.bindings,
        workgroups: nest.workgroups,
        origins: [],
        cost: { operations: 0, bytesRead: 0, bytesWritten: 0 },
        ...printWgsl(nest, options),
      },
    ],
    programs: { run: [{ kernel: 0, bindings: sizes.map((size, buffer) => ({ buffer, offset: 0, bytes: size })) }] },
  };
}

/** Runs a nest on the device; the buffers are changed in place. */
export async function runOnDevice(
  device: GpuDevice,
  nest: LoopNest,
  buffers: Record<string, NestBuffer>,
  options = wgslOptions(device.target),
): Promise<void> {
  const session = await device.open(planOf(nest, options));
  const views = nest.bindings.map(({ name }) => {
    const array = buffers[name];
    if (!array) throw new Error(`no buffer ${name}`);
    return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  });
  views.forEach((view, i) => session.write(i, 0, view));
  await session.run("run");
  for (const [i, view] of views.entries()) view.set(await session.read(i, 0, view.byteLength));
  await session.close();
}
