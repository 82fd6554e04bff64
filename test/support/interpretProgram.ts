/** Runs a scheduled program by interpreting its loop nests: what generated kernels mean, without any device. */
import type { ScheduledProgram } from "../../compiler/compile.ts";
import { resolveStorage, storageLength } from "../../compiler/fusion/kernel.ts";
import { interpretNest } from "../../compiler/nest/interpretNest.ts";

export type TypedArray = Float32Array | Uint32Array | Uint8Array;

/** Runs on `states` (changed in place; missing ones are made, zeroed). */
export function interpretProgram(
  program: ScheduledProgram,
  states: Record<string, TypedArray>,
  subgroupSize = 0,
): void {
  const temporaries = new Map<number, Float32Array>();
  for (const { lowered } of program.dispatches) {
    const buffers: Record<string, TypedArray> = {};
    lowered.nest.bindings.forEach((binding, i) => {
      const { tensor, offset } = resolveStorage(program.tensors, lowered.tensors[i] ?? -1);
      let whole: TypedArray;
      if (tensor.storage.kind === "state") {
        whole = states[tensor.storage.state] ??=
          binding.type === "f32" ? new Float32Array(offset + binding.length) : new Uint32Array(offset + binding.length);
      } else {
        whole = temporaries.get(tensor.id) ?? new Float32Array(storageLength(tensor)).fill(NaN);
        temporaries.set(tensor.id, whole as Float32Array);
      }
      buffers[binding.name] = whole.subarray(offset, offset + binding.length);
    });
    interpretNest(lowered.nest, buffers, { subgroupSize });
  }
}
