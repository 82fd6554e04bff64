/**
 * Schedules for WGSL.
 *
 * In: a kernel, its tensors, the target. Out: legal schedules whose lanes are invocations, ranked by a cost model
 * (`wgslCosts.ts`); the default is the first. They tile domain axes into registers, spread the others over invocations and
 * the grid, and unroll the innermost reduction axes.
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import { type Analysis, analyse } from "./analysis.ts";
import type { AxisStep, Schedule } from "./schedule.ts";
import { divisorsOf } from "./wasm.ts";
import { choices } from "./wgslChoices.ts";
import {
  type Choice,
  costsOf,
  countThreads,
  type GpuTarget,
  lanesFor,
  priceOf,
  type Subject,
  subjectOf,
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

/** Choices are ranked once for kernels that look alike to the cost model: deep networks repeat theirs. */
const rankings = new Map<string, readonly Priced[]>();
const mostRankings = 1000;
const mostCandidates = 64;

function keyOf(subject: Subject, target: GpuTarget): string {
  const streams = [...subject.inner, ...subject.outer].map(({ along, ...stream }) => [stream, [...along]]);
  return JSON.stringify([target, { ...subject, inner: subject.inner.length, outer: subject.outer.length }, streams]);
}

function rank(analysis: Analysis, subject: Subject, target: GpuTarget): readonly Priced[] {
  const key = keyOf(subject, target);
  const known = rankings.get(key);
  if (known) return known;
  const costs = costsOf(target);
  const priced: Priced[] = [];
  for (const choice of choices(analysis, costs, subject.sums)) {
    const cost = priceOf(subject, choice, target, costs);
    if (cost < Infinity) priced.push({ choice, cost });
  }
  if (priced.length === 0)
    priced.push({ choice: { tile: new Map(), grid: new Set(), unroll: new Map() }, cost: Infinity });
  const ranked = priced.sort((a, b) => a.cost - b.cost).slice(0, mostCandidates);
  if (rankings.size >= mostRankings) rankings.clear();
  rankings.set(key, ranked);
  return ranked;
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

/** Schedules for the kernel, the cheapest first. */
export function candidatesForWgsl(
  kernel: Kernel,
  tensors: ReadonlyMap<number, StoredTensor>,
  target: GpuTarget,
): Candidate[] {
  const analysis = analyse(kernel, tensors);
  return rank(analysis, subjectOf(kernel, analysis, tensors), target).map(({ choice, cost }) => ({
    schedule: assemble(kernel, analysis, choice, target),
    cost,
  }));
}

export function scheduleForWgsl(
  kernel: Kernel,
  tensors: ReadonlyMap<number, StoredTensor>,
  target: GpuTarget,
): Schedule {
  const analysis = analyse(kernel, tensors);
  const [best] = rank(analysis, subjectOf(kernel, analysis, tensors), target);
  const choice = best?.choice ?? { tile: new Map(), grid: new Set(), unroll: new Map() };
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
