/**
 * The cost model of schedules for WGSL.
 *
 * In: a kernel as streams of loads and stores, and one way of tiling and unrolling its axes. Out: what it costs by what is in
 * the grid, and what no grid goes below, in nanoseconds of one core of a software adapter (on hardware only proportions matter).
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import { size } from "../graph/graph.ts";
import { type Analysis, type Axis, isContraction, placesOf, windowStep } from "./analysis.ts";
import { type AxisSet, has } from "./axisSet.ts";
import type { Steps } from "./footprint.ts";
import { type Padding, type Stream, streamsOf } from "./streams.ts";
import { compilationOf, type Costs, type GpuTarget, instructions, type TextSize } from "./wgslAdapters.ts";
import { type End, endsOf, type Estimate, type InLoops, type Loads, loadsOf, sumOf } from "./wgslLoads.ts";

const mostStaticAccesses = 100;
const mostStaticProducts = 1000;
const shortBody = 3950;
const mostSlowing = 2.1;
const lanesOfVector = 8;
const wantedWorkgroups = 16;

/** One way of cutting the domain: register tiles, and which axes are the same for all lanes of a workgroup. */
export interface Cutting {
  /** Of domain axes; 1 for reductions. */
  readonly tile: Steps;
  /** Domain axes (or the pieces of tiled ones) in the grid; all others are spread over lanes. */
  readonly grid: AxisSet;
}

/** A choice without what is in the grid, and without what follows from its price. */
export interface Tiling extends Pick<Cutting, "tile"> {
  /** Unrolled part of reduction axes; 1 for those of the domain. */
  readonly unroll: Steps;
  /** The reduction axis whose loop is innermost and keeps what its next turn would load again. */
  readonly roll: number | undefined;
}

export interface Choice extends Tiling, Cutting {
  /** Loads, or stores, of one kind are a loop: that is for the price to decide. */
  readonly inLoops: InLoops;
}

interface Threads {
  readonly threads: number;
  /** The axes that tell them apart. */
  readonly apart: AxisSet;
  readonly places: number;
}

export function countThreads(axes: readonly Axis[], { tile, grid }: Cutting): Threads {
  let [threads, apart, places] = [1, 0, 1];
  axes.forEach(({ extent, isDomain }, axis) => {
    const pieces = isDomain ? extent / (tile[axis] ?? 1) : 1;
    if (has(grid, axis)) places *= pieces;
    else if (pieces > 1) {
      threads *= pieces;
      apart |= 1 << axis;
    }
  });
  return { threads, apart, places };
}

const lanesOfWorkgroups = [64, 32, 16, 8];

/** The size of workgroups that leaves the fewest lanes idle; of equal ones the largest that still gives every core work. */
export function lanesFor(threads: number, places: number, target: GpuTarget): number {
  const smallest = target.software ? Math.max(8, target.subgroupSize) : 32;
  let [best, leastCost] = [1, Infinity];
  for (const lanes of lanesOfWorkgroups) {
    if (lanes > target.maximumInvocations || lanes < smallest) continue;
    const workgroups = Math.ceil(threads / lanes);
    const idleCores = Math.max(1, wantedWorkgroups / (workgroups * places));
    const cost = workgroups * lanes * idleCores;
    if (cost < leastCost) [best, leastCost] = [lanes, cost];
  }
  return best;
}

/** Lanes of the workgroups of chains: those of software adapters are one vector, for which barriers are cheapest. */
export function chainLanes({ software, subgroupSize, maximumInvocations }: GpuTarget): number {
  return software ? Math.max(lanesOfVector, subgroupSize) : Math.min(256, maximumInvocations);
}

