/**
 * Functions of four f32 that WebAssembly lacks, as WebAssembly functions which kernels call.
 *
 * In: a helper's name. Out: its type and code. What holds: NaN in gives NaN out; infinities, zeros and results too small
 * for a normal f32 come out as IEEE 754 has them; exp, log, tanh and power are within 2 ulp.
 */
import type { UnaryOperator } from "../../nest/loopNest.ts";
import { append, type Code, createCode, f32x4, i32, i32x4, op, shuffle, type WasmFunction } from "./assembler.ts";
import type { Opcode, ValueType } from "./opcodes.ts";

export type HelperName =
  | Extract<UnaryOperator, "exponential" | "logarithm" | "tanh" | "sine" | "cosine" | "errorFunction">
  | "power"
  | "random"
  | "powerPair";

/** Pushes a vector. */
type Value = (code: Code) => void;

/** A function under construction. */
interface Builder {
  readonly code: Code;
  parameter(number: number): Value;
  /** Computes a value once and keeps it. */
  keep(value: Value): Value;
  call(name: HelperName, ...values: readonly Value[]): Value;
  /** `a·b + c` */
  multiplyAdd(a: Value, b: Value, c: Value): Value;
}

const apply =
  (name: Opcode) =>
  (...values: readonly Value[]): Value =>
  (code) => {
    for (const value of values) value(code);
    op(code, name);
  };

const shifted =
  (name: "i32x4.shl" | "i32x4.shr_s" | "i32x4.shr_u" | "i64x2.shl" | "i64x2.shr_u") =>
  (value: Value, by: number): Value =>
  (code) => {
    value(code);
    i32(code, by);
    op(code, name);
  };

const splat =
  (value: number): Value =>
  (code) =>
    f32x4(code, [value, value, value, value]);

const integers =
  (value: number): Value =>
  (code) =>
    i32x4(code, [value, value, value, value]);

/** Two f64. */
const doubles = (value: number): Value => {
  const bytes = new Uint8Array(Float64Array.of(value, value).buffer);
  return (code) => {
    op(code, "v128.const");
    append(code, bytes);
  };
};

/** Two 64-bit words. */
const words = (value: bigint): Value => {
  const bytes = new Uint8Array(BigUint64Array.of(value, value).buffer);
  return (code) => {
    op(code, "v128.const");
    append(code, bytes);
  };
};

const plus = apply("f32x4.add");
const minus = apply("f32x4.sub");
const times = apply("f32x4.mul");
const over = apply("f32x4.div");
const least = apply("f32x4.min");
const most = apply("f32x4.max");
const size = apply("f32x4.abs");
const round = apply("f32x4.nearest");
const less = apply("f32x4.lt");
const equal = apply("f32x4.eq");
const toInteger = apply("i32x4.trunc_sat_f32x4_s");
const toFloat = apply("f32x4.convert_i32x4_s");
const addIntegers = apply("i32x4.add");
const subtractIntegers = apply("i32x4.sub");
const multiplyIntegers = apply("i32x4.mul");
const both = apply("v128.and");
const either = apply("v128.or");
const differ = apply("v128.xor");
/** The first value where the mask is set, else the second. */
const choose = apply("v128.bitselect");
const left = shifted("i32x4.shl");
const right = shifted("i32x4.shr_s");
const logicalRight = shifted("i32x4.shr_u");

const signBit = integers(0x80000000 | 0);

/** `c₀ xⁿ + … + cₙ` by Horner's rule. */
function polynomial(builder: Builder, x: Value, [first = 0, ...rest]: readonly number[]): Value {
  return rest.reduce((sum, c) => builder.multiplyAdd(sum, x, splat(c)), splat(first));
}

/** Cephes, expf: `2ⁿ e^r` with |r| ≤ ½ log 2; the scale comes in two factors, so that small results lose digits, not all. */
function exponential(b: Builder): Value {
  const x = b.keep(least(most(b.parameter(0), splat(-105)), splat(89)));
  const n = b.keep(round(times(x, splat(Math.LOG2E))));
  const r = b.keep(minus(minus(x, times(n, splat(0.693359375))), times(n, splat(-2.1219444e-4))));
  const p = polynomial(b, r, [
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
  ]); // prettier-ignore
  const y = plus(b.multiplyAdd(p, times(r, r), r), splat(1));
  const whole = b.keep(toInteger(n));
  const half = b.keep(right(whole, 1));
  const power = (exponent: Value): Value => left(addIntegers(exponent, integers(127)), 23);
  return times(times(y, power(half)), power(subtractIntegers(whole, half)));
}

