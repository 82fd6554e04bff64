/**
 * A kernel's definition for all coordinates at once: what analyses of a kernel look at.
 *
 * In: a kernel. Out: its values over variables named like its axes. What holds: they are made once for each kernel.
 */
import type { Kernel } from "../fusion/kernel.ts";
import { type Index, index, variable } from "../nest/integer.ts";
import type { Value } from "../value.ts";
import { axisName } from "./schedule.ts";

export interface SymbolicKernel {
  readonly coordinates: readonly Index[];
  readonly along: readonly Index[];
  /** One for each accumulator. */
  readonly bodies: readonly Value[];
  /** One for each output, from the results of the accumulators. */
  readonly outputs: readonly Value[];
}

const known = new WeakMap<Kernel, SymbolicKernel>();

export function symbolicKernel(kernel: Kernel): SymbolicKernel {
  const found = known.get(kernel) ?? makeSymbolic(kernel);
  known.set(kernel, found);
  return found;
}

/** What stands for the results of the accumulators. */
export function resultsOf({ accumulators }: Kernel): Value[] {
  return accumulators.map((_, number): Value => ({ kind: "result", number }));
}

function makeSymbolic(kernel: Kernel): SymbolicKernel {
  const coordinates = kernel.domain.map((extent, d) => index(variable(axisName.domain(d), extent)));
  const along = kernel.extents.map((extent, d) => index(variable(axisName.reduction(d), extent)));
  const results = resultsOf(kernel);
  return {
    coordinates,
    along,
    bodies: kernel.accumulators.map(({ body }) => body(coordinates, along)),
    outputs: kernel.outputs.map(({ value }) => value(coordinates, results)),
  };
}
