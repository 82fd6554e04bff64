/**
 * The operands of a kernel's reductions: one name, one value.
 *
 * In: the bodies of the reductions that share a kernel, whose operators name their operands alike (`input`, `weight`).
 * Out: the same bodies; where two operands of one name differ in what they read, the later one's name gets a number. What
 * holds: operands of one name may be staged together.
 */
import { index, variable } from "../nest/integer.ts";
import type { Value } from "../value.ts";
import { symbolicCoordinates } from "./inline.ts";
import type { Accumulator } from "./kernel.ts";
import { createNumbering } from "./numbering.ts";

type Body = Accumulator["body"];
export type Operand = Value & { readonly kind: "operand" };

/** The operands of a body that are not part of another operand, replaced. */
export function mapOperands(value: Value, replace: (operand: Operand) => Operand): Value {
  const recur = (of: Value): Value => mapOperands(of, replace);
  switch (value.kind) {
    case "operand":
      return replace(value);
    case "unary":
      return { ...value, operand: recur(value.operand) };
    case "binary":
      return { ...value, left: recur(value.left), right: recur(value.right) };
    case "select":
      return { ...value, then: recur(value.then), otherwise: recur(value.otherwise) };
    default:
      return value;
  }
}

/** Bodies over a domain and reduction axes of these extents. */
export function distinguishOperands(
  bodies: readonly Body[],
  domain: readonly number[],
  extents: readonly number[],
): Body[] {
  if (bodies.length < 2) return [...bodies];
  const { numberOf } = createNumbering();
  const along = extents.map((extent, d) => index(variable(`r${d}`, extent)));
  /** The values that a name stands for, in the order in which they appeared. */
  const meanings = new Map<string, number[]>();
  return bodies.map((body): Body => {
    const renamed = new Map<string, string>();
    mapOperands(body(symbolicCoordinates(domain), along), (operand) => {
      const number = numberOf(operand);
      const others = meanings.get(operand.name) ?? [];
      if (!others.includes(number)) meanings.set(operand.name, [...others, number]);
      const place = (meanings.get(operand.name) ?? []).indexOf(number);
      if (place > 0) renamed.set(operand.name, `${operand.name}${place + 1}`);
      return operand;
    });
    if (renamed.size === 0) return body;
    const rename = (operand: Operand): Operand => ({ ...operand, name: renamed.get(operand.name) ?? operand.name });
    return (coordinates, places) => mapOperands(body(coordinates, places), rename);
  });
}
