/**
 * Schedules for WGSL.
 *
 * In: a kernel, its tensors, the target. Out: legal schedules whose lanes are invocations, ranked by a cost model
 * (`wgslCosts.ts`); the default is the first. They tile domain axes into registers, spread the others over invocations and
 * the grid, and unroll the innermost reduction axes.
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import { size } from "../graph/graph.ts";
import { type Analysis, analyse, isContraction } from "./analysis.ts";
import { type AxisSet, has } from "./axisSet.ts";
import { describeStream } from "./streams.ts";
import { type AxisStep, axisName, type Schedule } from "./schedule.ts";
import { cheapest, cheapestOf } from "./cheapest.ts";
import { divisorsOf } from "./wasm.ts";
import { costsOf, type GpuTarget } from "./wgslAdapters.ts";
import { gridsOf, rolled, tilings } from "./wgslChoices.ts";
import {
  type Choice,
  chainLanes,
  countThreads,
  type Duration,
  durationOf,
  lanesFor,
  pricesOf,
  type Subject,
  subjectOf,
  type Tiling,
} from "./wgslCosts.ts";

export interface Candidate {
  readonly schedule: Schedule;
  /** What the model says it costs; comparable between candidates of one kernel. */
  readonly cost: number;
}

interface Priced {
  readonly choice: Choice;
  readonly cost: number;
}

/** The cheapest first; there is always one. */
type Ranking = readonly [Priced, ...Priced[]];

type Tensors = ReadonlyMap<number, StoredTensor>;

/** Choices are ranked once for kernels that look alike to the cost model: deep networks repeat theirs. */
const rankings = new Map<string, Ranking>();
const mostRankings = 1000;
/** More than a tuner measures: loops that keep what they loaded are looked for behind each. */
const mostCandidates = 24;

function keyOf({ inner, outer, ...subject }: Subject, target: GpuTarget): string {
  return [JSON.stringify([target, subject]), ...inner.map(describeStream), "", ...outer.map(describeStream)].join("\n");
}

/** A tiling with a bound of its price. */
interface Option {
  readonly tiling: Tiling;
  readonly least: number;
}

/** Where every choice would make too long a text. */
const untiled: Priced = {
  choice: { tile: [], grid: 0, unroll: [], roll: undefined, inLoops: { loads: false, stores: false } },
  cost: Infinity,
};

function rank(analysis: Analysis, subject: Subject, target: GpuTarget): Ranking {
  const key = keyOf(subject, target);
  const known = rankings.get(key);
  if (known) return known;
  const [first = untiled, ...others] = search(analysis, subject, target);
  const ranked: Ranking = [first, ...others];
  if (rankings.size >= mostRankings) rankings.clear();
  rankings.set(key, ranked);
  return ranked;
}

function search(analysis: Analysis, subject: Subject, target: GpuTarget): Priced[] {
  const { axes } = analysis;
  const costs = costsOf(target);
  const priceOf = pricesOf(subject, target, costs);
  /** With the best grid of those that differ in nothing else: so that the candidates are of many kinds. */
  const onBest = (tiling: Tiling, grids: readonly AxisSet[]): Priced | undefined => {
    const prices = priceOf(tiling);
    const best = prices && cheapestOf(grids, prices.on);
    return best && { choice: { ...tiling, grid: best.one, inLoops: prices.inLoops }, cost: best.cost };
  };
  const options: Option[] = [];
  for (const tiling of tilings(analysis, costs, subject.sums)) {
    const prices = priceOf(tiling);
    if (prices) options.push({ tiling, least: prices.least });
  }
  const plain = cheapest(options, mostCandidates, ({ tiling }) => onBest(tiling, gridsOf(axes, tiling.tile)));
  const better = plain.flatMap(({ choice, cost }) =>
    rolled(choice, axes, costs).flatMap((tiling) => {
      const other = onBest(tiling, [choice.grid]);
      return other && other.cost < cost ? [other] : [];
    }),
  );
  return [...plain, ...better].toSorted((a, b) => a.cost - b.cost).slice(0, mostCandidates);
}

/** A kernel of a chain: a workgroup takes its chunk, so that what is the same for all lanes changes in loops. */
function assembleInChain(kernel: Kernel, schedule: Schedule, target: GpuTarget, chunks: number): Schedule {
  const { grid, threads, loops } = schedule;
  const first = axisName.domain(0);
  return {
    ...schedule,
    lanes: chainLanes(target),
    grid: chunks > 1 ? [{ axis: first, step: (kernel.domain[0] ?? 1) / chunks }] : [],
    ...(threads.length > 0 ? { rounds: true } : {}),
    loops: [...grid, ...loops],
    broadcast: target.subgroupSize > 0 && threads.length > 0 && kernel.accumulators.length > 0 && !kernel.inPlace,
  };
}

