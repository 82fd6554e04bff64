/**
 * The cost model of schedules for WGSL.
 *
 * In: a kernel as streams of loads and stores, and one way of spreading its axes. Out: what it costs, in nanoseconds for
 * eight lanes of one core of a software adapter (on hardware only proportions matter).
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import { size } from "../graph/graph.ts";
import type { Target } from "../target.ts";
import type { Analysis, Axis } from "./analysis.ts";
import {
  type Footprint,
  footprintOf,
  isAligned,
  type Padding,
  type Roll,
  type Stream,
  streamsOf,
} from "./footprint.ts";
import { axisName } from "./schedule.ts";

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
  /** Testing whether an element exists (padding). */
  readonly guard: number;
  /** Moving what a loop keeps for its next turn, by element. */
  readonly move: number;
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
  guard: 1.2,
  move: 2.5,
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
  guard: 0,
  move: Infinity,
  workgroup: 0,
  mostProducts: 32,
  longestTile: 8,
  longBody: 0,
  mostTiledAxes: 2,
};

export function costsOf({ software }: GpuTarget): Costs {
  return software ? softwareCosts : hardwareCosts;
}

/**
 * Compiling a text on a software adapter, in nanoseconds of one core: each load or store is a branch for each lane, and
 * all that lives across them is looked at once for each. Fitted on 93 kernels (20 ms to 5 s), within 15 % on average.
 */
const compiling = { text: 13e6, access: 8e6, square: 0.235e6 };
/** A load or store of one element is a third of one of four, to the compiler. */
const singleAccess = 1 / 3;

/** What compiling a text of so many loads and stores adds to each run; nothing on hardware, whose drivers are quick. */
export function compilationOf(accesses: number, { software, expectedRuns = mostRuns }: GpuTarget): number {
  if (!software) return 0;
  return (compiling.text + (compiling.access + compiling.square * accesses) * accesses) / expectedRuns;
}

/**
 * Runs by which a program is judged: a training of some minutes, short steps more often than long ones. Measured in steps
 * of contractions; between the bounds the schedules of a kernel hardly change.
 */
const stepsOfTraining = 2e12;
const [leastRuns, mostRuns] = [500, 2000];

export function expectedRunsOf(kernels: readonly Kernel[]): number {
  const steps = kernels.reduce((sum, kernel) => sum + stepsOf(kernel), 0);
  return Math.round(Math.min(mostRuns, Math.max(leastRuns, stepsOfTraining / Math.max(1, steps))));
}

/** Elements times steps of the reduction. */
export function stepsOf({ domain, extents, accumulators }: Kernel): number {
  return size(domain) * size(extents) * Math.max(1, accumulators.length);
}

const mostStaticAccesses = 100;
const mostStaticProducts = 1000;
/** Instructions on a software adapter; a load is a branch for each lane. */
const instructions = { multiplyAdd: 2, broadcast: 3, quad: 250, scalar: 90, accumulator: 2 };
const shortBody = 3950;
const mostSlowing = 2.1;
const lanesOfVector = 8;
const wantedWorkgroups = 16;

/** One way of cutting the domain: register tiles, and which axes are the same for all lanes of a workgroup. */
export interface Cutting {
  /** Step of each tiled domain axis. */
  readonly tile: ReadonlyMap<string, number>;
  /** Domain axes (or the pieces of tiled ones) in the grid; all others are spread over lanes. */
  readonly grid: ReadonlySet<string>;
}

export interface Choice extends Cutting {
  /** Unrolled part of reduction axes. */
  readonly unroll: ReadonlyMap<string, number>;
  /** The reduction axis whose loop is innermost and keeps what its next turn would load again. */
  readonly roll: string | undefined;
}

interface Estimate {
  /** For eight lanes. */
  readonly time: number;
  /** Loads and stores in the text. */
  readonly accesses: number;
  readonly instructions: number;
}

/** Loads that every lane wants alike: each lane fetches one quad or element, and hands out what the others need. */
function sharedLoads({ elements, quads, singles }: Footprint, aligned: boolean, subgroupSize: number) {
  const single = Math.ceil(elements / subgroupSize);
  const inQuads = Math.ceil(quads / subgroupSize);
  return aligned && singles === 0 && inQuads * 2 <= single
    ? { quads: inQuads, singles: 0 }
    : { quads: 0, singles: single };
}

interface Piece {
  /** Extents of what is unrolled. */
  readonly unrolled: ReadonlyMap<string, number>;
  readonly laneAxes: ReadonlySet<string>;
  /** 0 where nothing is handed from lane to lane. */
  readonly subgroupSize: number;
  readonly roll?: (Roll & { readonly turns: number }) | undefined;
}

