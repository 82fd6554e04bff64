/**
 * The cost model of schedules for WGSL.
 *
 * In: a kernel as streams of loads and stores, and one way of tiling and unrolling its axes. Out: what it costs by what is in
 * the grid, and what no grid goes below, in nanoseconds of one core of a software adapter (on hardware only proportions matter).
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import { size } from "../graph/graph.ts";
import { type Analysis, type Axis, isContraction, placesOf, windowStep } from "./analysis.ts";
import { type Padding, type Stream, streamsOf } from "./footprint.ts";
import { axisName } from "./schedule.ts";
import { compilationOf, type Costs, type GpuTarget, instructions, type TextSize } from "./wgslAdapters.ts";
import { cheapestOf } from "./cheapest.ts";
import { type End, endsOf, type Estimate, type InLoops, isShared, leastOf, loadsOf, sumOf } from "./wgslLoads.ts";

const mostStaticAccesses = 100;
const mostStaticProducts = 1000;
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
  /** Loads, or stores, of one kind are a loop: that is for the price to decide. */
  readonly inLoops: InLoops;
}

export type Grid = Cutting["grid"];
/** A choice without what is in the grid, and without what follows from its price. */
export type Tiling = Omit<Choice, "grid" | "inLoops">;

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
  /** Arithmetic in the text, for each step of the reduction and for each element of the outputs. */
  readonly stepOperations: number;
  readonly elementOperations: number;
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

/** Of what a value is made of, the part that is arithmetic in the text; the rest are loads, constants and what is computed already. */
const arithmetic = 0.4;

/** Elements that have most of their arithmetic in common: the places of a tile, windows. */
function sharersOf(analysis: Analysis): number {
  const windows = analysis.axes.filter(({ isDomain }) => isDomain).map(({ name }) => windowStep(analysis, name));
  return placesOf(analysis) * size(windows);
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
    // What products are made of is computed once for many of them.
    stepOperations: isContraction(kernel) ? kernel.accumulators.length : analysis.bodyOperations * arithmetic,
    elementOperations: (analysis.outputOperations * arithmetic) / sharersOf(analysis),
  };
}

const product = (steps: ReadonlyMap<string, number>): number => size([...steps.values()]);

/** How the work meets the lanes. */
interface Spread {
  readonly workgroups: number;
  /** Part by which lanes that have nothing to do lengthen it. */
  readonly idleLanes: number;
}

function spreadOf({ axes, chunks }: Subject, cutting: Cutting, target: GpuTarget): Spread {
  const { threads, places } = countThreads(axes, cutting);
  const lanes = chunks === undefined ? lanesFor(threads, places, target) : chainLanes(target);
  const groups = Math.ceil(threads / lanes);
  return { workgroups: chunks ?? groups * places, idleLanes: (groups * lanes) / threads };
}

/** Work as if no lane were ever idle. */
interface Unspread {
  /** Of one core. */
  readonly time: number;
  readonly text: TextSize;
}

type Work = Unspread & Spread;

/** The work of a tiling, by what is in the grid. */
interface WorkByGrid {
  readonly inLoops: InLoops;
  /** What no grid goes below. */
  readonly least: Unspread;
  /** Undefined where the text would be too long. */
  readonly on: (grid: Grid) => Work | undefined;
}

/** The cores of a software adapter. */
const cores = 2;

export interface Prices extends Pick<Choice, "inLoops"> {
  /** What no grid goes below. */
  readonly least: number;
  /** Infinite where the text would be too long. */
  readonly on: (grid: Grid) => number;
}

/**
 * What the kernel costs, tiled and unrolled like this, by what is in the grid; undefined where its text is too long in any case.
 * All grids of a tiling are priced together: most of the price is theirs in common.
 */
export function pricesOf(subject: Subject, tiling: Tiling, target: GpuTarget, costs: Costs): Prices | undefined {
  const works = workOf(subject, tiling, target, costs);
  if (!works) return undefined;
  const priceOf = ({ time, workgroups, text }: Work): number => {
    // Chains are cut so that cores are evenly busy, or into one part.
    const idleCores = Math.max(1, (subject.chunks === undefined ? wantedWorkgroups / 2 : cores) / workgroups);
    return time * idleCores + workgroups * costs.workgroup + compilationOf(text, target);
  };
  const { inLoops } = works;
  const { time, text } = works.least;
  return {
    inLoops,
    least: time + compilationOf(text, target),
    on: (grid) => {
      const work = works.on(grid);
      return work ? priceOf(work) : Infinity;
    },
  };
}

export interface Duration {
  /** Until all of it is done, in nanoseconds of one core of a software adapter. */
  readonly time: number;
  readonly text: TextSize;
}

export function durationOf(subject: Subject, choice: Choice, target: GpuTarget, costs: Costs): Duration {
  const work = workOf(subject, choice, target, costs)?.on(choice.grid);
  if (!work) return { time: Infinity, text: { accesses: Infinity, operations: Infinity } };
  const { time, workgroups, text } = work;
  return { time: time * Math.max(1, cores / workgroups) + workgroups * costs.workgroup, text };
}

function workOf(
  subject: Subject,
  { tile, unroll, roll }: Tiling,
  target: GpuTarget,
  costs: Costs,
): WorkByGrid | undefined {
  const { axes, inner, elements, depth, sums, stepOperations, elementOperations } = subject;
  const points = product(tile);
  const steps = points * product(unroll);
  if (steps * sums > mostStaticProducts) return undefined;
  const rolls = roll === undefined ? undefined : { axis: roll, step: unroll.get(roll) ?? 1 };
  const piece = { unrolled: new Map([...tile, ...unroll]), roll: rolls };
  const loads = inner.map((stream) => loadsOf(stream, piece, subject.broadcasts ? target.subgroupSize : 0, costs));
  const accumulators = points * sums;
  const unspread = (turn: Estimate, end: End): Unspread | undefined => {
    const accesses = turn.accesses + end.accesses;
    if (accesses > mostStaticAccesses) return undefined;
    const operations = steps * stepOperations + points * elementOperations + end.held;
    const bodyLength =
      turn.instructions + accumulators * instructions.accumulator + sums * steps * instructions.multiplyAdd;
    const excess = Math.max(0, (bodyLength - shortBody) / 1000);
    const slower = Math.min(mostSlowing, 1 + costs.longBody * excess);
    const perTurn = costs.turn + turn.time + accumulators * costs.accumulator + steps * sums * costs.multiplyAdd;
    const perElement = (depth * perTurn * slower) / steps + end.time / points;
    return { time: (perElement * elements) / lanesOfVector, text: { accesses, operations } };
  };
  const leastTurn = sumOf(loads.map(leastOf));
  const ends = endsOf(subject.outer, tile, costs).flatMap((end) => {
    const least = unspread(leastTurn, end);
    return least ? [{ end, least, cost: least.time + compilationOf(least.text, target) }] : [];
  });
  const best = cheapestOf(ends, ({ cost }) => cost)?.one;
  if (!best) return undefined;
  const { end, least } = best;
  const split = axes.filter(({ name, extent, isDomain }) => isDomain && (tile.get(name) ?? 1) < extent);
  return {
    inLoops: end.inLoops,
    least,
    on: (grid) => {
      const laneAxes = split.filter(({ name }) => !grid.has(name));
      const turn = loads.map(({ along, own, shared }) => (isShared(along, laneAxes) ? shared : own));
      const work = unspread(sumOf(turn), end);
      if (!work) return undefined;
      const spread = spreadOf(subject, { tile, grid }, target);
      return { ...spread, ...work, time: work.time * spread.idleLanes };
    },
  };
}
