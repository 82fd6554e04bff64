/** The structure of a kernel: workgroups, lanes, loops, accumulators, and what stands where among them. */
import { add, clamp, divide, type Index, index, multiply, remainder } from "../nest/integer.ts";
import { identityOf } from "../value.ts";
import { advance, type Cut, digits, type Starts } from "./axes.ts";
import type { Emitter } from "./emitter.ts";
import { accumulatorNames, type Lowering, type Point, total } from "./lowering.ts";
import { emitOutputs } from "./outputs.ts";
import { emitProducts } from "./products.ts";
import { usefulTurns } from "./skips.ts";
import { emitStage } from "./stage.ts";

/** Emits everything and returns the number of workgroups. */
export function emitKernel(lowering: Lowering): number {
  const { axes, emitter, schedule } = lowering;
  const threadCount = total(axes.threads);
  const turnsOfLanes = Math.ceil(threadCount / (axes.threads.length > 0 ? schedule.lanes : 1));
  const [threadGroups, rounds] = schedule.rounds ? [1, turnsOfLanes] : [turnsOfLanes, 1];
  const workgroups = total(axes.grid) * threadGroups;
  const workgroup = lowering.workgroup(workgroups);
  let starts: Starts = new Map();
  const gridDigits = digits(
    divide(workgroup, threadGroups),
    axes.grid.map((cut) => cut.count),
    divide,
    remainder,
  );
  axes.grid.forEach((cut, i) => {
    const counter = emitter.integer(`${cut.axis}g`, gridDigits[i] ?? index(0));
    starts = advance(starts, cut, counter);
  });
  const group = remainder(workgroup, threadGroups);
  if (axes.threads.length === 0) emitPlace(lowering, starts);
  else
    emitter.loop("round", rounds, (round) =>
      emitThreads(lowering, starts, add(group, round), threadCount, (inner) => emitPlace(lowering, inner)),
    );
  return workgroups;
}

/** What one lane does at one place of the grid and the threads. */
function emitPlace(lowering: Lowering, starts: Starts): void {
  const { axes } = lowering;
  const lastDomainLoop = axes.loops.findLastIndex((loop) => axes.domain.includes(loop.axis));
  const firstReduction = axes.loops.findIndex((loop) => axes.reduction.includes(loop.axis));
  if (firstReduction >= 0 && firstReduction < lastDomainLoop)
    emitWithMemory(lowering, starts, firstReduction, lastDomainLoop);
  else emitLoops(lowering, starts, 0, lastDomainLoop + 1, (inner) => emitTile(lowering, inner, lastDomainLoop + 1));
}

function emitThreads(
  lowering: Lowering,
  starts: Starts,
  group: Index,
  count: number,
  body: (starts: Starts) => void,
): void {
  const { emitter, schedule, kernel } = lowering;
  const flat = add(multiply(group, schedule.lanes), lowering.lane);
  const inner = (): void => body(threadStarts(lowering, starts, flat, count));
  if (flat.maximum < count) return inner();
  const condition = { kind: "inRange", index: flat, minimum: 0, maximum: count - 1 } as const;
  // Lanes too many repeat the last one's work and store nothing; where it overwrites what it reads, they must not read.
  if (!kernel.inPlace) {
    lowering.where = condition;
    return inner();
  }
  lowering.isPartial = true;
  emitter.when(condition, inner);
}

/** Where the pieces of thread number `flat` start. */
function threadStarts(lowering: Lowering, starts: Starts, flat: Index, count: number): Starts {
  const { axes, emitter, laneVariables } = lowering;
  const thread = emitter.integer("thread", clamp(flat, 0, count - 1));
  for (const term of thread.terms) laneVariables.add(term.key);
  const found = digits(
    thread,
    axes.threads.map((cut) => cut.count),
    divide,
    remainder,
  );
  let after = starts;
  axes.threads.forEach((cut, i) => {
    const counter = emitter.integer(`${cut.axis}t`, found[i] ?? index(0));
    for (const term of counter.terms) laneVariables.add(term.key);
    after = advance(after, cut, counter);
  });
  return after;
}

