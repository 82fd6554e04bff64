/**
 * Default schedules for WebAssembly SIMD on threads.
 *
 * In: a kernel and its analysis. Out: a schedule of 4 lanes (or 1). The rules are those measured for V8: about 15
 * vector registers, so 12 accumulators and the narrower operand held in registers; lanes along the axis with the most
 * contiguous loads; padded operands staged once; short loop bodies; fixed chunks for the threads.
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import type { Index } from "../nest/integer.ts";
import {
  type Access,
  type Analysis,
  analyse,
  type Axis,
  dependsOn,
  extentOf,
  strideAlong,
  windowStep,
} from "./analysis.ts";
import { type AxisStep, axisName, type Schedule } from "./schedule.ts";
import { chooseStages, chunkExtent, stagedElements, type Turned, turnedFor } from "./wasmStages.ts";

const lanes = 4;
const vectorRegisters = 15;
/** Multiply-adds of one loop body: enough to hide the loop, few enough for the register allocator. */
const bodySize = 40;
const mostChunks = 64;
/** Element steps that are worth a chunk of their own. */
const chunkWork = 8192;
/** Elements (of vectors: vectors) that the body of a map computes at most: more of them spill. */
const mostMapPoints = 48;
/** Operations of a map's element; of longer ones one vector at a time is enough. */
const mostShortOperations = 200;

const ceilDivide = (a: number, b: number): number => Math.ceil(a / b);

export function divisorsOf(value: number): number[] {
  const found: number[] = [];
  for (let d = 1; d * d <= value; d++) if (value % d === 0) found.push(d, value / d);
  return [...new Set(found)].sort((a, b) => a - b);
}

function largestDivisor(value: number, atMost: number): number {
  return divisorsOf(value).findLast((divisor) => divisor <= Math.max(1, atMost)) ?? 1;
}

/** The axis along which the lanes lie, and the operands that are copied for it. */
interface Lanes {
  readonly axis: string;
  readonly turned: Turned;
}

const isTurned = ({ operand }: Access, turned: Turned): boolean => operand !== undefined && turned.has(operand);

/** Instructions for one load in four lanes along an axis. */
function loadCost(access: Access, { axis, turned }: Lanes): number {
  if (isTurned(access, turned)) return 1;
  const stride = strideAlong(access, axis);
  if (stride === 1 || stride === 0) return 1;
  if (stride === 2 || stride === -1) return 3;
  return stride === undefined ? 5 : 8;
}

/**
 * What the rules leave open, for tuning. Ranks are places in an order of the rules' own, the default first.
 */
export interface WasmVariant {
  /** Rank of the vector axis. */
  readonly vector: number;
  /** Rank of the register tile. */
  readonly tile: number;
  /** Multiply-adds of one loop body. */
  readonly body: number;
  /** Elements (of vectors: vectors) that the body of a map computes at most. */
  readonly points: number;
  /** Whether the images of a weight's gradient are the outermost loop. */
  readonly imagesOutside: boolean;
}

export const defaultVariant: WasmVariant = {
  vector: 0,
  tile: 0,
  body: bodySize,
  points: mostMapPoints,
  imagesOutside: true,
};

/** Instructions that copy an element of an operand: it is stored among others, and tests may guard it. */
const copyCost = 2;

/** What copying operands costs for four elements of all that a kernel goes through. */
function turningCost(analysis: Analysis, grid: readonly AxisStep[], turned: Turned): number {
  const steps = analysis.axes.reduce((product, axis) => product * chunkExtent(grid, axis), 1);
  const elements = [...turned.keys()].reduce((sum, of) => sum + (stagedElements(analysis, grid, of) ?? 0), 0);
  return (copyCost * lanes * elements) / steps;
}

