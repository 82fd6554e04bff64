/**
 * Default schedules for WGSL.
 *
 * In: a kernel, its analysis, the target. Out: a schedule whose lanes are invocations. A small cost model, in the units
 * measured on software adapters (nanoseconds for eight lanes), ranks every way of tiling one or two domain axes into
 * registers, of spreading the others over invocations, and of unrolling the innermost reduction axis.
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import { size } from "../graph/graph.ts";
import type { Target } from "../target.ts";
import { type Analysis, analyse, type Axis, windowStep } from "./analysis.ts";
import { type Footprint, footprintOf, isAligned, type Padding, type Stream, streamsOf } from "./footprint.ts";
import { type AxisStep, axisName, type Schedule } from "./schedule.ts";
import { divisorsOf } from "./wasm.ts";

type GpuTarget = Target & { kind: "wgsl" };

/** Time of one operation for a vector of invocations. */
interface Costs {
  readonly multiplyAdd: number;
  /** A load or store of one element. */
  readonly scalar: number;
  /** A load or store of a vec4. */
  readonly quad: number;
  readonly broadcast: number;
  /** Handing out one workgroup, in the same units (one core's time for eight lanes). */
  readonly workgroup: number;
  /**
   * Compiling, which takes longer than the square of the loads and stores in the text: its share of one of some ten
   * thousand steps, for each of their square.
   */
  readonly compilation: number;
  /** Registers for accumulators. */
  readonly mostProducts: number;
  readonly longestTile: number;
}

/** kernels.md's measurements of a software adapter: loads dominate, wide tiles pay. */
const softwareCosts: Costs = {
  multiplyAdd: 0.16,
  scalar: 7,
  quad: 13.2,
  broadcast: 0.42,
  workgroup: 1500,
  compilation: 400,
  mostProducts: 168,
  longestTile: 32,
};
/** Hardware hides loads behind many threads; large tiles starve it of them. */
const hardwareCosts: Costs = {
  multiplyAdd: 0.16,
  scalar: 1,
  quad: 1.6,
  broadcast: 0.16,
  workgroup: 0,
  compilation: 0,
  mostProducts: 32,
  longestTile: 8,
};

const mostStaticAccesses = 60;
const mostStaticProducts = 900;
const wantedWorkgroups = 16;

/** One way of cutting the domain: register tiles, and which axes are the same for all lanes of a workgroup. */
interface Choice {
  /** Step of each tiled domain axis. */
  readonly tile: ReadonlyMap<string, number>;
  /** Domain axes (or the pieces of tiled ones) in the grid; all others are spread over lanes. */
  readonly grid: ReadonlySet<string>;
  /** Unrolled part of reduction axes. */
  readonly unroll: ReadonlyMap<string, number>;
}

interface Estimate {
  /** For eight lanes. */
  readonly time: number;
  /** Loads and stores in the text. */
  readonly accesses: number;
}

/** Loads that every lane wants alike: each lane fetches one quad or element, and hands out what the others need. */
export function sharedLoads({ elements, quads, singles }: Footprint, aligned: boolean, subgroupSize: number) {
  const single = Math.ceil(elements / subgroupSize);
  const inQuads = Math.ceil(quads / subgroupSize);
  return aligned && singles === 0 && inQuads * 2 <= single
    ? { quads: inQuads, singles: 0 }
    : { quads: 0, singles: single };
}

/** What the loads and stores of a piece cost; `unrolled` gives its extents. */
function estimate(
  streams: readonly Stream[],
  unrolled: ReadonlyMap<string, number>,
  laneAxes: ReadonlySet<string>,
  costs: Costs,
  subgroupSize: number,
): Estimate {
  let time = 0;
  let accesses = 0;
  for (const stream of streams) {
    const touched = footprintOf(stream, unrolled);
    const aligned = isAligned(stream, unrolled);
    const isUniform = subgroupSize > 0 && ![...stream.along.keys()].some((axis) => laneAxes.has(axis));
    const shares = isUniform && touched.elements >= 3;
    const { quads, singles } = shares
      ? sharedLoads(touched, aligned, subgroupSize)
      : aligned
        ? touched
        : { quads: 0, singles: touched.elements };
    time += quads * costs.quad + singles * costs.scalar + (shares ? touched.elements * costs.broadcast : 0);
    accesses += quads + singles;
  }
  return { time, accesses };
}

