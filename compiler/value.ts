/**
 * Scalar values as functions of coordinates: the language in which operators are defined.
 *
 * An operator's definition is a function from output coordinates (`Index`) to a `Value`. Calling it with other
 * coordinates instantiates it elsewhere: that is how producers are inlined, tiles unrolled and windows opened; no
 * term is ever rewritten. The constructors fold constants, so that a definition needs no special cases.
 */
import { binaryFunctions, comparisonFunctions, unaryFunctions } from "./nest/arithmetic.ts";
import { add as addIndex, type Index, type IndexLike, index, isConstant, subtract } from "./nest/integer.ts";
import type { BinaryOperator, Comparison, UnaryOperator } from "./nest/loopNest.ts";

export type ReductionOperator = "add" | "maximum" | "minimum";

export type Value =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "index"; readonly index: Index }
  /** The element of a stored tensor; the coordinates are in range wherever the value matters. */
  | { readonly kind: "access"; readonly tensor: number; readonly coordinates: readonly Index[] }
  | { readonly kind: "unary"; readonly operator: UnaryOperator; readonly operand: Value }
  | { readonly kind: "binary"; readonly operator: BinaryOperator; readonly left: Value; readonly right: Value }
  | { readonly kind: "select"; readonly test: Test; readonly then: Value; readonly otherwise: Value }
  | { readonly kind: "random"; readonly counters: readonly [Index, Index, Index] }
  /** `operator` over all reduction coordinates `0 <= r[i] < extents[i]`, in row-major order. */
  | {
      readonly kind: "reduce";
      readonly operator: ReductionOperator;
      readonly extents: readonly number[];
      readonly body: (coordinates: readonly Index[]) => Value;
    }
  /** A value that a schedule may compute once into scratch: an operand of a reduction, by its coordinates. */
  | {
      readonly kind: "operand";
      readonly name: string;
      readonly coordinates: readonly Index[];
      readonly read: (coordinates: readonly Index[]) => Value;
      /** Steps in which it is zero, because its guard fails, are no part of what is to be computed. */
      readonly sparse: boolean;
    }
  /** The finished result of one of the kernel's reductions, at the coordinates of the output. */
  | { readonly kind: "result"; readonly number: number };

export type Test =
  | { readonly kind: "always" }
  | { readonly kind: "never" }
  | { readonly kind: "inRange"; readonly index: Index; readonly minimum: number; readonly maximum: number }
  | { readonly kind: "compare"; readonly operator: Comparison; readonly left: Value; readonly right: Value }
  | { readonly kind: "all"; readonly tests: readonly Test[] };

/** Reads a tensor (stored or inlined) at coordinates. */
export interface Accessor {
  readonly shape: readonly number[];
  readonly at: (coordinates: readonly Index[]) => Value;
  /** The element as an integer for index arithmetic; only stored u32 and u8 tensors have it. */
  readonly integer?: (coordinates: readonly Index[], maximum: number) => Index;
}

export const zero: Value = { kind: "constant", value: 0 };
export const one: Value = { kind: "constant", value: 1 };

export function constant(value: number): Value {
  return { kind: "constant", value };
}

export function indexValue(value: IndexLike): Value {
  const of = index(value);
  return isConstant(of) ? constant(of.constant) : { kind: "index", index: of };
}

const isNumber = (value: Value, number: number): boolean => value.kind === "constant" && value.value === number;

/** `(test ? 1 : 0) · value` chooses between the value and nothing, infinite values too. */
function masked(mask: Value, value: Value): Value | undefined {
  if (mask.kind !== "select" || !isNumber(mask.then, 1) || !isNumber(mask.otherwise, 0)) return undefined;
  return { ...mask, then: value, otherwise: zero };
}

const binaryFolds: Record<BinaryOperator, (left: Value, right: Value) => Value | undefined> = {
  add: (left, right) => (isNumber(left, 0) ? right : isNumber(right, 0) ? left : undefined),
  subtract: (left, right) => (isNumber(right, 0) ? left : isNumber(left, 0) ? unary("negate", right) : undefined),
  multiply: (left, right) => {
    if (isNumber(left, 0) || isNumber(right, 0)) return zero;
    if (isNumber(left, 1)) return right;
    if (isNumber(right, 1)) return left;
    return masked(left, right) ?? masked(right, left);
  },
  divide: (left, right) => (isNumber(right, 1) ? left : undefined),
  minimum: () => undefined,
  maximum: () => undefined,
  power: (left, right) => (isNumber(right, 1) ? left : isNumber(right, 2) ? binary("multiply", left, left) : undefined),
};