/** The padding of the rows of each tensor that the kernel writes. */
function paddingsOf(kernel: Kernel, tensors: ReadonlyMap<number, StoredTensor>): Map<number, Padding> {
  const axis = kernel.domain.length - 1;
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

/** How the work meets the lanes. */
interface Spread {
  readonly workgroups: number;
  /** Part by which lanes that have nothing to do lengthen it. */
  readonly idleLanes: number;
}

function spreadOf({ threads, places }: Threads, { chunks }: Subject, target: GpuTarget): Spread {
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
  readonly on: (grid: AxisSet) => Work | undefined;
}

/** Undefined where the text is too long on every grid. */
type WorkOf = (tiling: Tiling) => WorkByGrid | undefined;

/** The cores of a software adapter. */
const cores = 2;

export interface Prices extends Pick<Choice, "inLoops"> {
  /** What no grid goes below. */
  readonly least: number;
  /** Infinite where the text would be too long. */
  readonly on: (grid: AxisSet) => number;
}

/**
 * What the kernel costs, tiled and unrolled in some way, by what is in the grid; undefined where its text is too long in any case.
 * All grids of a tiling are priced together: most of the price is theirs in common.
 */
export function pricesOf(subject: Subject, target: GpuTarget, costs: Costs): (tiling: Tiling) => Prices | undefined {
  const workOf = worksOf(subject, target, costs);
  const priceOf = ({ time, workgroups, text }: Work): number => {
    // Chains are cut so that cores are evenly busy, or into one part.
    const idleCores = Math.max(1, (subject.chunks === undefined ? wantedWorkgroups / 2 : cores) / workgroups);
    return time * idleCores + workgroups * costs.workgroup + compilationOf(text, target);
  };
  return (tiling) => {
    const works = workOf(tiling);
    if (!works) return undefined;
    const { inLoops, least, on } = works;
    return {
      inLoops,
      least: least.time + compilationOf(least.text, target),
      on: (grid) => {
        const work = on(grid);
        return work ? priceOf(work) : Infinity;
      },
    };
  };
}

export interface Duration {
  /** Until all of it is done, in nanoseconds of one core of a software adapter. */
  readonly time: number;
  readonly text: TextSize;
}

export function durationOf(subject: Subject, choice: Choice, target: GpuTarget, costs: Costs): Duration {
  const work = worksOf(subject, target, costs)(choice)?.on(choice.grid);
  if (!work) return { time: Infinity, text: { accesses: Infinity, operations: Infinity } };
  const { time, workgroups, text } = work;
  return { time: time * Math.max(1, cores / workgroups) + workgroups * costs.workgroup, text };
}

function worksOf(subject: Subject, target: GpuTarget, costs: Costs): WorkOf {
  const { axes, elements, depth, sums, stepOperations, elementOperations } = subject;
  const subgroupSize = subject.broadcasts ? target.subgroupSize : 0;
  const streams = subject.inner.map((stream) => loadsOf(stream, subgroupSize, costs));
  const ends = endsOf(subject.outer, costs);

  /** `points`, `steps`: elements of the tile, and products of one sum that are unrolled. */
  const unspread = (points: number, steps: number, turn: Estimate, end: End): Unspread | undefined => {
    const accesses = turn.accesses + end.accesses;
    if (accesses > mostStaticAccesses) return undefined;
    const accumulators = points * sums;
    const operations = steps * stepOperations + points * elementOperations + end.held;
    const bodyLength =
      turn.instructions + accumulators * instructions.accumulator + sums * steps * instructions.multiplyAdd;
    const excess = Math.max(0, (bodyLength - shortBody) / 1000);
    const slower = Math.min(mostSlowing, 1 + costs.longBody * excess);
    const perTurn = costs.turn + turn.time + accumulators * costs.accumulator + steps * sums * costs.multiplyAdd;
    const perElement = (depth * perTurn * slower) / steps + end.time / points;
    return { time: (perElement * elements) / lanesOfVector, text: { accesses, operations } };
  };

  return ({ tile, unroll, roll }) => {
    const points = size(tile);
    const steps = points * size(unroll);
    if (steps * sums > mostStaticProducts) return undefined;
    const unrolled = tile.map((step, axis) => step * (unroll[axis] ?? 1));
    const loads = streams.map((loadsOfTurn) => loadsOfTurn(unrolled, roll));
    const leastTurn = sumOf(loads, (stream) => stream.least);
    let best: { readonly end: End; readonly least: Unspread } | undefined;
    let bestCost = Infinity;
    for (const end of ends(tile)) {
      const least = unspread(points, steps, leastTurn, end);
      const cost = least ? least.time + compilationOf(least.text, target) : Infinity;
      if (least && cost < bestCost) [best, bestCost] = [{ end, least }, cost];
    }
    if (!best) return undefined;
    const { end, least } = best;
    const work = byShared(loads, (turn) => unspread(points, steps, turn, end));
    return {
      inLoops: end.inLoops,
      least,
      on: (grid) => {
        const threads = countThreads(axes, { tile, grid });
        const unspreadWork = work(threads.apart);
        if (!unspreadWork) return undefined;
        const spread = spreadOf(threads, subject, target);
        return { ...spread, ...unspreadWork, time: unspreadWork.time * spread.idleLanes };
      },
    };
  };
}

/** What follows from the loads of a turn by the axes that tell lanes apart: once for all by which the same loads are the same for all lanes. */
function byShared<T>(loads: readonly Loads[], make: (turn: Estimate) => T): (apart: AxisSet) => T {
  const known = new Map<number, T>();
  return (apart) => {
    const isShared = ({ along }: Loads): boolean => apart !== 0 && (apart & along) === 0;
    let key = 0;
    for (const stream of loads) key = 2 * key + (isShared(stream) ? 1 : 0);
    const found = known.get(key) ?? make(sumOf(loads, (stream) => (isShared(stream) ? stream.shared : stream.own)));
    known.set(key, found);
    return found;
  };
}
