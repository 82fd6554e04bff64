/**
 * Formulas: scalar functions as data, for the operator `map`. They are what activations, normalisation and optimizers
 * are written in; being data, they print, compare and differentiate.
 */
import { constant as constantIndex, type Index, offset, rowMajorStrides } from "../nest/integer.ts";
import type { BinaryOperator, Comparison, UnaryOperator } from "../nest/loopNest.ts";
import { binaryFunctions, unaryFunctions } from "../nest/arithmetic.ts";
import * as value from "../value.ts";
import type { Accessor, Value } from "../value.ts";

export type Formula =
  /** Input number `number`; the number of inputs itself stands for the result (in derivatives only). */
  | { readonly kind: "argument"; readonly number: number }
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "unary"; readonly operator: UnaryOperator; readonly operand: Formula }
  | { readonly kind: "binary"; readonly operator: BinaryOperator; readonly left: Formula; readonly right: Formula }
  | {
      readonly kind: "choose";
      readonly operator: Comparison;
      readonly left: Formula;
      readonly right: Formula;
      readonly then: Formula;
      readonly otherwise: Formula;
    }
  /** The output's coordinate along an axis. */
  | { readonly kind: "coordinate"; readonly axis: number }
  /** Uniform in [0, 1): counters are (seed + stream, step, place in the output); `seed` and `step` are u32 inputs. */
  | { readonly kind: "random"; readonly stream: number; readonly seed: number; readonly step: number };

export const argument = (number: number): Formula => ({ kind: "argument", number });
export const number = (of: number): Formula => ({ kind: "constant", value: of });
export const coordinate = (axis: number): Formula => ({ kind: "coordinate", axis });

const constantOf = (formula: Formula): number | undefined => (formula.kind === "constant" ? formula.value : undefined);

export function binary(operator: BinaryOperator, left: Formula, right: Formula): Formula {
  const a = constantOf(left);
  const b = constantOf(right);
  if (a !== undefined && b !== undefined) return number(binaryFunctions[operator](a, b));
  if (operator === "multiply" && (a === 0 || b === 0)) return number(0);
  if ((operator === "multiply" || operator === "divide") && b === 1) return left;
  if (operator === "multiply" && a === 1) return right;
  if ((operator === "add" || operator === "subtract") && b === 0) return left;
  if (operator === "add" && a === 0) return right;
  return { kind: "binary", operator, left, right };
}

const chain =
  (operator: BinaryOperator) =>
  (first: Formula, ...rest: Formula[]): Formula =>
    rest.reduce((left, right) => binary(operator, left, right), first);

export const plus = chain("add");
export const minus = chain("subtract");
export const times = chain("multiply");
export const over = chain("divide");
export const larger = chain("maximum");
export const smaller = chain("minimum");
export const power = (left: Formula, right: Formula): Formula => binary("power", left, right);

export function unary(operator: UnaryOperator, operand: Formula): Formula {
  return operand.kind === "constant"
    ? number(unaryFunctions[operator](operand.value))
    : { kind: "unary", operator, operand };
}

export function choose(
  operator: Comparison,
  left: Formula,
  right: Formula,
  then: Formula,
  otherwise: Formula,
): Formula {
  if (then.kind === "constant" && otherwise.kind === "constant" && then.value === otherwise.value) return then;
  return { kind: "choose", operator, left, right, then, otherwise };
}

type Derivative = (x: Formula, y: Formula) => Formula;

/** d/dx of each unary function; `y` is the function's own value. Textbook derivatives. */
const unaryDerivatives: Record<UnaryOperator, Derivative> = {
  negate: () => number(-1),
  absolute: (x) => choose("greater", x, number(0), number(1), choose("less", x, number(0), number(-1), number(0))),
  exponential: (_, y) => y,
  logarithm: (x) => over(number(1), x),
  squareRoot: (_, y) => over(number(0.5), y),
  inverseSquareRoot: (_, y) => times(number(-0.5), y, y, y),
  reciprocal: (_, y) => times(number(-1), y, y),
  tanh: (_, y) => minus(number(1), times(y, y)),
  floor: () => number(0),
  ceil: () => number(0),
  sine: (x) => unary("cosine", x),
  cosine: (x) => unary("negate", unary("sine", x)),
  errorFunction: (x) => times(number(2 / Math.sqrt(Math.PI)), unary("exponential", unary("negate", times(x, x)))),
};