/** The axis whose consecutive elements become lanes: the one with the cheapest loads and stores and the least waste. */
function chooseLanes(
  kernel: Kernel,
  analysis: Analysis,
  rank: number,
  grid: readonly AxisStep[] | undefined,
): Lanes | undefined {
  // Loads are counted for a whole tile where its places are singled out, stores for one place.
  const stores = analysis.axes.reduce(
    (count, { name, extent }) => count * (analysis.enumerated.has(name) ? extent : windowStep(analysis, name)),
    1,
  );
  const operations = 0.1 * (analysis.bodyOperations + analysis.outputOperations);
  // Stores and what the outputs read happen once for a whole reduction.
  const times = ({ kind }: Access): number =>
    (kind === "body" || kernel.accumulators.length === 0 ? 1 : 0.05) * (kind === "store" ? stores : 1);
  const scalarCost = lanes * analysis.accesses.reduce((sum, access) => sum + times(access), operations);
  const found: { choice: Lanes | undefined; cost: number }[] = [{ choice: undefined, cost: scalarCost }];
  for (const axis of analysis.axes) {
    if (axis.extent < lanes || analysis.enumerated.has(axis.name) || !mayVectorise(kernel, axis)) continue;
    const waste = (ceilDivide(axis.extent, lanes) * lanes) / axis.extent;
    for (const turned of turnings(kernel, analysis, grid, axis.name)) {
      const choice = { axis: axis.name, turned };
      let cost = operations + (grid ? turningCost(analysis, grid, turned) : 0);
      for (const access of analysis.accesses)
        cost += times(access) * (axis.isDomain || access.kind === "body" ? loadCost(access, choice) : lanes);
      found.push({ choice, cost: cost * waste });
    }
  }
  // Of equal ones the first; a sum's rounding is no difference.
  const ranked = found.toSorted((a, b) => (Math.abs(a.cost - b.cost) < 1e-9 ? 0 : a.cost - b.cost));
  return ranked[Math.min(rank, ranked.length - 1)]?.choice;
}

/** Which operands to copy for lanes along an axis: none; in a chain, whose chunks are known, all that it helps. */
function turnings(
  kernel: Kernel,
  analysis: Analysis,
  grid: readonly AxisStep[] | undefined,
  axis: string,
): readonly Turned[] {
  const none: Turned = new Map();
  if (!grid || kernel.accumulators.length === 0) return [none];
  const turned = turnedFor(analysis, grid, axis);
  return turned.size > 0 ? [none, turned] : [none];
}

function mayVectorise(kernel: Kernel, axis: Axis): boolean {
  if (axis.isDomain) return !(kernel.inPlace && axis.extent % lanes !== 0);
  // Where lanes are parts of a reduction, all of them write its result: not over what another one reads.
  return !kernel.inPlace && kernel.accumulators.every(({ operator }) => operator !== "minimum");
}

interface Tile {
  readonly steps: ReadonlyMap<string, number>;
  /** Products of one reduction step. */
  readonly products: number;
}

/** Tile of registers over at most two domain axes that gives the fewest instructions a product. */
function chooseTile(kernel: Kernel, analysis: Analysis, chosen: Lanes | undefined, rank: number): Tile {
  const vector = chosen?.axis;
  const unit = (axis: string): number => (axis === vector ? lanes : 1);
  const options = (axis: Axis): number[] => {
    const most = Math.min(12, Math.ceil(axis.extent / unit(axis.name)));
    return Array.from({ length: most }, (_, i) => Math.min((i + 1) * unit(axis.name), axis.extent)).filter(
      (step) => !kernel.inPlace || axis.extent % step === 0,
    );
  };
  const open = analysis.axes.filter((axis) => axis.isDomain && axis.extent > 1);
  const domain = open.filter(({ name }) => !analysis.enumerated.has(name));
  const body = analysis.accesses.filter((access) => access.kind === "body");
  let best: { tile: Tile; cost: number } = {
    tile: { steps: new Map(vector ? [[vector, Math.min(lanes, extentOf(analysis, vector))]] : []), products: 1 },
    cost: Infinity,
  };
  const others: { tile: Tile; cost: number }[] = [];
  const consider = (choice: readonly (readonly [Axis, number])[]): void => {
    const counts = new Map(choice.map(([axis, step]) => [axis.name, ceilDivide(step, unit(axis.name))]));
    const products = [...counts.values()].reduce((a, b) => a * b, 1) * kernel.accumulators.length;
    let loads = 0;
    let values = 0;
    for (const access of body) {
      let copies = 1;
      for (const [axis, count] of counts) if (dependsOn(access, axis)) copies *= count;
      loads += copies * (chosen ? loadCost(access, chosen) : 1);
      values += copies;
    }
    // V8 loads everything that one step multiplies before it multiplies: all of it lives in registers at once.
    if (products + values > vectorRegisters) return;
    let waste = 1;
    for (const [axis, step] of choice) waste *= (ceilDivide(axis.extent, step) * step) / axis.extent;
    // Two loads issue with two products; a short body pays for its loop.
    const cost = ((loads + products + 3) / products) * waste;
    const priced = { tile: { steps: new Map(choice.map(([axis, step]) => [axis.name, step])), products }, cost };
    others.push(priced);
    if (cost < best.cost - 1e-9 || (cost < best.cost + 1e-9 && products > best.tile.products)) best = priced;
  };
  for (const first of domain)
    for (const a of options(first)) {
      consider([[first, a]]);
      for (const second of domain)
        if (second.name > first.name)
          for (const b of options(second))
            consider([
              [first, a],
              [second, b],
            ]);
    }
  if (rank === 0) return best.tile;
  const ranked = others.filter((other) => other !== best).toSorted((a, b) => a.cost - b.cost);
  return ranked[rank - 1]?.tile ?? best.tile;
}