export function unary(operator: UnaryOperator, operand: Value): Value {
  if (operand.kind === "constant") return constant(unaryFunctions[operator](operand.value));
  return { kind: "unary", operator, operand };
}

export function binary(operator: BinaryOperator, left: Value, right: Value): Value {
  if (left.kind === "constant" && right.kind === "constant")
    return constant(binaryFunctions[operator](left.value, right.value));
  return binaryFolds[operator](left, right) ?? { kind: "binary", operator, left, right };
}

export const add = (left: Value, right: Value): Value => binary("add", left, right);
export const multiply = (left: Value, right: Value): Value => binary("multiply", left, right);

/** Orders two numbers as a comparison says; anything against NaN is false but for `notEqual`. */
export function holds(operator: Comparison, a: number, b: number): boolean {
  return comparisonFunctions[operator](a, b);
}

export function compare(operator: Comparison, left: Value, right: Value): Test {
  if (left.kind === "constant" && right.kind === "constant")
    return { kind: holds(operator, left.value, right.value) ? "always" : "never" };
  const asIndex = compareAsIndex(operator, left, right);
  return asIndex ?? { kind: "compare", operator, left, right };
}

/** A comparison of an index with a constant is decided in integers, often before the program runs. */
function compareAsIndex(operator: Comparison, left: Value, right: Value): Test | undefined {
  if (left.kind !== "index" || right.kind !== "constant" || !Number.isInteger(right.value)) return undefined;
  const { index: of } = left;
  const k = right.value;
  if (operator === "equal") return inRange(of, k, k);
  if (operator === "less" || operator === "lessEqual")
    return inRange(of, Math.min(of.minimum, k), operator === "less" ? k - 1 : k);
  if (operator === "greater" || operator === "greaterEqual")
    return inRange(of, operator === "greater" ? k + 1 : k, Math.max(of.maximum, k));
  return undefined;
}

export function inRange(value: IndexLike, minimum: number, maximum: number): Test {
  const of = index(value);
  if (of.minimum >= minimum && of.maximum <= maximum) return { kind: "always" };
  if (of.maximum < minimum || of.minimum > maximum || minimum > maximum) return { kind: "never" };
  return { kind: "inRange", index: of, minimum, maximum };
}

/** True where two indices are equal. */
export function sameIndex(a: IndexLike, b: IndexLike): Test {
  return inRange(subtract(a, b), 0, 0);
}

export function all(...tests: Test[]): Test {
  if (tests.some((test) => test.kind === "never")) return { kind: "never" };
  const open = tests.flatMap((test) => (test.kind === "all" ? test.tests : test.kind === "always" ? [] : [test]));
  const [only] = open;
  if (!only) return { kind: "always" };
  return open.length === 1 ? only : { kind: "all", tests: open };
}

/** `then` where the test holds; it is asked for only if the test can hold, so it may be out of range otherwise. */
export function select(test: Test, then: () => Value, otherwise: Value): Value {
  if (test.kind === "never") return otherwise;
  const value = then();
  return test.kind === "always" ? value : { kind: "select", test, then: value, otherwise };
}

const identities: Record<ReductionOperator, number> = { add: 0, maximum: -Infinity, minimum: Infinity };

export function identityOf(operator: ReductionOperator): number {
  return identities[operator];
}

export function reduce(
  operator: ReductionOperator,
  extents: readonly number[],
  body: (coordinates: readonly Index[]) => Value,
): Value {
  if (extents.every((extent) => extent === 1)) return body(extents.map(() => index(0)));
  return { kind: "reduce", operator, extents, body };
}

export function operand(
  name: string,
  coordinates: readonly Index[],
  read: (coordinates: readonly Index[]) => Value,
  sparse = false,
): Value {
  return { kind: "operand", name, coordinates, read, sparse };
}

/** All coordinates of a box in row-major order, as constants. */
export function* box(extents: readonly number[]): Generator<Index[]> {
  const total = extents.reduce((a, b) => a * b, 1);
  for (let flat = 0; flat < total; flat++) {
    let rest = flat;
    const coordinates: Index[] = [];
    for (let d = extents.length - 1; d >= 0; d--) {
      const extent = extents[d] ?? 1;
      coordinates[d] = index(rest % extent);
      rest = Math.floor(rest / extent);
    }
    yield coordinates;
  }
}

export { addIndex };
