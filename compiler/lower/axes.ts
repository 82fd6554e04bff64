/**
 * The axes of a kernel under a schedule: how often each is cut, where a piece starts, and which elements the innermost
 * tile holds.
 */
import { InvariantError } from "../graph/graph.ts";
import type { Kernel } from "../fusion/kernel.ts";
import { add, clamp, type Index, index, multiply } from "../nest/integer.ts";
import { type AxisStep, axisName, type Schedule } from "../schedule/schedule.ts";

export interface Cut extends AxisStep {
  /** Number of pieces. */
  readonly count: number;
  /** Extent of what is cut. */
  readonly extent: number;
}

export interface Axes {
  readonly domain: readonly string[];
  readonly reduction: readonly string[];
  readonly grid: readonly Cut[];
  readonly threads: readonly Cut[];
  readonly loops: readonly Cut[];
  /** Extent of the innermost tile. */
  readonly tile: ReadonlyMap<string, number>;
  /** What is left of an axis after the grid, the threads and the first `depth` loops. */
  readonly remaining: (axis: string, depth: number) => number;
}

export function cutAxes(kernel: Kernel, schedule: Schedule): Axes {
  const domain = kernel.domain.map((_, d) => axisName.domain(d));
  const reduction = kernel.extents.map((_, d) => axisName.reduction(d));
  const left = new Map<string, number>();
  domain.forEach((axis, d) => left.set(axis, kernel.domain[d] ?? 1));
  reduction.forEach((axis, d) => left.set(axis, kernel.extents[d] ?? 1));
  const cut = (steps: readonly AxisStep[]): Cut[] =>
    steps.map(({ axis, step, unrolled = false }) => {
      const extent = left.get(axis);
      if (extent === undefined || step < 1 || step > extent)
        throw new InvariantError(`a schedule cuts ${axis} (${extent}) by ${step}`);
      if (reduction.includes(axis) && extent % step !== 0)
        throw new InvariantError(`a schedule cuts the reduction axis ${axis} (${extent}) by ${step}`);
      left.set(axis, step);
      return { axis, step, unrolled, extent, count: Math.ceil(extent / step) };
    });
  const grid = cut(schedule.grid);
  const threads = cut(schedule.threads);
  const outside = new Map(left);
  const loops = cut(schedule.loops);
  const remaining = (axis: string, depth: number): number => {
    const inner = loops.slice(0, depth).findLast((loop) => loop.axis === axis);
    return inner?.step ?? outside.get(axis) ?? 1;
  };
  return { domain, reduction, grid, threads, loops, tile: left, remaining };
}

/** Start of piece `counter` of a cut; the last piece of an uneven cut is moved back to end with the axis. */
export function startOf(cut: Cut, counter: Index): Index {
  return clamp(multiply(counter, cut.step), 0, cut.extent - cut.step);
}

/** Places of the tile along one axis; along the vector axis each stands for `lanes` elements from there on. */
export interface TilePlace {
  readonly start: number;
  /** Lanes before this one were already covered by the place before (the last of an uneven vector axis). */
  readonly firstLane: number;
}

export function tilePlaces(extent: number, lanes: number): TilePlace[] {
  if (lanes === 1) return Array.from({ length: extent }, (_, start) => ({ start, firstLane: 0 }));
  if (extent < lanes) throw new InvariantError(`a vector axis of ${extent} is shorter than ${lanes} lanes`);
  return Array.from({ length: Math.ceil(extent / lanes) }, (_, at) => {
    const start = Math.min(at * lanes, extent - lanes);
    return { start, firstLane: at * lanes - start };
  });
}

/** The digits of a flat number in mixed radix, the last fastest. */
export function digits(
  flat: Index,
  counts: readonly number[],
  divide: (value: Index, by: number) => Index,
  remainder: (value: Index, by: number) => Index,
): Index[] {
  const found: Index[] = [];
  let rest = flat;
  for (let d = counts.length - 1; d >= 0; d--) {
    const count = counts[d] ?? 1;
    found.unshift(d === 0 ? rest : remainder(rest, count));
    rest = divide(rest, count);
  }
  return found;
}

/** Current start of every axis. */
export type Starts = ReadonlyMap<string, Index>;

export function advance(starts: Starts, cut: Cut, counter: Index): Starts {
  const before = starts.get(cut.axis) ?? index(0);
  return new Map(starts).set(cut.axis, add(before, startOf(cut, counter)));
}