/** Cephes, logf: `log x = e log 2 + log m` with √½ ≤ m < √2. */
function logarithm(b: Builder): Value {
  const x = b.parameter(0);
  const isTiny = b.keep(less(x, splat(2 ** -126)));
  const scaled = b.keep(choose(times(x, splat(2 ** 24)), x, isTiny));
  const m0 = b.keep(either(both(scaled, integers(0x007fffff)), integers(0x3f000000)));
  const isLow = b.keep(less(m0, splat(Math.SQRT1_2)));
  const exponent = subtractIntegers(logicalRight(scaled, 23), integers(126));
  const unscaled = subtractIntegers(exponent, both(isTiny, integers(24)));
  // A mask is -1 as an integer.
  const e = b.keep(toFloat(addIntegers(unscaled, isLow)));
  const m = b.keep(minus(plus(m0, both(isLow, m0)), splat(1)));
  const square = b.keep(times(m, m));
  const p = polynomial(b, m, [
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
    2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
  ]); // prettier-ignore
  const tail = b.multiplyAdd(e, splat(-2.1219444e-4), times(times(p, m), square));
  const sum = plus(m, minus(tail, times(square, splat(0.5))));
  const result = b.multiplyAdd(e, splat(0.693359375), sum);
  const finite = choose(x, result, equal(x, splat(Infinity)));
  const positive = choose(splat(-Infinity), finite, equal(x, splat(0)));
  // Below zero, and for NaN, the comparison fails.
  return choose(positive, splat(NaN), apply("f32x4.ge")(x, splat(0)));
}

/** Cephes, tanhf: a polynomial below 0.625, else `1 - 2 / (e^2x + 1)`. */
function tanh(b: Builder): Value {
  const x = b.parameter(0);
  const magnitude = b.keep(size(x));
  const square = b.keep(times(x, x));
  const p = polynomial(b, square, [
    -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1,
  ]); // prettier-ignore
  const small = b.multiplyAdd(times(p, square), x, x);
  const power = b.call("exponential", plus(magnitude, magnitude));
  const large = minus(splat(1), over(splat(2), plus(power, splat(1))));
  return choose(small, either(large, both(x, signBit)), less(magnitude, splat(0.625)));
}

/** Cephes, erff and erfcf: `x T(x²)` below 1; else `1 - e^(-x²) P(1/x²) / x`. */
function errorFunction(b: Builder): Value {
  const x = b.parameter(0);
  const magnitude = b.keep(least(size(x), splat(4.25)));
  const square = b.keep(times(x, x));
  const small = times(
    x,
    polynomial(b, square, [
      7.853861353153693e-5, -8.010193625184903e-4, 5.188327685732524e-3, -2.685381193529856e-2, 1.128358514861418e-1,
      -3.7612625824233e-1, 1.128379165726710,
    ]),
  ); // prettier-ignore
  const q = b.keep(over(splat(1), magnitude));
  const y = b.keep(times(q, q));
  const near = polynomial(b, y, [
    2.326819970068386e-2, -1.387039388740657e-1, 3.687424674597105e-1, -5.824733027278666e-1, 6.210004621745983e-1,
    -4.944515323274145e-1, 3.404879937665872e-1, -2.741127028184656e-1, 5.638259427386472e-1,
  ]); // prettier-ignore
  const far = polynomial(b, y, [
    -1.047766399936249e1, 1.297719955372516e1, -7.495518717768503, 2.921019019210786, -1.015265279202700,
    4.218463358204948e-1, -2.820767439740514e-1, 5.641895067754075e-1,
  ]); // prettier-ignore
  const factor = times(q, choose(near, far, less(magnitude, splat(2))));
  const power = b.call("exponential", apply("f32x4.neg")(times(magnitude, magnitude)));
  const large = minus(splat(1), times(power, factor));
  return choose(small, either(large, both(x, signBit)), less(size(x), splat(1)));
}

/** The halves of four f32 as f64. */
function halves(value: Value): readonly [Value, Value] {
  const upper: Value = (code) => {
    value(code);
    value(code);
    shuffle(code, [2, 3, 2, 3]);
  };
  return [apply("f64x2.promote_low_f32x4")(value), apply("f64x2.promote_low_f32x4")(upper)];
}