/** What the loads and stores of a piece cost. */
function estimate(streams: readonly Stream[], piece: Piece, costs: Costs): Estimate {
  const { unrolled, laneAxes, subgroupSize, roll } = piece;
  let time = 0;
  let accesses = 0;
  let length = 0;
  for (const stream of streams) {
    const aligned = isAligned(stream, unrolled);
    const isUniform = subgroupSize > 0 && ![...stream.along.keys()].some((axis) => laneAxes.has(axis));
    const shared = isUniform ? footprintOf(stream, unrolled) : undefined;
    const shares = shared !== undefined && shared.elements >= 3;
    const touched = shares ? shared : footprintOf(stream, unrolled, roll);
    const { quads, singles } = shares
      ? sharedLoads(touched, aligned, subgroupSize)
      : aligned
        ? touched
        : { quads: 0, singles: touched.elements };
    const broadcasts = shares ? touched.elements : 0;
    const moves = touched.kept > 0 ? touched.kept * costs.move : 0;
    time +=
      quads * costs.quad + singles * (shares ? costs.gather : costs.scalar) + broadcasts * costs.broadcast + moves;
    accesses += quads + singles * singleAccess;
    length += quads * instructions.quad + singles * instructions.scalar + broadcasts * instructions.broadcast;
  }
  return { time, accesses, instructions: length };
}

export function countThreads(axes: readonly Axis[], { tile, grid }: Cutting): { threads: number; places: number } {
  let threads = 1;
  let places = 1;
  for (const { name, extent, isDomain } of axes) {
    if (!isDomain) continue;
    const pieces = extent / (tile.get(name) ?? 1);
    if (grid.has(name)) places *= pieces;
    else threads *= pieces;
  }
  return { threads, places };
}

/** The size of workgroups that leaves the fewest lanes idle; of equal ones the largest that still gives every core work. */
export function lanesFor(threads: number, places: number, target: GpuTarget): number {
  const smallest = target.software ? Math.max(8, target.subgroupSize) : 32;
  const sizes = [64, 32, 16, 8].filter((size) => size <= target.maximumInvocations && size >= smallest);
  let best = { size: sizes.at(-1) ?? 1, cost: Infinity };
  for (const size of sizes) {
    const workgroups = Math.ceil(threads / size);
    const idleCores = Math.max(1, wantedWorkgroups / (workgroups * places));
    const cost = workgroups * size * idleCores;
    if (cost < best.cost) best = { size, cost };
  }
  return best.size;
}

/** Lanes of the workgroups of chains: those of software adapters are one vector, for which barriers are cheapest. */
export function chainLanes({ software, subgroupSize, maximumInvocations }: GpuTarget): number {
  return software ? Math.max(lanesOfVector, subgroupSize) : Math.min(256, maximumInvocations);
}

/** The padding of the rows of each tensor that the kernel writes. */
function paddingsOf(kernel: Kernel, tensors: ReadonlyMap<number, StoredTensor>): Map<number, Padding> {
  const axis = axisName.domain(kernel.domain.length - 1);
  return new Map(
    kernel.outputs.flatMap(({ tensor }): [number, Padding][] => {
      const { pitch, shape = [] } = tensors.get(tensor) ?? {};
      return pitch === undefined ? [] : [[tensor, { axis, elements: pitch - (shape.at(-1) ?? 0) }]];
    }),
  );
}

/** A kernel as the cost model sees it. */
export interface Subject {
  /** Of a kernel in a chain: of one chunk. */
  readonly axes: readonly Axis[];
  /** Into how many parts its chain cuts the first axis. */
  readonly chunks: number | undefined;
  /** Loads of each turn of the innermost loop; what is loaded and stored once for each piece of the outputs. */
  readonly inner: readonly Stream[];
  readonly outer: readonly Stream[];
  readonly elements: number;
  /** Whether lanes may hand what they load to others. */
  readonly broadcasts: boolean;
  /** Steps of the reduction for each element. */
  readonly depth: number;
  readonly sums: number;
}

type Streams = Pick<Subject, "inner" | "outer">;

const streams = new WeakMap<Analysis["accesses"], Streams>();

function makeStreams(kernel: Kernel, analysis: Analysis, tensors: ReadonlyMap<number, StoredTensor>): Streams {
  const paddings = paddingsOf(kernel, tensors);
  return {
    inner: streamsOf(analysis, paddings, ({ kind }) => kind === "body"),
    outer: streamsOf(analysis, paddings, ({ kind }) => kind !== "body"),
  };
}