/** The turns of a cut as a loop, or one after another. */
function turns({ emitter }: Lowering, cut: Cut, body: (counter: Index) => void): void {
  if (!cut.unrolled) return emitter.loop(cut.axis, cut.count, body);
  for (let turn = 0; turn < cut.count; turn++) body(index(turn));
}

/** Opens loops `from` to `to - 1`, staging operands where the schedule says so. */
function emitLoops(lowering: Lowering, starts: Starts, from: number, to: number, body: (starts: Starts) => void): void {
  emitStages(lowering, starts, from);
  emitInnerLoops(lowering, starts, from, to, body);
}

function emitStages(lowering: Lowering, starts: Starts, depth: number): void {
  for (const stage of lowering.schedule.stage)
    if (stage.depth === depth && !lowering.stages.has(stage.operand)) emitStage(lowering, starts, stage);
}

/** Accumulates in registers: declare, reduce, finish. `depth` loops are open. */
function emitTile(lowering: Lowering, starts: Starts, depth: number): void {
  const { kernel, emitter, axes } = lowering;
  if (kernel.accumulators.length === 0) return emitOutputs(lowering, starts, []);
  const names = accumulatorNames(lowering);
  names.forEach((name, i) => {
    const identity = identityOf(kernel.accumulators[i % kernel.accumulators.length]?.operator ?? "add");
    emitter.push({ kind: "variable", name, initial: { kind: "constant", value: identity } });
  });
  // Stages at this depth were emitted by the caller's loops already.
  emitInnerLoops(lowering, starts, depth, axes.loops.length, (inner) => emitProducts(lowering, inner, names));
  finishTile(lowering, starts, names);
}

/** Which number each sum of a tile has in memory: neighbours along the lanes follow one another. */
function placesOfSums({ kernel, axes, schedule, domainPoints }: Lowering): number[] {
  const order = axes.domain.toSorted((a, b) => Number(a === schedule.vector) - Number(b === schedule.vector));
  const startAlong = (point: Point, axis: string): number => point.places.get(axis)?.start ?? 0;
  const sorted = domainPoints.toSorted((p, q) =>
    order.reduce((found, axis) => found || startAlong(p, axis) - startAlong(q, axis), 0),
  );
  const placeOf = new Map(sorted.map((point, place) => [point, place]));
  return domainPoints.flatMap((point) =>
    kernel.accumulators.map((_, a) => a * domainPoints.length + (placeOf.get(point) ?? 0)),
  );
}

/** Stores the sums and gives the names under which they come back. */
function throughScratch(lowering: Lowering, names: readonly string[]): string[] {
  const { emitter, schedule, scratch } = lowering;
  const width = schedule.vector ? schedule.lanes : 1;
  const buffer = emitter.name("sums");
  scratch.push({ name: buffer, length: names.length * width });
  const sums = placesOfSums(lowering).map((place, i) => ({
    place,
    name: names[i] ?? "",
    index: add(width > 1 ? lowering.lane : index(0), place * width),
  }));
  for (const { name, index: at } of sums.toSorted((a, b) => a.place - b.place))
    emitter.push({ kind: "store", buffer, index: at, value: { kind: "reference", name } });
  return sums.map(({ index: at }) => {
    const name = emitter.name("total");
    emitter.push({ kind: "let", name, value: { kind: "load", buffer, index: at } });
    return name;
  });
}

/** The same where what is staged at `from` was emitted already. */
function emitInnerLoops(
  lowering: Lowering,
  starts: Starts,
  from: number,
  to: number,
  body: (starts: Starts) => void,
): void {
  const cut = lowering.axes.loops[from];
  if (from >= to || !cut) return body(starts);
  turns(lowering, cut, (counter) => {
    const at = advance(starts, cut, counter);
    const inside = (): void => emitLoops(lowering, at, from + 1, to, body);
    const isReduction = lowering.axes.reduction.includes(cut.axis);
    const condition = lowering.schedule.skip && isReduction ? usefulTurns(lowering, at, from + 1, counter) : undefined;
    if (condition) lowering.emitter.when(condition, inside, counter);
    else inside();
  });
}

