/**
 * Plans of single loop nests, without a model: for calibration and tuning.
 *
 * In: nests. Out: a plan with a program for each, by the nest's name. What holds: bindings of one name are one buffer;
 * `bufferOf` may give other names.
 */
import type { LoopNest } from "../nest/loopNest.ts";
import { printNest } from "../nest/printNest.ts";
import { printWasmModule } from "../print/wasm/printWasm.ts";
import { printWgsl } from "../print/wgsl/printWgsl.ts";
import type { Target } from "../target.ts";
import { fileName } from "../plan/names.ts";
import type { ExecutionPlan, PlanKernel } from "../plan/plan.ts";

const elementBytes = { f32: 4, u32: 4, u8: 1 } as const;

export function planOfNests(
  nests: readonly LoopNest[],
  target: Target,
  bufferOf: (nest: number, binding: number) => string = (nest, binding) => nests[nest]?.bindings[binding]?.name ?? "",
): ExecutionPlan {
  const sizes = new Map<string, number>();
  nests.forEach(({ bindings }, nest) =>
    bindings.forEach(({ type, length }, binding) => {
      const name = bufferOf(nest, binding);
      sizes.set(name, Math.max(sizes.get(name) ?? 0, length * elementBytes[type]));
    }),
  );
  const names = [...sizes.keys()];
  const kernels = nests.map((nest, number): PlanKernel => ({
    name: nest.name,
    file: fileName(number, nest.name),
    origins: [],
    cost: { operations: 0, bytesRead: 0, bytesWritten: 0 },
    bindings: nest.bindings,
    workgroups: nest.workgroups,
    ...printed(nest, target),
  }));
  const plan = {
    version: 1 as const,
    target: target.kind,
    buffers: names.map((name) => ({ name, bytes: sizes.get(name) ?? 0 })),
    tensors: {},
    kernels,
    programs: Object.fromEntries(
      nests.map(({ name, bindings }, kernel) => [
        name,
        [
          {
            kernel,
            bindings: bindings.map((binding, i) => ({
              buffer: names.indexOf(bufferOf(kernel, i)),
              offset: 0,
              bytes: binding.length * elementBytes[binding.type],
            })),
          },
        ],
      ]),
    ),
  };
  return target.kind === "wasm" ? { ...plan, wasm: printWasmModule(nests, target) } : plan;
}

function printed(nest: LoopNest, target: Target): Pick<PlanKernel, "source" | "features"> {
  if (target.kind === "wasm") return { source: printNest(nest), features: [] };
  const { subgroupSize, software } = target;
  return printWgsl(nest, { subgroups: subgroupSize > 0, subgroupSize, keepLoops: software });
}