/** The partial derivative of a formula by one of its arguments. At a kink it takes the side that `choose` takes. */
export function differentiate(formula: Formula, by: number): Formula {
  switch (formula.kind) {
    case "argument":
      return number(formula.number === by ? 1 : 0);
    case "constant":
    case "coordinate":
    case "random":
      return number(0);
    case "unary": {
      const inner = differentiate(formula.operand, by);
      if (constantOf(inner) === 0) return inner;
      return times(unaryDerivatives[formula.operator](formula.operand, formula), inner);
    }
    case "choose": {
      const { operator, left, right } = formula;
      return choose(operator, left, right, differentiate(formula.then, by), differentiate(formula.otherwise, by));
    }
    case "binary":
      return differentiateBinary(formula, by);
  }
}

function differentiateBinary(formula: Formula & { kind: "binary" }, by: number): Formula {
  const { operator, left, right } = formula;
  const [a, b] = [differentiate(left, by), differentiate(right, by)];
  switch (operator) {
    case "add":
      return plus(a, b);
    case "subtract":
      return minus(a, b);
    case "multiply":
      return plus(times(a, right), times(left, b));
    case "divide":
      return over(minus(a, times(formula, b)), right);
    case "minimum":
      return choose("lessEqual", left, right, a, b);
    case "maximum":
      return choose("greaterEqual", left, right, a, b);
    case "power":
      if (constantOf(b) !== 0) throw new Error("the derivative of a power by its exponent is not defined here");
      return times(right, power(left, minus(right, number(1))), a);
  }
}

/** Numbers of the arguments that a formula reads. */
export function argumentsOf(formula: Formula, into = new Set<number>()): Set<number> {
  switch (formula.kind) {
    case "argument":
      return into.add(formula.number);
    case "random":
      return into.add(formula.seed).add(formula.step);
    case "unary":
      return argumentsOf(formula.operand, into);
    case "binary":
      argumentsOf(formula.left, into);
      return argumentsOf(formula.right, into);
    case "choose":
      for (const part of [formula.left, formula.right, formula.then, formula.otherwise]) argumentsOf(part, into);
      return into;
    case "constant":
    case "coordinate":
      return into;
  }
}

/** The same formula with its arguments renumbered. */
export function renumber(formula: Formula, to: (argument: number) => number): Formula {
  const recur = (of: Formula): Formula => renumber(of, to);
  switch (formula.kind) {
    case "argument":
      return argument(to(formula.number));
    case "random":
      return { ...formula, seed: to(formula.seed), step: to(formula.step) };
    case "unary":
      return { ...formula, operand: recur(formula.operand) };
    case "binary":
      return { ...formula, left: recur(formula.left), right: recur(formula.right) };
    case "choose":
      return {
        ...formula,
        left: recur(formula.left),
        right: recur(formula.right),
        then: recur(formula.then),
        otherwise: recur(formula.otherwise),
      };
    case "constant":
    case "coordinate":
      return formula;
  }
}

/** Coordinates of a broadcast input (right-aligned; extents of 1 repeat) for the coordinates of the output. */
export function broadcastCoordinates(shape: readonly number[], coordinates: readonly Index[]): Index[] {
  const skip = coordinates.length - shape.length;
  return shape.map((extent, d) => (extent === 1 ? constantIndex(0) : (coordinates[d + skip] ?? constantIndex(0))));
}

/** The value of a formula at output coordinates. */
export function instantiate(
  formula: Formula,
  inputs: readonly Accessor[],
  coordinates: readonly Index[],
  shape: readonly number[],
): Value {
  const recur = (of: Formula): Value => instantiate(of, inputs, coordinates, shape);
  switch (formula.kind) {
    case "argument": {
      const input = inputs[formula.number];
      if (!input) throw new Error(`a formula reads argument ${formula.number} of ${inputs.length}`);
      return input.at(broadcastCoordinates(input.shape, coordinates));
    }
    case "constant":
      return value.constant(formula.value);
    case "unary":
      return value.unary(formula.operator, recur(formula.operand));
    case "binary":
      return value.binary(formula.operator, recur(formula.left), recur(formula.right));
    case "choose": {
      const test = value.compare(formula.operator, recur(formula.left), recur(formula.right));
      return value.select(test, () => recur(formula.then), recur(formula.otherwise));
    }
    case "coordinate":
      return value.indexValue(coordinates[formula.axis] ?? 0);
    case "random": {
      const place = offset(coordinates, rowMajorStrides(shape));
      const counter = (input: number): Index => {
        const accessor = inputs[input];
        if (!accessor?.integer) throw new Error("the counters of a random number must be stored integers");
        return accessor.integer([constantIndex(0)], 0x7fffffff);
      };
      const seed = value.addIndex(counter(formula.seed), formula.stream);
      return { kind: "random", counters: [seed, counter(formula.step), place] };
    }
  }
}
