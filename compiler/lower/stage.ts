/**
 * Staging: the part of an operand that inner loops read is copied into scratch once, padding included, so that the
 * loops are free of tests (and lanes share what they read).
 */
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
  partWhere,
  remainder,
  rowMajorStrides,
  subtract,
  variable,
  variablesOf,
} from "../nest/integer.ts";
import type { StagedOperand } from "../schedule/schedule.ts";
import type { Value } from "../value.ts";
import { type Starts, tilePlaces } from "./axes.ts";
import type { Lowering } from "./lowering.ts";

type Operand = Value & { readonly kind: "operand" };

/** Variables inside of what is staged. */
const localPrefix = "inside_";

/** Every place at which values read an operand. */
function placesOf(values: readonly Value[], name: string): Operand[] {
  const found: Operand[] = [];
  const seen = new Set<Value>();
  const visit = (value: Value): void => {
    if (seen.has(value)) return;
    seen.add(value);
    if (value.kind === "operand" && value.name === name) found.push(value);
    else if (value.kind === "unary") visit(value.operand);
    else if (value.kind === "binary") [value.left, value.right].forEach(visit);
    else if (value.kind === "select") [value.then, value.otherwise].forEach(visit);
  };
  values.forEach(visit);
  return found;
}

/** What of a coordinate is known outside, and the range of the rest. */
function splitCoordinate(coordinate: Index): { outer: Index; low: number; high: number } {
  const isLocal = (name: string): boolean => name.startsWith(localPrefix);
  const inner = add(
    partWhere(coordinate, (names) => [...names].some(isLocal)),
    coordinate.constant,
  );
  if ([...variablesOf(inner)].some((name) => !isLocal(name)))
    throw new InvariantError(`a staged coordinate divides what is known outside: ${coordinate.key}`);
  return { outer: subtract(coordinate, inner), low: inner.minimum, high: inner.maximum };
}

/** The range of one coordinate over all places: where it starts, and its extent. */
function rangeOf(coordinates: readonly Index[]): { base: Index; extent: number } {
  const parts = coordinates.map(splitCoordinate);
  const [first] = parts;
  if (!first || parts.some(({ outer }) => outer.key !== first.outer.key))
    throw new InvariantError("the places of a staged operand lie apart");
  const low = Math.min(...parts.map((part) => part.low));
  return { base: add(first.outer, low), extent: Math.max(...parts.map((part) => part.high)) - low + 1 };
}

/** Copies the part of an operand that the loops inside of `depth` read into scratch. */
export function emitStage(
  lowering: Lowering,
  starts: Starts,
  { operand: name, depth, innermost }: StagedOperand,
): void {
  const { axes, kernel, emitter, schedule, stages, scratch } = lowering;
  const locals = (list: readonly string[]): Index[] =>
    list.map((axis) =>
      add(starts.get(axis) ?? index(0), index(variable(`${localPrefix}${axis}`, axes.remaining(axis, depth)))),
    );
  const [coordinates, along] = [locals(axes.domain), locals(axes.reduction)];
  const results = kernel.accumulators.map((_, number): Value => ({ kind: "result", number }));
  const places = placesOf(
    [
      ...kernel.accumulators.map(({ body }) => body(coordinates, along)),
      ...kernel.outputs.map(({ value }) => value(coordinates, results)),
    ],
    name,
  );
  const [found] = places;
  // Padding only: nothing of it is read here.
  if (!found) return;
  const boxes = found.coordinates.map((_, d) => rangeOf(places.map((place) => place.coordinates[d] ?? index(0))));
  const buffer = emitter.name(`${name}Staged`);
  const order = orderOf(boxes.length, innermost);
  const phases = phasesOf(found.coordinates[order.at(-1) ?? 0], schedule.vector);
  const ordered = order.map((d) => boxes[d]?.extent ?? 1);
  // Every `phases`-th column lies beside the next one, so that lanes read them as one vector.
  const extents = [...ordered.slice(0, -1), phases, Math.ceil((ordered.at(-1) ?? 1) / phases)];
  const strides = rowMajorStrides(extents);
  const base = boxes.map((box) => box.base);
  const place = (coordinates: readonly Index[]): Index => {
    const local = order.map((d) => subtract(coordinates[d] ?? index(0), base[d] ?? 0));
    const column = local.at(-1) ?? index(0);
    return offset([...local.slice(0, -1), remainder(column, phases), divide(column, phases)], strides);
  };
  scratch.push({ name: buffer, length: extents.reduce((a, b) => a * b, 1) });
  // Lanes read what other lanes copied, and copy over what other lanes read in the loop's last turn.
  const isShared = schedule.lanes > 1 && !lowering.isPartial;
  if (isShared && depth > 0) emitter.push({ kind: "barrier" });
  copyBox(lowering, found, { base, order, extents, strides, buffer });
  if (isShared) emitter.push({ kind: "barrier" });
  emitter.mark(buffer);
  stages.set(name, { buffer, place });
}

/** The coordinates from outside to inside. */
function orderOf(count: number, innermost = count - 1): number[] {
  const outer = Array.from({ length: count }, (_, d) => d).filter((d) => d !== innermost);
  return [...outer, innermost];
}

/** How far apart lanes read in a row: so many kinds of columns are kept apart. */
function phasesOf(column: Index | undefined, vector: string | undefined): number {
  if (vector === undefined || !column) return 1;
  return Math.max(1, Math.abs(factorOf(column, `${localPrefix}${vector}`) ?? 1));
}

interface Box {
  readonly base: readonly Index[];
  readonly order: readonly number[];
  /** In that order; the last coordinate is cut in phase and place. */
  readonly extents: readonly number[];
  readonly strides: readonly number[];
  readonly buffer: string;
}

/** Neighbours of a tensor's row that are copied together where they do not stay neighbours: lanes transpose them as a block. */
const blockWidth = 4;

function copyBox(lowering: Lowering, operand: Operand, { base, order, extents, strides, buffer }: Box): void {
  const { emitter, table, schedule, lane } = lowering;
  const last = extents.length - 1;
  const phases = extents[last - 1] ?? 1;
  const isTurned = order.at(-1) !== base.length - 1;
  const store = (at: readonly Index[]): void => {
    const [phase = index(0), place = index(0)] = at.slice(-2);
    const local = [...at.slice(0, -2), add(multiply(place, phases), phase)];
    const coordinates = base.map((start, d) => add(local[order.indexOf(d)] ?? index(0), start));
    const term = table.term(operand.read(coordinates));
    emitter.prepare([term]);
    emitter.push({ kind: "store", buffer, index: offset(at, strides), value: emitter.expression(term) });
  };
  const row = (at: readonly Index[], extent: number): void => {
    const lanes = schedule.vector && extent >= schedule.lanes ? schedule.lanes : 1;
    const laneHere = lanes > 1 ? lane : index(0);
    for (const { start } of tilePlaces(extent, lanes)) store([...at, add(start, laneHere)]);
  };
  const nest = (at: readonly Index[]): void => {
    const extent = extents[at.length] ?? 1;
    if (at.length === last) row(at, extent);
    else if (at.length === last - 1) for (let phase = 0; phase < extent; phase++) nest([...at, index(phase)]);
    else if (!isTurned || at.length < last - 2) emitter.loop("s", extent, (counter) => nest([...at, counter]));
    else {
      const width = Math.min(blockWidth, extent);
      emitter.loop("s", Math.ceil(extent / width), (counter) => {
        const start = clamp(multiply(counter, width), 0, extent - width);
        for (let i = 0; i < width; i++) nest([...at, add(start, i)]);
      });
    }
  };
  nest([]);
}
