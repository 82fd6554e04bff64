/**
 * What operations cost on the adapters of WebGPU, by their kind.
 *
 * In: a target. Out: times in nanoseconds for eight lanes of one core of a software adapter (on hardware only proportions
 * matter), the lengths of texts, and what compiling them takes.
 */
import type { FusedGraph, Kernel } from "../fusion/kernel.ts";
import { size } from "../graph/graph.ts";
import type { Target } from "../target.ts";

export type GpuTarget = Target & { kind: "wgsl" };

/** Time of one operation for a vector of invocations. */
export interface Costs {
  readonly multiplyAdd: number;
  /** Each turn of the innermost loop: counters, addresses, tests. */
  readonly turn: number;
  /** A load or store of one element. */
  readonly scalar: number;
  /** A load or store of a vec4. */
  readonly quad: number;
  /** A load in which each lane takes another element, to be handed out. */
  readonly gather: number;
  readonly broadcast: number;
  /** Taking up an accumulator and putting it down again, once in each turn of the innermost loop. */
  readonly accumulator: number;
  /** Moving what a loop keeps for its next turn, by element. */
  readonly move: number;
  /** Putting an element into memory of the lane and taking it out again, where a loop loads or stores it. */
  readonly hold: number;
  /** Handing out one workgroup, in the same units (one core's time for eight lanes). */
  readonly workgroup: number;
  /** Registers for accumulators. */
  readonly mostProducts: number;
  readonly longestTile: number;
  /** Part by which each thousand instructions of a loop's body too many slow it down: they leave the caches. */
  readonly longBody: number;
  /** Axes that a tile may extend over. */
  readonly mostTiledAxes: number;
}

/** kernels.md's measurements of a software adapter: loads dominate, wide tiles pay. */
const softwareCosts: Costs = {
  multiplyAdd: 0.16,
  turn: 12,
  scalar: 6,
  quad: 10,
  gather: 5.5,
  broadcast: 0.42,
  accumulator: 0.1,
  move: 2.5,
  hold: 0.5,
  workgroup: 190,
  mostProducts: 256,
  longestTile: 32,
  longBody: 1.5,
  mostTiledAxes: 3,
};
/** Hardware hides loads behind many threads; large tiles starve it of them. */
const hardwareCosts: Costs = {
  multiplyAdd: 0.16,
  turn: 0,
  scalar: 1,
  quad: 1.6,
  gather: 1,
  broadcast: 0.16,
  accumulator: 0,
  move: Infinity,
  hold: Infinity,
  workgroup: 0,
  mostProducts: 32,
  longestTile: 8,
  longBody: 0,
  mostTiledAxes: 2,
};

export function costsOf({ software }: GpuTarget): Costs {
  return software ? softwareCosts : hardwareCosts;
}

/** What compiling a text depends on. */
export interface TextSize {
  /** Loads and stores, of four elements each. */
  readonly accesses: number;
  readonly operations: number;
}

/**
 * Compiling a text on a software adapter, in nanoseconds of one core: each load or store is a hundred branches, and every two
 * branches are looked at together. Fitted on 200 kernels (20 ms to 3 s), within 16 % on average.
 */
const compiling = { text: 27e6, access: 5.4e6, square: 0.67e6, operation: 0.4e6 };
/** A load or store of one element is a third of one of four, to the compiler. */
export const singleAccess = 1 / 3;

/** What compiling a text adds to each run; nothing on hardware, whose drivers are quick. */
export function compilationOf(
  { accesses, operations }: TextSize,
  { software, expectedRuns = mostRuns }: GpuTarget,
): number {
  if (!software) return 0;
  const { text, access, square, operation } = compiling;
  return (text + (access + square * accesses) * accesses + operation * operations) / expectedRuns;
}

/**
 * Runs by which a program is judged: a training of some minutes, short steps more often than long ones. Measured in steps
 * of contractions; between the bounds the schedules of a kernel hardly change. Initial values are made once.
 */
const stepsOfTraining = 1.2e12;
const [leastRuns, mostRuns] = [300, 1200];
const programThatRunsOnce = "initialise";

export function expectedRunsOf({ name, kernels }: Pick<FusedGraph, "name" | "kernels">): number {
  if (name === programThatRunsOnce) return 1;
  const steps = kernels.reduce((sum, kernel) => sum + stepsOf(kernel), 0);
  return Math.round(Math.min(mostRuns, Math.max(leastRuns, stepsOfTraining / Math.max(1, steps))));
}

/** Elements times steps of the reduction. */
export function stepsOf({ domain, extents, accumulators }: Kernel): number {
  return size(domain) * size(extents) * Math.max(1, accumulators.length);
}

/** Instructions on a software adapter; a load is a branch for each lane. */
export const instructions = { multiplyAdd: 2, broadcast: 3, quad: 250, scalar: 90, accumulator: 2 };
