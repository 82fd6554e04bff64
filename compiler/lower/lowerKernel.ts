/**
 * Lowering: a kernel and a schedule become a loop nest.
 *
 * In: a `Kernel`, a `Schedule`, the stored tensors. Out: a `LoopNest` and the tensors behind its bindings. What holds:
 * nothing here knows an operator; the schedule alone decides the shape of the loops, and any legal schedule gives the
 * same results but for rounding.
 */
import { type Kernel, storageLength, storageStrides, type StoredTensor } from "../fusion/kernel.ts";
import { InvariantError } from "../graph/graph.ts";
import {
  add,
  clamp,
  divide,
  factorOf,
  type Index,
  index,
  multiply,
  offset,
  remainder,
  renameBuffers,
  rowMajorStrides,
  subtract,
  substitute,
  variable,
} from "../nest/integer.ts";
import {
  type Binding,
  type Condition,
  laneName,
  type LoopNest,
  type Scratch,
  subgroupLaneName,
  workgroupName,
} from "../nest/loopNest.ts";
import type { Schedule } from "../schedule/schedule.ts";
import { identityOf, inRange, multiply as product, select, type Value, zero } from "../value.ts";
import { advance, type Axes, type Cut, cutAxes, digits, type Starts, type TilePlace, tilePlaces } from "./axes.ts";
import { bindBroadcasts } from "./broadcast.ts";
import { createEmitter, type Emitter } from "./emitter.ts";
import { createTermTable, type Place, type Resolver, type Term, type TermTable } from "./terms.ts";

export interface LoweredKernel {
  readonly nest: LoopNest;
  /** The stored tensor behind each binding. */
  readonly tensors: readonly number[];
}

export interface LoweringInput {
  readonly kernel: Kernel;
  readonly schedule: Schedule;
  readonly tensors: ReadonlyMap<number, StoredTensor>;
  readonly name: string;
  readonly header: readonly string[];
  /** Of the device, for broadcasts; 0 where it is not fixed. */
  readonly subgroupSize: number;
}

/** A staged operand: scratch that holds a box of its values, from `base` on. */
interface Stage {
  readonly buffer: string;
  readonly base: readonly Index[];
  readonly strides: readonly number[];
}

interface Point {
  readonly places: ReadonlyMap<string, TilePlace>;
  /** Row-major number of the point in the tile. */
  readonly number: number;
}

interface Lowering extends LoweringInput {
  readonly axes: Axes;
  readonly emitter: Emitter;
  readonly table: TermTable;
  readonly stages: Map<string, Stage>;
  readonly scratch: Scratch[];
  readonly lane: Index;
  /** Variables whose value differs between the lanes of a workgroup. */
  readonly laneVariables: Set<string>;
  readonly domainPoints: readonly Point[];
  readonly reductionPoints: readonly Point[];
  where: Condition | undefined;
}

/** The stored tensor and element offset that an alias stands for. */
export function resolveStorage(
  tensors: ReadonlyMap<number, StoredTensor>,
  id: number,
): { tensor: StoredTensor; offset: number } {
  let from = 0;
  let tensor = tensors.get(id);
  while (tensor?.storage.kind === "alias") {
    from += tensor.storage.offset;
    tensor = tensors.get(tensor.storage.of);
  }
  if (!tensor) throw new InvariantError(`tensor ${id} is not stored`);
  return { tensor, offset: from };
}

function storageKey(tensors: ReadonlyMap<number, StoredTensor>, id: number): string {
  const { tensor, offset: from } = resolveStorage(tensors, id);
  const base = tensor.storage.kind === "state" ? `state ${tensor.storage.state}` : `temporary ${tensor.id}`;
  return `${base}+${from}`;
}

/** `conv2 filter gradient` becomes `conv2_filter_gradient`. */
function identifier(label: string): string {
  const plain = label.replaceAll(/[^A-Za-z0-9]+/g, "_").replaceAll(/^_|_$/g, "");
  return /^[A-Za-z]/.test(plain) ? plain : `tensor_${plain}`;
}