/** Steps of the reduction axes: which are unrolled, and by how much. The vector axis keeps multiples of four lanes. */
function chooseReduction(
  analysis: Analysis,
  vector: string | undefined,
  products: number,
  body: number,
): { unroll: ReadonlyMap<string, number>; order: readonly Axis[] } {
  const axes = analysis.axes.filter((axis) => !axis.isDomain && axis.extent > 1);
  const unroll = new Map<string, number>();
  let size = products;
  for (const axis of axes.filter(({ name }) => name !== vector && analysis.enumerated.has(name))) {
    unroll.set(axis.name, axis.extent);
    size *= axis.extent;
  }
  const vectorAxis = axes.find((axis) => axis.name === vector);
  if (vectorAxis) {
    const most = Math.max(lanes, lanes * Math.floor(body / Math.max(1, size)));
    const whole = vectorAxis.extent <= 2 * most;
    const step = whole
      ? vectorAxis.extent
      : (divisorsOf(vectorAxis.extent).findLast((d) => d % lanes === 0 && d <= most) ?? vectorAxis.extent);
    unroll.set(vectorAxis.name, step);
    size *= ceilDivide(step, lanes);
  }
  // Long axes become the innermost loops, short ones are unrolled from the shortest on while the body stays small.
  const rest = axes
    .filter((axis) => axis !== vectorAxis && !unroll.has(axis.name))
    .toSorted((a, b) => b.extent - a.extent);
  for (const axis of rest.toReversed()) {
    if (size * axis.extent > body && axis !== rest[0]) continue;
    const step = largestDivisor(axis.extent, Math.floor(body / size));
    unroll.set(axis.name, step);
    size *= step;
  }
  const looped = [...(vectorAxis ? [vectorAxis] : []), ...rest].filter(
    (axis) => (unroll.get(axis.name) ?? 1) < axis.extent,
  );
  return { unroll, order: looped.toReversed() };
}

/** Spreads outer domain axes over chunks. */
function chooseGrid(analysis: Analysis, vector: string | undefined, tile: ReadonlyMap<string, number>): AxisStep[] {
  const work = analysis.axes.reduce((product, axis) => product * axis.extent, 1);
  const most = Math.max(1, Math.min(mostChunks, Math.floor((work * (1 + analysis.outputOperations / 8)) / chunkWork)));
  const grid: AxisStep[] = [];
  let chunks = 1;
  const domain = analysis.axes.filter((axis) => axis.isDomain && axis.extent > 1);
  for (const axis of [...domain.filter((a) => a.name !== vector), ...domain.filter((a) => a.name === vector)]) {
    const step = tile.get(axis.name) ?? 1;
    const pieces = ceilDivide(axis.extent, step);
    if (chunks >= most || pieces === 1 || analysis.enumerated.has(axis.name)) continue;
    const wanted = Math.min(pieces, ceilDivide(most, chunks));
    // A divisor of the pieces keeps chunks even; else chunks of several tiles, the last overlapping.
    const perChunk = divisorsOf(pieces).find((divisor) => pieces / divisor <= wanted) ?? pieces;
    if (perChunk === pieces) continue;
    grid.push({ axis: axis.name, step: Math.min(axis.extent, perChunk * step) });
    chunks *= pieces / perChunk;
  }
  return grid;
}

