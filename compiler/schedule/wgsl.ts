/**
 * Default schedules for WGSL.
 *
 * In: a kernel, its analysis, the target. Out: a schedule whose lanes are invocations. A small cost model, in the units
 * measured on software adapters (nanoseconds for eight lanes), ranks every way of tiling one or two domain axes into
 * registers, of spreading the others over invocations, and of unrolling the innermost reduction axis.
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import type { Target } from "../target.ts";
import { type Access, type Analysis, analyse, type Axis, strideAlong, windowStep } from "./analysis.ts";
import type { AxisStep, Schedule } from "./schedule.ts";
import { divisorsOf } from "./wasm.ts";

type GpuTarget = Target & { kind: "wgsl" };

/** Time of one operation for a vector of invocations. */
interface Costs {
  readonly multiplyAdd: number;
  readonly scalarLoad: number;
  /** One component of a vec4 load. */
  readonly vectorLoad: number;
  readonly broadcast: number;
  /** Registers for accumulators. */
  readonly mostProducts: number;
  readonly longestTile: number;
}

/** kernels.md's measurements of a software adapter: loads dominate, wide tiles pay. */
const softwareCosts: Costs = {
  multiplyAdd: 0.16,
  scalarLoad: 7,
  vectorLoad: 3.3,
  broadcast: 0.42,
  mostProducts: 168,
  longestTile: 32,
};
/** Hardware hides loads behind many threads; large tiles starve it of them. */
const hardwareCosts: Costs = {
  multiplyAdd: 0.16,
  scalarLoad: 1,
  vectorLoad: 0.4,
  broadcast: 0.16,
  mostProducts: 32,
  longestTile: 8,
};

const mostStaticLoads = 60;
const mostStaticProducts = 900;
const wantedWorkgroups = 16;

/** What becomes of a tiled axis's pieces: the same for all lanes of a workgroup, or spread over lanes. */
type Leftover = "grid" | "threads";

interface TiledAxis {
  readonly axis: Axis;
  readonly step: number;
  readonly leftover: Leftover;
}

interface Choice {
  readonly tiles: readonly TiledAxis[];
  /** Unrolled part of reduction axes. */
  readonly unroll: ReadonlyMap<string, number>;
}

/** Distinct elements of one access in the unrolled body, and how many of them lie side by side. */
function footprint(access: Access, unrolled: ReadonlyMap<string, number>): { elements: number; run: number } {
  const reach = new Map<number, number>();
  let elements = 1;
  for (const [axis, extent] of unrolled) {
    const stride = strideAlong(access, axis);
    if (stride === 0 || extent === 1) continue;
    if (stride === undefined) elements *= Math.ceil(extent / 2);
    else reach.set(Math.abs(stride), (reach.get(Math.abs(stride)) ?? 1) + extent - 1);
  }
  for (const extent of reach.values()) elements *= extent;
  return { elements, run: reach.get(1) ?? 1 };
}

/** Whether the start of every piece is a multiple of four elements. */
function isAligned(access: Access, analysis: Analysis, unrolled: ReadonlyMap<string, number>): boolean {
  return analysis.axes.every((axis) => {
    const stride = strideAlong(access, axis.name);
    if (stride === undefined) return false;
    const step = unrolled.get(axis.name) ?? 1;
    const isWhole = step === axis.extent;
    return (
      (stride % 4 === 0 || isWhole || (stride * step) % 4 === 0) &&
      (stride % 4 === 0 || Math.abs(stride) === 1 || isWhole)
    );
  });
}

function bodyCost(analysis: Analysis, choice: Choice, costs: Costs, subgroupSize: number) {
  const unrolled = new Map([...choice.tiles.map(({ axis, step }) => [axis.name, step] as const), ...choice.unroll]);
  const laneAxes = analysis.axes.filter(({ name, isDomain, extent }) => {
    const tile = choice.tiles.find(({ axis }) => axis.name === name);
    return isDomain && extent > 1 && (tile ? tile.leftover === "threads" && tile.step < extent : true);
  });
  let time = 0;
  let loads = 0;
  for (const access of analysis.accesses) {
    if (access.kind !== "body") continue;
    const { elements, run } = footprint(access, unrolled);
    const isUniform = laneAxes.every(({ name }) => strideAlong(access, name) === 0);
    if (isUniform && subgroupSize > 0 && elements >= 3) {
      const fetches = Math.ceil(elements / subgroupSize);
      time += fetches * costs.scalarLoad + elements * costs.broadcast;
      loads += fetches;
    } else if (run >= 4 && isAligned(access, analysis, unrolled)) {
      time += elements * costs.vectorLoad;
      loads += Math.ceil(elements / 4);
    } else {
      time += elements * costs.scalarLoad;
      loads += elements;
    }
  }
  const products = [...unrolled.values()].reduce((a, b) => a * b, 1);
  return { perProduct: time / products + costs.multiplyAdd, loads, products, laneAxes };
}

function tileOptions(axis: Axis, longest: number): TiledAxis[] {
  return divisorsOf(axis.extent).flatMap((step) => {
    if (step > longest || step === 1) return [];
    if (step === axis.extent) return [{ axis, step, leftover: "grid" as const }];
    return (["grid", "threads"] as const).map((leftover) => ({ axis, step, leftover }));
  });
}

