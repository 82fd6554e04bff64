/**
 * What the f32 operators of a loop nest mean, one rounding each.
 *
 * In: an operator's name and f32 operands (as JavaScript numbers). Out: the f32 result. The interpreter runs these, and
 * the printers fold constants with them, so that folding never changes a result.
 */
import type { BinaryOperator, Comparison, UnaryOperator } from "./loopNest.ts";

/**
 * The error function to double precision: `erf(x) = 2/√π · e^(-x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!`, all terms of one sign
 * (Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.6).
 */
export function errorFunction(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) >= 6) return Math.sign(x);
  let term = x;
  let sum = 0;
  for (let n = 1; sum + term !== sum; n++) {
    sum += term;
    term *= (2 * x * x) / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** In float64; `applyUnary` rounds. */
export const unaryFunctions: Readonly<Record<UnaryOperator, (x: number) => number>> = {
  negate: (x) => -x,
  absolute: Math.abs,
  exponential: Math.exp,
  logarithm: Math.log,
  squareRoot: Math.sqrt,
  inverseSquareRoot: (x) => 1 / Math.sqrt(x),
  reciprocal: (x) => 1 / x,
  tanh: Math.tanh,
  floor: Math.floor,
  ceil: Math.ceil,
  sine: Math.sin,
  cosine: Math.cos,
  errorFunction,
};

export const binaryFunctions: Readonly<Record<BinaryOperator, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  minimum: Math.min,
  maximum: Math.max,
  power: (a, b) => a ** b,
};

export const comparisonFunctions: Readonly<Record<Comparison, (a: number, b: number) => boolean>> = {
  less: (a, b) => a < b,
  lessEqual: (a, b) => a <= b,
  equal: (a, b) => a === b,
  notEqual: (a, b) => a !== b,
  greater: (a, b) => a > b,
  greaterEqual: (a, b) => a >= b,
};

export function applyUnary(operator: UnaryOperator, x: number): number {
  return Math.fround(unaryFunctions[operator](x));
}

export function applyBinary(operator: BinaryOperator, a: number, b: number): number {
  return Math.fround(binaryFunctions[operator](a, b));
}

/** `a·b + c` with one rounding (up to the double rounding of the sum in float64). */
export function applyMultiplyAdd(a: number, b: number, c: number): number {
  return Math.fround(a * b + c);
}

export function compare(operator: Comparison, a: number, b: number): boolean {
  return comparisonFunctions[operator](a, b);
}