/** Places and taps that are written out one by one: two phases along each axis with three taps each. */
const mostSingledOut = 36;

function scheduleMap(kernel: Kernel, analysis: Analysis, variant: WasmVariant, given?: readonly AxisStep[]): Schedule {
  const vector = chooseLanes(kernel, analysis, variant.vector, given)?.axis;
  const tile = new Map<string, number>();
  for (const axis of analysis.axes) {
    const window = windowStep(analysis, axis.name);
    if (analysis.enumerated.has(axis.name) && axis.extent <= variant.points) tile.set(axis.name, axis.extent);
    else tile.set(axis.name, window <= 4 && axis.extent % window === 0 ? window : 1);
  }
  if (vector !== undefined) {
    const points = analysis.outputOperations > mostShortOperations ? 1 : variant.points;
    tile.set(vector, vectorStep(kernel, extentOf(analysis, vector), tile, { vector, points }));
  }
  const grid = given ?? chooseGrid(analysis, vector, tile);
  const loops = loopOrder(analysis, vector).flatMap((axis): AxisStep[] => {
    const step = tile.get(axis.name) ?? 1;
    return step < chunkExtent(grid, axis) ? [{ axis: axis.name, step }] : [];
  });
  // Staged image by image.
  return finish(
    vector,
    grid,
    loops,
    chooseStages(analysis, grid, loops, loops[0]?.axis === axisName.domain(0) ? 1 : 0),
  );
}

/**
 * The lanes' axis goes innermost, so that what lies beside them is in the same cache line a moment later; unless tiles overlap
 * (a load's place is clamped to the tensor), and neighbours along the other axes load the same.
 */
function loopOrder({ axes, accesses }: Analysis, vector: string | undefined): readonly Axis[] {
  if (accesses.some(({ address }) => isClamped(address))) return axes;
  return [...axes.filter(({ name }) => name !== vector), ...axes.filter(({ name }) => name === vector)];
}

function isClamped({ terms }: Index): boolean {
  return terms.some(({ atom }) => atom.kind === "clamp" || ("of" in atom && isClamped(atom.of)));
}

/** Elements of the vector axis that one turn computes: a short row whole, of longer ones as much as stays in registers. */
function vectorStep(
  kernel: Kernel,
  extent: number,
  tile: ReadonlyMap<string, number>,
  { vector, points: mostPoints }: { readonly vector: string; readonly points: number },
): number {
  let points = 1;
  for (const [axis, step] of tile) if (axis !== vector) points *= step;
  const most = lanes * Math.max(1, Math.min(8, Math.floor(mostPoints / points)));
  if (kernel.inPlace) return divisorsOf(extent).findLast((d) => d % lanes === 0 && d <= Math.min(16, most)) ?? lanes;
  if (extent <= most || (points === 1 && extent <= 2 * most)) return extent;
  // The last piece overlaps the one before it: of the steps that do least twice, the longest.
  const covered = (step: number): number => ceilDivide(extent, step) * step;
  const steps = Array.from({ length: most / lanes }, (_, i) => most - i * lanes);
  return steps.reduce((best, step) => (covered(step) < covered(best) ? step : best), most);
}

function finish(
  vector: string | undefined,
  grid: readonly AxisStep[],
  loops: readonly AxisStep[],
  stage: Schedule["stage"],
): Schedule {
  const common = { grid, threads: [], loops, stage, order: "narrowInnermost" as const, broadcast: false };
  return vector === undefined ? { lanes: 1, ...common } : { lanes, vector, ...common };
}