/** Lanes of a reduced vector axis hold parts of the results: put them together, then store. */
function finishTile(lowering: Lowering, starts: Starts, names: readonly string[]): void {
  const { kernel, emitter, axes, schedule } = lowering;
  if (schedule.vector && axes.reduction.includes(schedule.vector)) {
    for (const operator of ["add", "maximum"] as const) {
      const concerned = names.filter(
        (_, i) => kernel.accumulators[i % kernel.accumulators.length]?.operator === operator,
      );
      if (concerned.length > 0) emitter.push({ kind: "reduceLanes", operator, names: concerned });
    }
  }
  emitOutputs(lowering, starts, schedule.sumsInScratch ? throughScratch(lowering, names) : names);
}

/** Accumulators in scratch: reduction loops run outside of domain loops, one pass a reduction step over all tiles. */
function emitWithMemory(lowering: Lowering, starts: Starts, firstReduction: number, lastDomain: number): void {
  const { kernel, emitter, axes, schedule, domainPoints, scratch } = lowering;
  const inner = axes.loops.slice(firstReduction, lastDomain + 1).filter((loop) => axes.domain.includes(loop.axis));
  const width = schedule.vector ? schedule.lanes : 1;
  const perTile = domainPoints.length * kernel.accumulators.length;
  const buffer = emitter.name("partial");
  scratch.push({ name: buffer, length: total(inner) * perTile * width });
  const laneHere = width > 1 ? lowering.lane : index(0);
  const places = placesOfSums(lowering);
  const cell = (counters: readonly Index[], number: number): Index => {
    const tile = counters.reduce((flat, counter, i) => add(multiply(flat, inner[i]?.count ?? 1), counter), index(0));
    return add(multiply(add(multiply(tile, perTile), places[number] ?? 0), width), laneHere);
  };
  const identities = Array.from({ length: perTile }, (_, i) =>
    identityOf(kernel.accumulators[i % kernel.accumulators.length]?.operator ?? "add"),
  );
  const counterOf = new Map<number, Index>();
  const innerCounters = (): Index[] =>
    axes.loops.flatMap((loop, i) => {
      const counter = counterOf.get(i);
      return i >= firstReduction && i <= lastDomain && axes.domain.includes(loop.axis) ? [counter ?? index(0)] : [];
    });

  emitLoops(lowering, starts, 0, firstReduction, (outside) => {
    forEachTile(inner, emitter, (counters) => {
      identities.forEach((value, i) =>
        emitter.push({ kind: "store", buffer, index: cell(counters, i), value: { kind: "constant", value } }),
      );
    });
    const descend = (at: Starts, depth: number): void => {
      if (depth > firstReduction) emitStages(lowering, at, depth);
      const cut = axes.loops[depth];
      if (depth <= lastDomain && cut) {
        turns(lowering, cut, (counter) => {
          counterOf.set(depth, counter);
          descend(advance(at, cut, counter), depth + 1);
        });
        return;
      }
      const names = accumulatorNames(lowering);
      const counters = innerCounters();
      names.forEach((name, i) =>
        emitter.push({ kind: "variable", name, initial: { kind: "load", buffer, index: cell(counters, i) } }),
      );
      emitInnerLoops(lowering, at, depth, axes.loops.length, (deep) => emitProducts(lowering, deep, names));
      names.forEach((name, i) =>
        emitter.push({
          kind: "store",
          buffer,
          index: cell(counters, i),
          value: { kind: "reference", name },
        }),
      );
    };
    descend(outside, firstReduction);
    forEachTile(inner, emitter, (counters) => {
      const at = inner.reduce((all, cut, i) => advance(all, cut, counters[i] ?? index(0)), outside);
      const names = accumulatorNames(lowering);
      names.forEach((name, i) =>
        emitter.push({ kind: "variable", name, initial: { kind: "load", buffer, index: cell(counters, i) } }),
      );
      finishTile(lowering, at, names);
    });
  });
}

function forEachTile(cuts: readonly Cut[], emitter: Emitter, body: (counters: Index[]) => void): void {
  const nest = (counters: Index[]): void => {
    const cut = cuts[counters.length];
    if (!cut) return body(counters);
    emitter.loop(cut.axis, cut.count, (counter) => nest([...counters, counter]));
  };
  nest([]);
}
