/**
 * Staging: the part of an operand that inner loops read is copied into scratch once, padding included, so that the
 * loops are free of tests (and lanes share what they read).
 */
import { InvariantError } from "../graph/graph.ts";
import { add, factorOf, type Index, index, offset, rowMajorStrides, substitute, variable } from "../nest/integer.ts";
import type { Value } from "../value.ts";
import { type Starts, tilePlaces } from "./axes.ts";
import type { Lowering } from "./lowering.ts";

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
export function emitStage(lowering: Lowering, starts: Starts, depth: number, name: string): void {
  const { axes, kernel, emitter, schedule, stages, scratch } = lowering;
  const localName = (axis: string): string => `inside_${axis}`;
  const locals = (list: readonly string[]): Index[] =>
    list.map((axis) => {
      const extent = axes.remaining(axis, depth);
      return add(starts.get(axis) ?? index(0), index(variable(localName(axis), extent)));
    });
  const found = kernel.accumulators
    .map(({ body }) => findOperand(body(locals(axes.domain), locals(axes.reduction)), name))
    .find((operand) => operand !== undefined);
  // Padding only: nothing of it is read here.
  if (!found) return;
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
  emitter.mark(buffer);
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