function scheduleReduction(
  kernel: Kernel,
  analysis: Analysis,
  variant: WasmVariant,
  given?: readonly AxisStep[],
): Schedule {
  const chosen = chooseLanes(kernel, analysis, variant.vector, given);
  const vector = chosen?.axis;
  const tile = chooseTile(kernel, analysis, chosen, variant.tile);
  const steps = new Map(tile.steps);
  if (vector && !steps.has(vector) && analysis.axes.some((axis) => axis.name === vector && axis.isDomain))
    steps.set(vector, lanes);
  const { unroll, order } = chooseReduction(analysis, vector, tile.products, variant.body);
  const grid = given ?? chooseGrid(analysis, vector, steps);
  const reductionCount = analysis.axes.filter((axis) => !axis.isDomain).length;
  const vectorReduces = analysis.axes.some((axis) => axis.name === vector && !axis.isDomain);
  // A weight's gradient goes through the images one by one, so that each image is read while it is in the cache.
  const outer =
    variant.imagesOutside && vectorReduces && vector !== "r0" && reductionCount >= 3
      ? order.filter((axis) => axis.name === "r0")
      : [];
  const inner = order.filter((axis) => !outer.includes(axis));
  const domainLoops = analysis.axes.flatMap((axis): AxisStep[] => {
    const step = steps.get(axis.name) ?? 1;
    return axis.isDomain && step < chunkExtent(grid, axis) ? [{ axis: axis.name, step }] : [];
  });
  const isSingledOut = ({ axis }: AxisStep): boolean => analysis.enumerated.has(axis);
  const loops: AxisStep[] = [
    ...outer.map((axis) => ({ axis: axis.name, step: 1 })),
    ...domainLoops.filter((loop) => !isSingledOut(loop)),
    // Each place has its own taps: its own code, with none of the others'.
    ...domainLoops.filter(isSingledOut).map((loop) => ({ ...loop, unrolled: true })),
    ...inner.map((axis) => ({ axis: axis.name, step: unroll.get(axis.name) ?? 1 })),
  ];
  const stages = chooseStages(analysis, grid, loops, outer.length, chosen?.turned);
  return { ...finish(vector, grid, loops, stages), skip: true };
}

/** `chunks`: the grid cuts the first axis into so many parts, and no other. */
export function scheduleForWasm(
  kernel: Kernel,
  tensors: ReadonlyMap<number, StoredTensor>,
  chunks?: number,
  variant: WasmVariant = defaultVariant,
): Schedule {
  const analysis = analyse(kernel, tensors);
  const grid = chunks === undefined ? undefined : chunkGrid(kernel, chunks);
  // What a chunk has of the first axis is all that a tile can take.
  const [first] = grid ?? [];
  const inChunk: Analysis = first
    ? {
        ...analysis,
        axes: analysis.axes.map((axis) => (axis.name === first.axis ? { ...axis, extent: first.step } : axis)),
      }
    : analysis;
  if (kernel.accumulators.length === 0) return scheduleMap(kernel, inChunk, variant, grid);
  const singledOut = analysis.axes.reduce(
    (places, { name, extent }) => (analysis.enumerated.has(name) ? places * extent : places),
    1,
  );
  const plain = singledOut > mostSingledOut ? { ...inChunk, enumerated: new Set<string>() } : inChunk;
  return scheduleReduction(kernel, plain, variant, grid);
}

function chunkGrid({ domain }: Kernel, chunks: number): AxisStep[] {
  return chunks === 1 ? [] : [{ axis: axisName.domain(0), step: (domain[0] ?? 1) / chunks }];
}

const mostPartialElements = 1 << 22;
/** Partial sums so few that each image may have its own: then they are computed with what comes before, image by image. */
const fewPartialElements = 1 << 18;
const mostImages = 64;

/** How many parts to cut each reduction axis into, so that threads have something to share. All ones: leave it. */
export function splitForWasm(kernel: Kernel): number[] {
  const elements = kernel.domain.reduce((a, b) => a * b, 1);
  const reduced = kernel.extents.reduce((a, b) => a * b, 1);
  const whole = kernel.extents.map(() => 1);
  const [first = 1] = kernel.extents;
  // Enough independent outputs, or too little to do: one stage is better.
  if (reduced < 2048 || elements > reduced * mostChunks || first < 2) return whole;
  if (first <= mostImages && first * elements <= fewPartialElements)
    return whole.map((one, axis) => (axis === 0 ? first : one));
  const parts = largestDivisor(first, Math.min(16, Math.floor(mostPartialElements / elements)));
  return parts < 2 ? whole : whole.map((one, axis) => (axis === 0 ? parts : one));
}