/** Two pairs of f64 as four f32. */
function join(lower: Value, upper: Value): Value {
  return (code) => {
    apply("f32x4.demote_f64x2_zero")(lower)(code);
    apply("f32x4.demote_f64x2_zero")(upper)(code);
    shuffle(code, [0, 1, 4, 5]);
  };
}

/**
 * Sine and cosine of x = k·π/2 + r: k and r in f64, so that large arguments keep their digits, and Cephes' sinf and cosf
 * for |r| ≤ π/4.
 */
function circular(b: Builder, turn: number): Value {
  const x = b.parameter(0);
  const multiply = apply("f64x2.mul");
  const parts = halves(x).map((half) => {
    const wide = b.keep(half);
    const k = b.keep(apply("f64x2.nearest")(multiply(wide, doubles(2 / Math.PI))));
    const reduced = apply("f64x2.sub")(
      apply("f64x2.sub")(wide, multiply(k, doubles(1.5707963267341256))),
      multiply(k, doubles(6.077100506506192e-11)),
    );
    return { k, reduced };
  });
  const [low, high] = parts;
  if (!low || !high) return x;
  const r = b.keep(join(low.reduced, high.reduced));
  const truncate = apply("i32x4.trunc_sat_f64x2_s_zero");
  const quadrant: Value = (code) => {
    truncate(low.k)(code);
    truncate(high.k)(code);
    shuffle(code, [0, 1, 4, 5]);
  };
  const k = b.keep(addIntegers(quadrant, integers(turn)));
  const square = b.keep(times(r, r));
  const sine = b.multiplyAdd(
    times(polynomial(b, square, [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]), square),
    r,
    r,
  );
  const cosine = b.multiplyAdd(
    times(polynomial(b, square, [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2]), square),
    square,
    minus(splat(1), times(square, splat(0.5))),
  );
  const isEven = apply("i32x4.eq")(both(k, integers(1)), integers(0));
  return differ(choose(sine, cosine, isEven), left(both(k, integers(2)), 30));
}

/** aᵇ by two pairs of f64. */
function power(b: Builder): Value {
  const [lowBase, highBase] = halves(b.parameter(0));
  const [lowExponent, highExponent] = halves(b.parameter(1));
  const low = b.keep(b.call("powerPair", lowBase, lowExponent));
  const high = b.keep(b.call("powerPair", highBase, highExponent));
  return join(low, high);
}

const oddReciprocals = Array.from({ length: 9 }, (_, i) => 1 / (2 * i + 1)).toReversed();
/** (log 2)ⁿ / n!, the highest power first. */
const exponentialSeries = Array.from({ length: 13 }, (_, n) => {
  let term = 1;
  for (let i = 1; i <= n; i++) term *= Math.LN2 / i;
  return term;
}).toReversed();

/**
 * aᵇ in f64 for pairs that were f32: `2^(b log₂ a)`, the logarithm by its series in (m - 1) / (m + 1), the power by its
 * Taylor series (both to 1e-14, far below half an ulp of f32).
 */