function assemble(kernel: Kernel, axes: Analysis["axes"], choice: Choice, target: GpuTarget): Schedule {
  const grid: AxisStep[] = [];
  const threads: AxisStep[] = [];
  for (const [number, axis] of axes.entries()) {
    const step = choice.tile[number] ?? 1;
    if (!axis.isDomain || step === axis.extent) continue;
    (has(choice.grid, number) ? grid : threads).push({ axis: axis.name, step });
  }
  const loops = axes.flatMap((axis, number): AxisStep[] => {
    const step = choice.unroll[number] ?? 1;
    return !axis.isDomain && step < axis.extent ? [{ axis: axis.name, step }] : [];
  });
  const rolled = choice.roll === undefined ? undefined : axes[choice.roll]?.name;
  const innermost = loops.findIndex(({ axis }) => axis === rolled);
  if (innermost >= 0) loops.push(...loops.splice(innermost, 1));
  const count = countThreads(axes, choice);
  const lanes = threads.length > 0 ? lanesFor(count.threads, count.places, target) : 1;
  return {
    lanes,
    grid,
    threads,
    loops,
    stage: [],
    order: "accumulatorByAccumulator",
    // Where a kernel overwrites what it reads, lanes too many do nothing; but all must take part in a broadcast.
    broadcast:
      target.subgroupSize > 0 && lanes % target.subgroupSize === 0 && kernel.accumulators.length > 0 && !kernel.inPlace,
    ...(choice.roll === undefined ? {} : { roll: true }),
    ...(choice.inLoops.loads ? { loadsInLoops: true } : {}),
    ...(choice.inLoops.stores ? { storesInLoops: true } : {}),
  };
}

/** What is known of a kernel, or of one of the chunks into which its chain cuts it. */
function study(kernel: Kernel, tensors: Tensors, chunks = 1): Analysis {
  const whole = analyse(kernel, tensors);
  if (chunks === 1) return whole;
  const first = axisName.domain(0);
  const axes = whole.axes.map((axis) => (axis.name === first ? { ...axis, extent: axis.extent / chunks } : axis));
  return { ...whole, axes };
}

/** Schedules for the kernel, the cheapest first. */
export function candidatesForWgsl(
  kernel: Kernel,
  tensors: Tensors,
  target: GpuTarget,
  chunks?: number,
): [Candidate, ...Candidate[]] {
  const analysis = study(kernel, tensors, chunks);
  const candidateOf = ({ choice, cost }: Priced): Candidate => {
    const schedule = assemble(kernel, analysis.axes, choice, target);
    return { schedule: chunks === undefined ? schedule : assembleInChain(kernel, schedule, target, chunks), cost };
  };
  const [first, ...others] = rank(analysis, subjectOf(kernel, analysis, tensors, chunks), target);
  return [candidateOf(first), ...others.map(candidateOf)];
}

export function scheduleForWgsl(kernel: Kernel, tensors: Tensors, target: GpuTarget, chunks?: number): Schedule {
  return candidatesForWgsl(kernel, tensors, target, chunks)[0].schedule;
}

/** How long the kernel takes on a software adapter. */
export function durationForWgsl(kernel: Kernel, tensors: Tensors, target: GpuTarget, chunks?: number): Duration {
  const analysis = study(kernel, tensors, chunks);
  const subject = subjectOf(kernel, analysis, tensors, chunks);
  return durationOf(subject, rank(analysis, subject, target)[0].choice, target, costsOf(target));
}
const mostPartialElements = 1 << 22;
const mostParts = 64;
/** Elements that one invocation takes: of a contraction, whose tiles share what they load, and of a plain sum. */
const usualTile = { contraction: 64, sum: 4 };
const wantedThreads = { software: 1024, hardware: 1 << 15 };

/** Enough parts for every core to have many threads, where the outputs alone are too few. */
export function splitForWgsl(kernel: Kernel, { software }: GpuTarget): number[] {
  const elements = size(kernel.domain);
  const reduced = size(kernel.extents);
  const whole = kernel.extents.map(() => 1);
  const [first = 1] = kernel.extents;
  if (reduced < 1024 || elements * 8 > reduced * mostParts) return whole;
  const threads = elements / usualTile[isContraction(kernel) ? "contraction" : "sum"];
  const wanted = wantedThreads[software ? "software" : "hardware"] / threads;
  const most = Math.min(mostParts, mostPartialElements / elements);
  const possible = divisorsOf(first).filter((parts) => parts <= most);
  const parts = possible.find((count) => count >= wanted) ?? possible.at(-1) ?? 1;
  return parts < 2 ? whole : whole.map((one, axis) => (axis === 0 ? parts : one));
}