function createBindings(input: LoweringInput, freshName: (hint: string) => string) {
  const { kernel, tensors } = input;
  const bindings = new Map<string, { binding: Binding; tensor: number }>();
  const written = new Set(kernel.outputs.map((output) => storageKey(tensors, output.tensor)));
  const bind = (id: number): string => {
    const key = storageKey(tensors, id);
    const found = bindings.get(key);
    const tensor = tensors.get(id);
    if (!tensor) throw new InvariantError(`tensor ${id} is not stored`);
    const length = storageLength(tensor);
    if (found) {
      if (length > found.binding.length) bindings.set(key, { binding: { ...found.binding, length }, tensor: id });
      return found.binding.name;
    }
    const name = freshName(identifier(tensor.label));
    const access = written.has(key) ? "readwrite" : "read";
    bindings.set(key, { binding: { name, type: tensor.type, access, length }, tensor: id });
    return name;
  };
  return { bind, all: () => [...bindings.values()] };
}

function tileProduct(axes: readonly string[], places: ReadonlyMap<string, readonly TilePlace[]>): Point[] {
  let points: Point[] = [{ places: new Map(), number: 0 }];
  for (const axis of axes) {
    const along = places.get(axis) ?? [];
    points = points.flatMap((point) =>
      along.map((place) => ({ places: new Map(point.places).set(axis, place), number: 0 })),
    );
  }
  return points.map((point, number) => ({ ...point, number }));
}

export function lowerKernel(input: LoweringInput): LoweredKernel {
  const { kernel, schedule } = input;
  const axes = cutAxes(kernel, schedule);
  const stages = new Map<string, Stage>();
  const bindings: { current?: ReturnType<typeof createBindings> } = {};
  const bind = (id: number): string => {
    if (!bindings.current) throw new InvariantError("bindings are not ready");
    return bindings.current.bind(id);
  };
  const indexOf = (of: Index): Index => renameBuffers(of, (buffer) => bind(Number(buffer)));
  const resolver: Resolver = {
    tensor: (id, coordinates): Place => {
      const tensor = input.tensors.get(id);
      if (!tensor) throw new InvariantError(`tensor ${id} is not stored`);
      return { buffer: bind(id), index: indexOf(offset(coordinates, storageStrides(tensor))) };
    },
    operand: (name, coordinates) => {
      const stage = stages.get(name);
      if (!stage) return undefined;
      const local = coordinates.map((coordinate, d) => subtract(coordinate, stage.base[d] ?? 0));
      return { buffer: stage.buffer, index: offset(local, stage.strides) };
    },
    index: indexOf,
  };
  const table = createTermTable(resolver);
  const emitter = createEmitter(table, [workgroupName, laneName, subgroupLaneName]);
  bindings.current = createBindings(input, emitter.name);
  for (const { tensor } of kernel.outputs) bind(tensor);
  const places = new Map(
    [...axes.tile].map(([axis, extent]) => [axis, tilePlaces(extent, axis === schedule.vector ? schedule.lanes : 1)]),
  );
  const lowering: Lowering = {
    ...input,
    axes,
    emitter,
    table,
    stages,
    scratch: [],
    lane: schedule.lanes > 1 ? index(variable(laneName, schedule.lanes)) : index(0),
    laneVariables: new Set([laneName]),
    domainPoints: tileProduct(axes.domain, places),
    reductionPoints: tileProduct(axes.reduction, places),
    where: undefined,
  };
  const workgroups = emitKernel(lowering);
  const bound = bindings.current.all();
  const nest: LoopNest = {
    name: input.name,
    header: input.header,
    bindings: bound.map(({ binding }) => binding),
    scratch: lowering.scratch,
    workgroups,
    lanes: schedule.lanes,
    body: emitter.finish(),
  };
  return { nest, tensors: bound.map(({ tensor }) => tensor) };
}

const total = (cuts: readonly Cut[]): number => cuts.reduce((count, cut) => count * cut.count, 1);