function powerPair(b: Builder): Value {
  const add = apply("f64x2.add");
  const subtract = apply("f64x2.sub");
  const multiply = apply("f64x2.mul");
  const isEqual = apply("f64x2.eq");
  const series = (x: Value, [first = 0, ...rest]: readonly number[]): Value =>
    rest.reduce((sum, c) => add(multiply(sum, x), doubles(c)), doubles(first));
  const [base, exponent] = [b.parameter(0), b.parameter(1)];
  const a = b.keep(apply("f64x2.abs")(base));
  // The exponent's bits below 2^52's own: a number whose fraction is that integer.
  const biased = either(shifted("i64x2.shr_u")(a, 52), doubles(2 ** 52));
  const m0 = b.keep(either(both(a, words(0x000fffffffffffffn)), doubles(1)));
  const isHigh = b.keep(apply("f64x2.gt")(m0, doubles(Math.SQRT2)));
  const m = b.keep(choose(multiply(m0, doubles(0.5)), m0, isHigh));
  const e = add(subtract(biased, doubles(2 ** 52 + 1023)), both(isHigh, doubles(1)));
  const s = b.keep(apply("f64x2.div")(subtract(m, doubles(1)), add(m, doubles(1))));
  const log = multiply(multiply(s, series(b.keep(multiply(s, s)), oddReciprocals)), doubles(2 * Math.LOG2E));
  const ofZero = choose(doubles(-Infinity), add(e, log), isEqual(a, doubles(0)));
  const logarithmBase2 = choose(doubles(Infinity), ofZero, isEqual(a, doubles(Infinity)));
  const product = multiply(exponent, logarithmBase2);
  const y = b.keep(apply("f64x2.min")(apply("f64x2.max")(product, doubles(-1000)), doubles(1000)));
  const n = b.keep(apply("f64x2.nearest")(y));
  const fraction = b.keep(subtract(y, n));
  const scale = shifted("i64x2.shl")(add(n, doubles(1.5 * 2 ** 52)), 52);
  const magnitude = apply("i64x2.add")(series(fraction, exponentialSeries), scale);
  const clean = choose(doubles(NaN), magnitude, apply("f64x2.ne")(y, y));
  // A number below zero: odd exponents change the sign, and those that are not whole have no answer.
  const floor = apply("f64x2.floor");
  const halfExponent = b.keep(multiply(exponent, doubles(0.5)));
  const isWhole = b.keep(isEqual(floor(exponent), exponent));
  const isOdd = both(isWhole, apply("f64x2.ne")(floor(halfExponent), halfExponent));
  const signedPower = differ(clean, both(isOdd, both(base, doubles(-0))));
  const isNegative = both(apply("f64x2.lt")(base, doubles(0)), apply("f64x2.ne")(a, doubles(Infinity)));
  const isImaginary = apply("v128.andnot")(isNegative, isWhole);
  const real = choose(doubles(NaN), signedPower, isImaginary);
  const noNaN = choose(doubles(NaN), real, apply("f64x2.ne")(base, base));
  return choose(doubles(1), noNaN, isEqual(exponent, doubles(0)));
}

/** PCG3D (see nest/random.ts): the upper 24 bits of the first word, over 2^24. */
function random(b: Builder): Value {
  const seed = (n: number): Value =>
    b.keep(addIntegers(multiplyIntegers(b.parameter(n), integers(1664525)), integers(1013904223)));
  const mix = (a: Value, p: Value, q: Value): Value => b.keep(addIntegers(a, multiplyIntegers(p, q)));
  const fold = (a: Value): Value => b.keep(differ(a, logicalRight(a, 16)));
  let [x, y, z] = [seed(0), seed(1), seed(2)];
  x = mix(x, y, z);
  y = mix(y, z, x);
  z = mix(z, x, y);
  [x, y, z] = [fold(x), fold(y), fold(z)];
  x = mix(x, y, z);
  return times(toFloat(logicalRight(x, 8)), splat(2 ** -24));
}

const makers: Readonly<Record<HelperName, { parameters: number; make: (builder: Builder) => Value }>> = {
  exponential: { parameters: 1, make: exponential },
  logarithm: { parameters: 1, make: logarithm },
  tanh: { parameters: 1, make: tanh },
  errorFunction: { parameters: 1, make: errorFunction },
  sine: { parameters: 1, make: (builder) => circular(builder, 0) },
  cosine: { parameters: 1, make: (builder) => circular(builder, 1) },
  power: { parameters: 2, make: power },
  powerPair: { parameters: 2, make: powerPair },
  random: { parameters: 3, make: random },
};

/** The helper as a function; `numberOf` gives the number of another helper that it calls. */
export function makeHelper(
  name: HelperName,
  numberOf: (name: HelperName) => number,
  options: { readonly relaxedSimd: boolean },
): WasmFunction {
  const { parameters, make } = makers[name];
  const code = createCode();
  const locals: ValueType[] = [];
  const get =
    (local: number): Value =>
    (to) =>
      op(to, "local.get", local);
  const builder: Builder = {
    code,
    parameter: get,
    keep(value) {
      value(code);
      const local = parameters + locals.push("v128") - 1;
      op(code, "local.set", local);
      return get(local);
    },
    call: (helper, ...values) => {
      const number = numberOf(helper);
      return (to) => {
        for (const value of values) value(to);
        op(to, "call", number);
      };
    },
    multiplyAdd: options.relaxedSimd ? apply("f32x4.relaxed_madd") : (a, b, c) => plus(times(a, b), c),
  };
  make(builder)(code);
  const vectors = Array.from({ length: parameters }, () => "v128" as const);
  return { type: { parameters: vectors, results: ["v128"] }, locals, code };
}