/** `analysis`: of the whole kernel, or of one of its chunks. */
export function subjectOf(
  kernel: Kernel,
  analysis: Analysis,
  tensors: ReadonlyMap<number, StoredTensor>,
  chunks?: number,
): Subject {
  // Chunks of a kernel move as it does: what their tiles touch is counted once.
  const known = streams.get(analysis.accesses) ?? makeStreams(kernel, analysis, tensors);
  streams.set(analysis.accesses, known);
  return {
    axes: analysis.axes,
    chunks,
    ...known,
    elements: size(kernel.domain),
    broadcasts: kernel.accumulators.length > 0 && !kernel.inPlace,
    depth: size(kernel.extents),
    sums: Math.max(1, kernel.accumulators.length),
  };
}

const product = (steps: ReadonlyMap<string, number>): number => size([...steps.values()]);

/** How the work meets the lanes. */
interface Spread {
  readonly workgroups: number;
  /** Part by which lanes that have nothing to do lengthen it. */
  readonly idleLanes: number;
}

function spreadOf({ axes, chunks }: Subject, choice: Choice, target: GpuTarget): Spread {
  const { threads, places } = countThreads(axes, choice);
  const lanes = chunks === undefined ? lanesFor(threads, places, target) : chainLanes(target);
  const groups = Math.ceil(threads / lanes);
  return { workgroups: chunks ?? groups * places, idleLanes: (groups * lanes) / threads };
}

interface Work extends Spread {
  /** Of one core. */
  readonly time: number;
  readonly accesses: number;
}

/** The cores of a software adapter. */
const cores = 2;

/** What the kernel costs, cut and unrolled like this; infinite where its text would be too long. */
export function priceOf(subject: Subject, choice: Choice, target: GpuTarget, costs: Costs): number {
  const work = workOf(subject, choice, target, costs);
  if (!work) return Infinity;
  const { time, workgroups, accesses } = work;
  // Chains are cut so that cores are evenly busy, or into one part.
  const idleCores = Math.max(1, (subject.chunks === undefined ? wantedWorkgroups / 2 : cores) / workgroups);
  return time * idleCores + workgroups * costs.workgroup + compilationOf(accesses, target);
}

export interface Duration {
  /** Until all of it is done, in nanoseconds of one core of a software adapter. */
  readonly time: number;
  /** Loads and stores in the text, of four elements each. */
  readonly accesses: number;
}

export function durationOf(subject: Subject, choice: Choice, target: GpuTarget, costs: Costs): Duration {
  const work = workOf(subject, choice, target, costs);
  if (!work) return { time: Infinity, accesses: Infinity };
  const { time, workgroups, accesses } = work;
  return { time: time * Math.max(1, cores / workgroups) + workgroups * costs.workgroup, accesses };
}

function workOf(subject: Subject, choice: Choice, target: GpuTarget, costs: Costs): Work | undefined {
  const { axes, inner, outer, elements, depth, sums } = subject;
  const { tile, grid, unroll, roll } = choice;
  const points = product(tile);
  const steps = points * product(unroll);
  if (steps * sums > mostStaticProducts) return undefined;
  const isSplit = ({ name, extent, isDomain }: Axis): boolean => isDomain && (tile.get(name) ?? 1) < extent;
  const laneAxes = new Set(axes.filter((axis) => isSplit(axis) && !grid.has(axis.name)).map(({ name }) => name));
  const end = estimate(outer, { unrolled: tile, laneAxes, subgroupSize: 0 }, costs);
  const rollStep = (roll !== undefined && unroll.get(roll)) || 1;
  const rollExtent = axes.find(({ name }) => name === roll)?.extent ?? 1;
  const rolled = roll === undefined ? undefined : { axis: roll, step: rollStep, turns: rollExtent / rollStep };
  const subgroupSize = subject.broadcasts && laneAxes.size > 0 ? target.subgroupSize : 0;
  const turn = estimate(
    inner,
    { unrolled: new Map([...tile, ...unroll]), laneAxes, subgroupSize, roll: rolled },
    costs,
  );
  const accesses = turn.accesses + end.accesses;
  if (accesses > mostStaticAccesses) return undefined;
  const accumulators = points * sums;
  const bodyLength =
    turn.instructions + accumulators * instructions.accumulator + sums * steps * instructions.multiplyAdd;
  const tooLong = Math.max(0, (bodyLength - shortBody) / 1000);
  const slower = Math.min(mostSlowing, 1 + costs.longBody * tooLong);
  const perTurn = costs.turn + turn.time + accumulators * costs.accumulator + steps * sums * costs.multiplyAdd;
  const perElement = (depth * perTurn * slower) / steps + end.time / points;
  const spread = spreadOf(subject, choice, target);
  return { ...spread, time: ((perElement * elements) / lanesOfVector) * spread.idleLanes, accesses };
}