/** Emits everything and returns the number of workgroups. */
function emitKernel(lowering: Lowering): number {
  const { axes, emitter, schedule } = lowering;
  const threadCount = total(axes.threads);
  const threadGroups = Math.ceil(threadCount / (axes.threads.length > 0 ? schedule.lanes : 1));
  const workgroups = total(axes.grid) * threadGroups;
  const workgroup = index(variable(workgroupName, workgroups));
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
  if (axes.threads.length > 0) starts = emitThreads(lowering, starts, remainder(workgroup, threadGroups), threadCount);
  const lastDomainLoop = axes.loops.findLastIndex((loop) => axes.domain.includes(loop.axis));
  const firstReduction = axes.loops.findIndex((loop) => axes.reduction.includes(loop.axis));
  if (firstReduction >= 0 && firstReduction < lastDomainLoop)
    emitWithMemory(lowering, starts, firstReduction, lastDomainLoop);
  else emitLoops(lowering, starts, 0, lastDomainLoop + 1, (inner) => emitTile(lowering, inner, lastDomainLoop + 1));
  return workgroups;
}

function emitThreads(lowering: Lowering, starts: Starts, group: Index, count: number): Starts {
  const { axes, emitter, schedule, laneVariables } = lowering;
  const flat = add(multiply(group, schedule.lanes), lowering.lane);
  if (flat.maximum >= count) lowering.where = { kind: "inRange", index: flat, minimum: 0, maximum: count - 1 };
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

/** Opens loops `from` to `to - 1`, staging operands where the schedule says so. */
function emitLoops(lowering: Lowering, starts: Starts, from: number, to: number, body: (starts: Starts) => void): void {
  emitStages(lowering, starts, from);
  const cut = lowering.axes.loops[from];
  if (from >= to || !cut) return body(starts);
  lowering.emitter.loop(cut.axis, cut.count, (counter) =>
    emitLoops(lowering, advance(starts, cut, counter), from + 1, to, body),
  );
}

function emitStages(lowering: Lowering, starts: Starts, depth: number): void {
  for (const { operand, depth: at } of lowering.schedule.stage)
    if (at === depth && !lowering.stages.has(operand)) emitStage(lowering, starts, depth, operand);
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

function emitInnerLoops(
  lowering: Lowering,
  starts: Starts,
  from: number,
  to: number,
  body: (starts: Starts) => void,
): void {
  const cut = lowering.axes.loops[from];
  if (from >= to || !cut) return body(starts);
  lowering.emitter.loop(cut.axis, cut.count, (counter) =>
    emitLoops(lowering, advance(starts, cut, counter), from + 1, to, body),
  );
}

function accumulatorNames({ kernel, emitter, domainPoints }: Lowering): string[] {
  return domainPoints.flatMap(() => kernel.accumulators.map(() => emitter.name("sum")));
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
  emitOutputs(lowering, starts, names);
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
  const cell = (counters: readonly Index[], number: number): Index => {
    const tile = counters.reduce((flat, counter, i) => add(multiply(flat, inner[i]?.count ?? 1), counter), index(0));
    return add(multiply(add(multiply(tile, perTile), number), width), laneHere);
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
        emitter.loop(cut.axis, cut.count, (counter) => {
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

function coordinatesAt(lowering: Lowering, axisNames: readonly string[], starts: Starts, point: Point): Index[] {
  const { schedule, lane } = lowering;
  return axisNames.map((axis) => {
    const start = add(starts.get(axis) ?? index(0), point.places.get(axis)?.start ?? 0);
    return axis === schedule.vector ? add(start, lane) : start;
  });
}

/** The value that one reduction step adds to one accumulator, masked where lanes were covered before. */
function stepValue(lowering: Lowering, accumulator: number, at: Index[], along: Index[], step: Point): Value {
  const { kernel, schedule, lane } = lowering;
  const { operator, body } = kernel.accumulators[accumulator] ?? { operator: "add" as const, body: () => zero };
  const value = body(at, along);
  const firstLane = schedule.vector ? (step.places.get(schedule.vector)?.firstLane ?? 0) : 0;
  // Seeing an element twice changes no maximum; only sums need the mask.
  if (firstLane === 0 || operator !== "add") return value;
  const mask = inRange(lane, firstLane, schedule.lanes - 1);
  if (value.kind === "binary" && value.operator === "multiply")
    return product(
      select(mask, () => value.left, zero),
      value.right,
    );
  return select(mask, () => value, zero);
}

interface Step {
  readonly name: string;
  readonly operator: "add" | "maximum" | "minimum";
  readonly term: Term;
}

/** All products of one tile: the body of the innermost loop. */
function emitProducts(lowering: Lowering, starts: Starts, names: readonly string[]): void {
  const { kernel, emitter, table, axes, schedule, reductionPoints } = lowering;
  const points = pointsByWidth(lowering);
  const steps: Step[] = [];
  const addStep = (point: Point, step: Point): void => {
    const at = coordinatesAt(lowering, axes.domain, starts, point);
    const along = coordinatesAt(lowering, axes.reduction, starts, step);
    kernel.accumulators.forEach(({ operator }, a) => {
      const value = stepValue(lowering, a, at, along, step);
      if (operator === "add" && value.kind === "constant" && value.value === 0) return;
      steps.push({
        name: names[point.number * kernel.accumulators.length + a] ?? "",
        operator,
        term: table.term(value),
      });
    });
  };
  if (schedule.order === "accumulatorByAccumulator")
    for (const point of points) for (const step of reductionPoints) addStep(point, step);
  else for (const step of reductionPoints) for (const point of points) addStep(point, step);
  emitter.prepare(steps.map(({ term }) => term));
  if (schedule.broadcast)
    bindBroadcasts(
      emitter,
      steps.map(({ term }) => term),
      lowering.laneVariables,
      lowering.subgroupSize,
    );
  for (const { name, operator, term } of steps) emitStep(emitter, name, operator, term);
}

/** Tile points in the order that the schedule asks for. */
function pointsByWidth({ axes, domainPoints, schedule }: Lowering): Point[] {
  const width = (axis: string): number =>
    Math.ceil((axes.tile.get(axis) ?? 1) / (axis === schedule.vector ? schedule.lanes : 1));
  const direction = schedule.order === "narrowInnermost" ? 1 : -1;
  const order = axes.domain.toSorted((a, b) => direction * (width(b) - width(a)));
  return domainPoints.toSorted((p, q) => {
    for (const axis of order) {
      const difference = (p.places.get(axis)?.start ?? 0) - (q.places.get(axis)?.start ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  });
}

function emitStep(emitter: Emitter, name: string, operator: Step["operator"], term: Term): void {
  const [left, right] = term.children;
  const self = { kind: "reference", name } as const;
  if (operator === "add" && term.shape.kind === "binary" && term.shape.operator === "multiply" && left && right) {
    const value = { kind: "multiplyAdd", a: emitter.expression(left), b: emitter.expression(right), c: self } as const;
    emitter.push({ kind: "assign", name, value });
    return;
  }
  emitter.push({
    kind: "assign",
    name,
    value: { kind: "binary", operator, left: self, right: emitter.expression(term) },
  });
}

function emitOutputs(lowering: Lowering, starts: Starts, names: readonly string[]): void {
  const { kernel, emitter, table, axes, domainPoints, where } = lowering;
  const perPoint = kernel.accumulators.length;
  emitter.results(names, () => {
    const placeOf = (tensor: number, coordinates: readonly Index[]) => {
      const { shape } = table.term({ kind: "access", tensor, coordinates });
      if (shape.kind !== "load") throw new InvariantError("an output is no place in memory");
      return shape;
    };
    const stores = kernel.outputs.flatMap(({ tensor, value }) =>
      domainPoints.flatMap((point) => {
        const at = coordinatesAt(lowering, axes.domain, starts, point);
        const results = kernel.accumulators.map((_, a): Value => ({
          kind: "result",
          number: point.number * perPoint + a,
        }));
        const padding = paddingAfter(lowering, tensor, at).map((beside) => ({ at: beside, value: zero }));
        return [{ at, value: value(at, results) }, ...padding].map((store) => ({
          place: placeOf(tensor, store.at),
          term: table.term(store.value),
        }));
      }),
    );
    emitter.prepare(stores.map(({ term }) => term));
    for (const { place, term } of stores) {
      const value = emitter.expression(term);
      const store = { kind: "store", buffer: place.buffer, index: place.index, value } as const;
      emitter.push(where ? { ...store, where } : store);
    }
  });
}

/** Places of the padding behind the end of a row: written too, so that whole quads are. */
function paddingAfter({ tensors }: Lowering, id: number, at: readonly Index[]): Index[][] {
  const { shape = [], pitch } = tensors.get(id) ?? {};
  const extent = shape.at(-1) ?? 1;
  const column = at.at(-1);
  if (pitch === undefined || !column || column.minimum !== extent - 1) return [];
  return Array.from({ length: pitch - extent }, (_, i) => [...at.slice(0, -1), add(column, i + 1)]);
}

// ---- staging ------------------------------------------------------------------------------------------------------

function findOperand(value: Value, name: string): (Value & { kind: "operand" }) | undefined {
  switch (value.kind) {
    case "operand":
      return value.name === name ? value : undefined;
    case "unary":
      return findOperand(value.operand, name);
    case "binary":
      return findOperand(value.left, name) ?? findOperand(value.right, name);
    case "select":
      return findOperand(value.then, name) ?? findOperand(value.otherwise, name);
    default:
      return undefined;
  }
}

/** Copies the part of an operand that the loops inside of `depth` read into scratch. */
function emitStage(lowering: Lowering, starts: Starts, depth: number, name: string): void {
  const { axes, kernel, emitter, schedule, stages, scratch } = lowering;
  const localName = (axis: string): string => `inside_${axis}`;
  const locals = (list: readonly string[]): Index[] =>
    list.map((axis) => {
      const extent = axes.remaining(axis, depth);
      return add(starts.get(axis) ?? index(0), index(variable(localName(axis), extent)));
    });
  const body = kernel.accumulators[0]?.body(locals(axes.domain), locals(axes.reduction));
  const found = body && findOperand(body, name);
  if (!found) throw new InvariantError(`${lowering.name} has no operand ${name} to stage`);
  const all = [...axes.domain, ...axes.reduction];
  const boxes = found.coordinates.map((coordinate) => {
    let low = 0;
    let extent = 1;
    for (const axis of all) {
      const factor = factorOf(coordinate, localName(axis));
      if (factor === undefined)
        throw new InvariantError(`operand ${name} of ${lowering.name} is not linear in ${axis}`);
      const reach = Math.abs(factor) * (axes.remaining(axis, depth) - 1);
      extent += reach;
      if (factor < 0) low -= reach;
    }
    const atZero = substitute(coordinate, (v) => (v.startsWith("inside_") ? index(0) : undefined));
    return { base: add(atZero, low), extent };
  });
  const buffer = emitter.name(`${name}Staged`);
  const extents = boxes.map(({ extent }) => extent);
  const strides = rowMajorStrides(extents);
  const base = boxes.map((box) => box.base);
  scratch.push({ name: buffer, length: extents.reduce((a, b) => a * b, 1) });
  // Lanes read what other lanes copied, and copy over what other lanes read in the loop's last turn.
  const isShared = schedule.lanes > 1;
  if (isShared && depth > 0) emitter.push({ kind: "barrier" });
  copyBox(lowering, found, base, extents, strides, buffer);
  if (isShared) emitter.push({ kind: "barrier" });
  stages.set(name, { buffer, base, strides });
}

function copyBox(
  lowering: Lowering,
  operand: Value & { kind: "operand" },
  base: readonly Index[],
  extents: readonly number[],
  strides: readonly number[],
  buffer: string,
): void {
  const { emitter, table, schedule, lane } = lowering;
  const last = extents.length - 1;
  const store = (at: readonly Index[]): void => {
    const term = table.term(operand.read(at.map((local, d) => add(local, base[d] ?? 0))));
    emitter.prepare([term]);
    emitter.push({ kind: "store", buffer, index: offset(at, strides), value: emitter.expression(term) });
  };
  const nest = (at: readonly Index[]): void => {
    const extent = extents[at.length] ?? 1;
    if (at.length < last) {
      emitter.loop("s", extent, (counter) => nest([...at, counter]));
      return;
    }
    const lanes = schedule.vector && extent >= schedule.lanes ? schedule.lanes : 1;
    const places = tilePlaces(extent, lanes);
    const laneHere = lanes > 1 ? lane : index(0);
    for (const { start } of places) store([...at, add(start, laneHere)]);
  };
  nest([]);
}
