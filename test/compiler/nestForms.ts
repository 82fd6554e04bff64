/** Short forms for loop nests that tests write by hand. */
import type { Index, Variable } from "../../compiler/nest/integer.ts";
import type {
  BinaryOperator,
  Binding,
  Condition,
  Expression,
  LoopNest,
  Statement,
  UnaryOperator,
} from "../../compiler/nest/loopNest.ts";

export const number = (value: number): Expression => ({ kind: "constant", value });
export const reference = (name: string): Expression => ({ kind: "reference", name });
export const load = (buffer: string, at: Index): Expression => ({ kind: "load", buffer, index: at });
export const asFloat = (value: Index): Expression => ({ kind: "index", index: value });
export const unary = (operator: UnaryOperator, operand: Expression): Expression => ({
  kind: "unary",
  operator,
  operand,
});
export const binary = (operator: BinaryOperator, left: Expression, right: Expression): Expression => ({
  kind: "binary",
  operator,
  left,
  right,
});
export const multiplyAdd = (a: Expression, b: Expression, c: Expression): Expression => ({
  kind: "multiplyAdd",
  a,
  b,
  c,
});
export const select = (condition: Condition, then: Expression, otherwise: Expression): Expression => ({
  kind: "select",
  condition,
  // oxlint-disable-next-line unicorn/no-thenable -- the nest's word for it; nobody awaits an expression
  then,
  otherwise,
});
export const inRange = (at: Index, minimum: number, maximum: number): Condition => ({
  kind: "inRange",
  index: at,
  minimum,
  maximum,
});
export const letFloat = (name: string, value: Expression): Statement => ({ kind: "let", name, value });
export const letIndex = (name: Variable, value: Index): Statement => ({ kind: "letIndex", variable: name, value });
export const accumulator = (name: string, initial: Expression): Statement => ({ kind: "variable", name, initial });
export const assign = (name: string, value: Expression): Statement => ({ kind: "assign", name, value });
export const store = (buffer: string, at: Index, value: Expression, where?: Condition): Statement =>
  where ? { kind: "store", buffer, index: at, value, where } : { kind: "store", buffer, index: at, value };
export const loop = (counter: Variable, count: number, body: Statement[]): Statement => ({
  kind: "loop",
  variable: counter,
  count,
  body,
});

export function read(name: string, length: number, type: Binding["type"] = "f32"): Binding {
  return { name, type, access: "read", length };
}

export function readwrite(name: string, length: number, type: Binding["type"] = "f32"): Binding {
  return { name, type, access: "readwrite", length };
}

export function nest(name: string, parts: Partial<LoopNest>): LoopNest {
  return { name, header: [], bindings: [], scratch: [], workgroups: 1, lanes: 8, body: [], ...parts };
}

/** `length` values that look random, between -1 and 1. */
export function values(length: number, seed = 1): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin((i + 1) * 12.9898 * seed) % 1);
}