function unrollOptions(axes: readonly Axis[]): ReadonlyMap<string, number>[] {
  const last = axes.findLast(({ isDomain, extent }) => !isDomain && extent > 1);
  if (!last) return [new Map()];
  return divisorsOf(last.extent)
    .filter((step) => step <= 8 || (step === last.extent && step <= 16))
    .map((step) => new Map([[last.name, step]]));
}

function countThreads(
  axes: readonly Axis[],
  { tile, grid }: Omit<Choice, "unroll">,
): { threads: number; places: number } {
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
function lanesFor(threads: number, places: number, target: GpuTarget): number {
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

/** Steps for a tile: divisors, multiples of the axis's windows, so that each window is read by one invocation. */
function steps(analysis: Analysis, axis: Axis, longest: number): number[] {
  const window = windowStep(analysis, axis.name);
  const found = divisorsOf(axis.extent).filter((step) => step > 1 && step <= longest);
  const whole = found.filter((step) => step % window === 0);
  return whole.length > 0 ? whole : found;
}

/** Tiles over at most two domain axes. */
function* tiles(analysis: Analysis, costs: Costs): Generator<ReadonlyMap<string, number>> {
  const domain = analysis.axes.filter(({ isDomain, extent }) => isDomain && extent > 1);
  yield new Map();
  for (const [i, first] of domain.entries())
    for (const a of steps(analysis, first, costs.longestTile)) {
      yield new Map([[first.name, a]]);
      for (const second of domain.slice(i + 1))
        for (const b of steps(analysis, second, costs.longestTile))
          if (a * b <= costs.mostProducts)
            yield new Map([
              [first.name, a],
              [second.name, b],
            ]);
    }
}

/** The grid takes outer untiled axes up to some axis, and the pieces of any of the tiled axes. */
function* grids(axes: readonly Axis[], tile: ReadonlyMap<string, number>): Generator<ReadonlySet<string>> {
  const split = axes.filter(({ name, extent, isDomain }) => isDomain && (tile.get(name) ?? 1) < extent);
  const untiled = split.filter(({ name }) => !tile.has(name)).map(({ name }) => name);
  const pieces = split.filter(({ name }) => tile.has(name)).map(({ name }) => name);
  for (let outer = 0; outer <= untiled.length; outer++)
    for (let subset = 0; subset < 1 << pieces.length; subset++) {
      const grid = new Set([...untiled.slice(0, outer), ...pieces.filter((_, bit) => (subset >> bit) & 1)]);
      if (grid.size < split.length || split.length === 0) yield grid;
    }
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
interface Subject {
  readonly axes: readonly Axis[];
  /** Loads of each turn of the innermost loop; what is loaded and stored once for each piece of the outputs. */
  readonly inner: readonly Stream[];
  readonly outer: readonly Stream[];
  readonly elements: number;
  /** Steps of the reduction for each element. */
  readonly depth: number;
  readonly sums: number;
}

function subjectOf(kernel: Kernel, analysis: Analysis, tensors: ReadonlyMap<number, StoredTensor>): Subject {
  const paddings = paddingsOf(kernel, tensors);
  return {
    axes: analysis.axes,
    inner: streamsOf(analysis, paddings, ({ kind }) => kind === "body"),
    outer: streamsOf(analysis, paddings, ({ kind }) => kind !== "body"),
    elements: size(kernel.domain),
    depth: size(kernel.extents),
    sums: Math.max(1, kernel.accumulators.length),
  };
}

const product = (steps: ReadonlyMap<string, number>): number => size([...steps.values()]);

/** The best way to unroll the reduction for pieces of this shape, and what the kernel then costs. */
function priceOf(
  { axes, inner, outer, elements, depth, sums }: Subject,
  { tile, grid }: Omit<Choice, "unroll">,
  target: GpuTarget,
  costs: Costs,
): { unroll: ReadonlyMap<string, number>; cost: number } {
  const points = product(tile);
  const isSplit = ({ name, extent, isDomain }: Axis): boolean => isDomain && (tile.get(name) ?? 1) < extent;
  const laneAxes = new Set(axes.filter((axis) => isSplit(axis) && !grid.has(axis.name)).map(({ name }) => name));
  const end = estimate(outer, tile, laneAxes, costs, 0);
  const { threads, places } = countThreads(axes, { tile, grid });
  const lanes = lanesFor(threads, places, target);
  const workgroups = Math.ceil(threads / lanes) * places;
  const idleLanes = (Math.ceil(threads / lanes) * lanes) / threads;
  const idleCores = Math.max(1, wantedWorkgroups / 2 / workgroups);
  let best: { unroll: ReadonlyMap<string, number>; cost: number } = { unroll: new Map(), cost: Infinity };
  for (const unroll of unrollOptions(axes)) {
    const steps = points * product(unroll);
    if (steps * sums > mostStaticProducts) continue;
    const turn = estimate(inner, new Map([...tile, ...unroll]), laneAxes, costs, target.subgroupSize);
    if (turn.accesses + end.accesses > mostStaticAccesses) continue;
    const perElement = depth * (turn.time / steps + sums * costs.multiplyAdd) + end.time / points;
    const accesses = turn.accesses + end.accesses;
    const once = workgroups * costs.workgroup + accesses * accesses * costs.compilation;
    const cost = perElement * elements * idleLanes * idleCores + once;
    if (cost < best.cost) best = { unroll, cost };
  }
  return best;
}

function choose(
  kernel: Kernel,
  analysis: Analysis,
  tensors: ReadonlyMap<number, StoredTensor>,
  target: GpuTarget,
): Choice {
  const costs = target.software ? softwareCosts : hardwareCosts;
  const subject = subjectOf(kernel, analysis, tensors);
  let best: { choice: Choice; cost: number } = {
    choice: { tile: new Map(), grid: new Set(), unroll: new Map() },
    cost: Infinity,
  };
  for (const tile of tiles(analysis, costs)) {
    if (product(tile) * subject.sums > costs.mostProducts) continue;
    for (const grid of grids(subject.axes, tile)) {
      const { unroll, cost } = priceOf(subject, { tile, grid }, target, costs);
      if (cost < best.cost) best = { choice: { tile, grid, unroll }, cost };
    }
  }
  return best.choice;
}

function assemble(kernel: Kernel, analysis: Analysis, choice: Choice, target: GpuTarget): Schedule {
  const grid: AxisStep[] = [];
  const threads: AxisStep[] = [];
  for (const axis of analysis.axes) {
    const step = choice.tile.get(axis.name) ?? 1;
    if (!axis.isDomain || step === axis.extent) continue;
    (choice.grid.has(axis.name) ? grid : threads).push({ axis: axis.name, step });
  }
  const loops = analysis.axes.flatMap((axis): AxisStep[] => {
    const step = choice.unroll.get(axis.name) ?? 1;
    return axis.isDomain || step === axis.extent ? [] : [{ axis: axis.name, step }];
  });
  const count = countThreads(analysis.axes, choice);
  const lanes = threads.length > 0 ? lanesFor(count.threads, count.places, target) : 1;
  return {
    lanes,
    grid,
    threads,
    loops,
    stage: [],
    order: "accumulatorByAccumulator",
    broadcast: target.subgroupSize > 0 && lanes % target.subgroupSize === 0 && kernel.accumulators.length > 0,
  };
}

export function scheduleForWgsl(
  kernel: Kernel,
  tensors: ReadonlyMap<number, StoredTensor>,
  target: GpuTarget,
): Schedule {
  const analysis = analyse(kernel, tensors);
  return assemble(kernel, analysis, choose(kernel, analysis, tensors, target), target);
}

const mostPartialElements = 1 << 22;
const mostParts = 64;

/** Enough parts for every core to have many threads, where the outputs alone are too few. */
export function splitForWgsl(kernel: Kernel): number[] {
  const elements = kernel.domain.reduce((a, b) => a * b, 1);
  const reduced = kernel.extents.reduce((a, b) => a * b, 1);
  const whole = kernel.extents.map(() => 1);
  const [first = 1] = kernel.extents;
  if (reduced < 1024 || elements * 8 > reduced * mostParts) return whole;
  const parts = divisorsOf(first).findLast((d) => d <= Math.min(mostParts, mostPartialElements / elements)) ?? 1;
  return parts < 2 ? whole : whole.map((one, axis) => (axis === 0 ? parts : one));
}
