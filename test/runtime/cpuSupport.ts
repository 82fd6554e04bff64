/** Plans for the CPU device out of hand-written nests. */
import type { LoopNest } from "../../compiler/nest/loopNest.ts";
import type { NestBuffer } from "../../compiler/nest/nestMemory.ts";
import type { ExecutionPlan, PlanDispatch } from "../../compiler/plan/plan.ts";
import { printWasmModule } from "../../compiler/print/wasm/printWasm.ts";
import type { Target } from "../../compiler/target.ts";
import type { CpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";

const bytesOf = { f32: 4, u32: 4, u8: 1 } as const;

/** A plan of these programs: lists of nests, whose bindings of one name are one buffer. */
export function planOf(programs: Readonly<Record<string, readonly LoopNest[]>>, target: Target): ExecutionPlan {
  const nests = [...new Set(Object.values(programs).flat())];
  const bytes = new Map<string, number>();
  for (const { bindings } of nests)
    for (const { name, type, length } of bindings)
      bytes.set(name, Math.max(bytes.get(name) ?? 0, length * bytesOf[type]));
  const names = [...bytes.keys()];
  const dispatch = (nest: LoopNest): PlanDispatch => ({
    kernel: nests.indexOf(nest),
    bindings: nest.bindings.map(({ name }) => ({
      buffer: names.indexOf(name),
      offset: 0,
      bytes: bytes.get(name) ?? 0,
    })),
  });
  return {
    version: 1,
    target: "wasm",
    buffers: names.map((name) => ({ name, bytes: bytes.get(name) ?? 0 })),
    tensors: {},
    kernels: nests.map((nest, i) => ({
      name: nest.name,
      file: `${i}-kernel`,
      bindings: nest.bindings,
      workgroups: nest.workgroups,
      origins: [],
      cost: { operations: 0, bytesRead: 0, bytesWritten: 0 },
      source: "",
      features: [],
    })),
    programs: Object.fromEntries(Object.entries(programs).map(([name, list]) => [name, list.map(dispatch)])),
    wasm: printWasmModule(nests, target.kind === "wasm" ? target : { relaxedSimd: false }),
  };
}

export function bytesOfArray(array: NestBuffer): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Runs one nest; the buffers are changed in place. */
export async function runOnCpu(device: CpuDevice, nest: LoopNest, buffers: Record<string, NestBuffer>): Promise<void> {
  const plan = planOf({ run: [nest] }, device.target);
  const session = await device.open(plan);
  for (const [i, { name }] of plan.buffers.entries()) {
    const array = buffers[name];
    if (array) session.write(i, 0, bytesOfArray(array));
  }
  await session.run("run");
  for (const [i, { name, bytes }] of plan.buffers.entries()) {
    const array = buffers[name];
    if (array) bytesOfArray(array).set(await session.read(i, 0, bytes));
  }
  await session.close();
}
