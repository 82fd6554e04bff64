/**
 * Default schedules for WebAssembly SIMD on threads.
 *
 * In: a kernel and its analysis. Out: a schedule of 4 lanes (or 1). The rules are those measured for V8: about 15
 * vector registers, so 12 accumulators and the narrower operand held in registers; lanes along the axis where they cost
 * least (`wasmLanes.ts`); padded operands staged once; short loop bodies; fixed chunks for the threads.
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import type { Index } from "../nest/integer.ts";
import type { WasmEngine } from "../target.ts";
import { type Analysis, analyse, type Axis, extentOf, strideAlong, windowStep } from "./analysis.ts";
import { type AxisStep, axisName, type Schedule } from "./schedule.ts";
import { ceilDivide, chooseLanes, type Lanes, lanes } from "./wasmLanes.ts";
import { isSkippable } from "./wasmPadding.ts";
import { chooseStages, chunkExtent } from "./wasmStages.ts";
import { chooseTile } from "./wasmTiles.ts";

/** Multiply-adds of one loop body: enough to hide the loop, few enough for the register allocator. */
const bodySize = 40;
const mostChunks = 64;
/** Element steps that are worth a chunk of their own. */
const chunkWork = 8192;
/** Elements (of vectors: vectors) that the body of a map computes at most: more of them spill. */
const mostMapPoints = 48;
/** Operations of a map's element; of longer ones one vector at a time is enough. */
const mostShortOperations = 200;

export function divisorsOf(value: number): number[] {
  const found: number[] = [];
  for (let d = 1; d * d <= value; d++) if (value % d === 0) found.push(d, value / d);
  return [...new Set(found)].sort((a, b) => a - b);
}

function largestDivisor(value: number, atMost: number): number {
  return divisorsOf(value).findLast((divisor) => divisor <= Math.max(1, atMost)) ?? 1;
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
  const open = axes.filter((axis) => axis !== vectorAxis && !unroll.has(axis.name));
  const padded = open.filter(({ name }) => isSkippable(analysis, name, vector));
  // Long axes become the innermost loops, short ones are unrolled from the shortest on while the body stays small. Those
  // whose turns are skipped in padding go outermost, one turn after another.
  const rest = open.filter((axis) => !padded.includes(axis)).toSorted((a, b) => b.extent - a.extent);
  for (const axis of rest.toReversed()) {
    if (size * axis.extent > body && axis !== rest[0]) continue;
    const step = largestDivisor(axis.extent, Math.floor(body / size));
    unroll.set(axis.name, step);
    size *= step;
  }
  const looped = [...(vectorAxis ? [vectorAxis] : []), ...rest, ...padded].filter(
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
  const vector = chooseLanes(kernel, analysis, { rank: variant.vector, grid: given })?.axis;
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
  engine: WasmEngine,
  variant: WasmVariant,
  given?: readonly AxisStep[],
): Schedule {
  const tileCost = (choice: Lanes | undefined): number => chooseTile(kernel, analysis, choice, engine, 0).cost;
  const chosen = chooseLanes(kernel, analysis, {
    rank: variant.vector,
    grid: given,
    tileCost,
    joinsVectors: engine.joinsVectors,
  });
  const vector = chosen?.axis;
  const tile = chooseTile(kernel, analysis, chosen, engine, variant.tile);
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
  const isHidden = tile.isJoined && vector !== undefined && !storesVectors(analysis, vector);
  return { ...finish(vector, grid, loops, stages), skip: true, ...(isHidden ? { sumsInScratch: true } : {}) };
}

/** Whether vectors are stored one after another, with nothing loaded between them: what all lanes share comes before. */
function storesVectors({ accesses }: Analysis, vector: string): boolean {
  const outputs = accesses.filter(({ kind }) => kind !== "body");
  return outputs.every((access) => strideAlong(access, vector) === (access.kind === "store" ? 1 : 0));
}

/** `chunks`: the grid cuts the first axis into so many parts, and no other. */
export function scheduleForWasm(
  kernel: Kernel,
  tensors: ReadonlyMap<number, StoredTensor>,
  engine: WasmEngine,
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
  return scheduleReduction(kernel, plain, engine, variant, grid);
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
