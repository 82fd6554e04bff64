/**
 * Which kernels share a dispatch one after another in WGSL, by the kind of adapter.
 *
 * In: kernels, tensors, a target. Out: chains. What holds: on hardware only kernels that one workgroup can hold are
 * chained, since thousands of lanes wait for work there.
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import { size } from "../graph/graph.ts";
import type { Chain } from "./chains.ts";
import { classKey } from "./kernelClass.ts";
import { type ChainCosts, isLong, planPricedChains } from "./pricedChains.ts";
import { durationForWgsl } from "./wgsl.ts";
import { compilationOf, type GpuTarget, stepsOf } from "./wgslAdapters.ts";
import { chainLanes, type Duration } from "./wgslCosts.ts";

type Tensors = ReadonlyMap<number, StoredTensor>;

/** Measured on a software adapter of two cores, in nanoseconds of one core. Four chunks keep two cores busy. */
const software = { dispatch: 26_000, barrier: 60, doubt: 0.01, leastChunks: 4, mostChunks: 8 };
/** Above this, a kernel in one chunk is not worth a look: the other cores would wait for too long. */
const mostStepsAlone = 1 << 16;

/**
 * What a chain saves is measured, what a schedule saves is what the model says: so a longer text may cost a chain so many
 * times less.
 */
const sureness = 20;

export function chainsForWgsl(
  kernels: readonly Kernel[],
  tensors: Tensors,
  target: GpuTarget,
): Generator<undefined, Chain[]> {
  const costs = target.software ? softwareCosts(tensors, target) : hardwareCosts(target);
  return planPricedChains(kernels, tensors, costs);
}

/** Numbers of the kernels that no chain takes, whatever the others are: those that take long. In turns: to weigh each takes time. */
export function* longKernels(
  kernels: readonly Kernel[],
  tensors: Tensors,
  target: GpuTarget,
): Generator<number | undefined> {
  if (!target.software) return;
  const costs = softwareCosts(tensors, target);
  for (const [number, kernel] of kernels.entries()) yield isLong(kernel, costs) ? number : undefined;
}

const noText = { accesses: 0, operations: 0 };
const nothing: Duration = { time: 0, text: noText };
const never: Duration = { time: Infinity, text: noText };

const costsOfPrograms = new WeakMap<Tensors, { readonly target: GpuTarget; readonly costs: ChainCosts }>();

/** Durations of a program's kernels are estimated once. */
function softwareCosts(tensors: Tensors, target: GpuTarget): ChainCosts {
  const found = costsOfPrograms.get(tensors);
  if (found?.target === target) return found.costs;
  const costs = createSoftwareCosts(tensors, target);
  costsOfPrograms.set(tensors, { target, costs });
  return costs;
}

function createSoftwareCosts(tensors: Tensors, target: GpuTarget): ChainCosts {
  const known = new Map<string, Duration>();
  return {
    ...software,
    compilation: (text) => compilationOf(text, target) / sureness,
    mostBindings: target.maximumBindings,
    duration(kernel, chunks) {
      if (chunks === 1 && stepsOf(kernel) > mostStepsAlone) return never;
      const key = `${chunks} ${classKey(kernel, tensors)}`;
      const duration = known.get(key) ?? durationForWgsl(kernel, tensors, target, chunks);
      known.set(key, duration);
      return duration;
    },
  };
}

/** In rounds of a workgroup: a kernel that fills no more than one takes no longer in a chain of one chunk. */
function hardwareCosts(target: GpuTarget): ChainCosts {
  return {
    dispatch: 1,
    barrier: 0,
    doubt: 0,
    compilation: () => 0,
    leastChunks: 2,
    mostChunks: 1,
    mostBindings: target.maximumBindings,
    duration: ({ domain }, chunks) => (chunks === undefined || size(domain) <= chainLanes(target) ? nothing : never),
  };
}