function unrollOptions(analysis: Analysis): ReadonlyMap<string, number>[] {
  const axes = analysis.axes.filter(({ isDomain, extent }) => !isDomain && extent > 1);
  const last = axes.at(-1);
  if (!last) return [new Map()];
  const found = divisorsOf(last.extent)
    .filter((step) => step <= 8 || (step === last.extent && step <= 16))
    .map((step) => new Map([[last.name, step]]));
  return found;
}

function threadsOf(analysis: Analysis, choice: Choice): { threads: number; grid: number } {
  let threads = 1;
  let grid = 1;
  for (const axis of analysis.axes) {
    if (!axis.isDomain) continue;
    const tile = choice.tiles.find((tiled) => tiled.axis.name === axis.name);
    const pieces = axis.extent / (tile?.step ?? 1);
    if (tile?.leftover === "grid") grid *= pieces;
    else threads *= pieces;
  }
  return { threads, grid };
}

function lanesFor(threads: number, grid: number, target: GpuTarget): number {
  const smallest = target.software ? Math.max(8, target.subgroupSize) : 32;
  const sizes = [64, 32, 16, 8].filter((size) => size <= target.maximumInvocations && size >= smallest);
  return sizes.find((size) => Math.ceil(threads / size) * grid >= wantedWorkgroups) ?? sizes.at(-1) ?? 1;
}

function chooseContraction(kernel: Kernel, analysis: Analysis, target: GpuTarget): Choice {
  const costs = target.software ? softwareCosts : hardwareCosts;
  const work = analysis.axes.reduce((product, axis) => product * axis.extent, 1);
  const domain = analysis.axes.filter(({ isDomain, extent }) => isDomain && extent > 1);
  let best: { choice: Choice; cost: number } = { choice: { tiles: [], unroll: new Map() }, cost: Infinity };
  const unrolls = unrollOptions(analysis);
  const consider = (tiles: readonly TiledAxis[]): void => {
    const products = tiles.reduce((product, { step }) => product * step, 1) * kernel.accumulators.length;
    if (products > costs.mostProducts) return;
    for (const unroll of unrolls) {
      const choice = { tiles, unroll };
      const body = bodyCost(analysis, choice, costs, target.subgroupSize);
      if (body.loads > mostStaticLoads || body.products > mostStaticProducts) continue;
      const { threads, grid } = threadsOf(analysis, choice);
      const lanes = lanesFor(threads, grid, target);
      const workgroups = Math.ceil(threads / lanes) * grid;
      const idleLanes = (Math.ceil(threads / lanes) * lanes) / threads;
      const idleCores = Math.max(1, wantedWorkgroups / 2 / workgroups);
      const cost = body.perProduct * work * idleLanes * idleCores;
      if (cost < best.cost) best = { choice, cost };
    }
  };
  consider([]);
  domain.forEach((first, i) => {
    for (const a of tileOptions(first, costs.longestTile)) {
      consider([a]);
      for (const second of domain.slice(i + 1))
        for (const b of tileOptions(second, costs.longestTile)) consider([a, b]);
    }
  });
  return best.choice;
}

function assemble(kernel: Kernel, analysis: Analysis, choice: Choice, target: GpuTarget): Schedule {
  const grid: AxisStep[] = [];
  const threads: AxisStep[] = [];
  for (const axis of analysis.axes) {
    if (!axis.isDomain || axis.extent === 1) continue;
    const tile = choice.tiles.find((tiled) => tiled.axis.name === axis.name);
    const step = tile?.step ?? 1;
    if (step === axis.extent) continue;
    (tile?.leftover === "grid" ? grid : threads).push({ axis: axis.name, step });
  }
  const loops = analysis.axes.flatMap((axis): AxisStep[] => {
    const step = choice.unroll.get(axis.name) ?? 1;
    return axis.isDomain || step === axis.extent ? [] : [{ axis: axis.name, step }];
  });
  const count = threadsOf(analysis, choice);
  const lanes = threads.length > 0 ? lanesFor(count.threads, count.grid, target) : 1;
  return {
    lanes,
    grid,
    threads,
    loops,
    stage: [],
    accumulatorOuter: true,
    broadcast: target.subgroupSize > 0 && lanes % target.subgroupSize === 0 && kernel.accumulators.length > 0,
  };
}

/** A run of elements an invocation, in fours where it can be; whole windows, so that they are read once. */
function chooseMap(analysis: Analysis): Choice {
  const tiles: TiledAxis[] = [];
  const domain = analysis.axes.filter(({ isDomain, extent }) => isDomain && extent > 1);
  domain.forEach((axis, i) => {
    const window = windowStep(analysis, axis.name);
    const isLast = i === domain.length - 1;
    const options = divisorsOf(axis.extent).filter((step) => step % window === 0 && step <= (isLast ? 16 : 4));
    const step = isLast ? (options.findLast((of) => of % 4 === 0) ?? options.at(-1)) : options[0];
    if (step !== undefined && step > 1) tiles.push({ axis, step, leftover: "threads" });
  });
  return { tiles, unroll: new Map() };
}

export function scheduleForWgsl(
  kernel: Kernel,
  tensors: ReadonlyMap<number, StoredTensor>,
  target: GpuTarget,
): Schedule {
  const analysis = analyse(kernel, tensors);
  const choice = kernel.accumulators.length === 0 ? chooseMap(analysis) : chooseContraction(kernel, analysis, target);
  return assemble(kernel, analysis, choice, target);
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
