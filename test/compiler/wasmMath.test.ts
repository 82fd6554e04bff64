/** The functions that WebAssembly lacks, against double precision. */
import { describe, expect, it } from "vitest";
import { applyBinary, applyUnary } from "../../compiler/nest/arithmetic.ts";
import { index, variable } from "../../compiler/nest/integer.ts";
import { add, multiply } from "../../compiler/nest/integer.ts";
import { laneName, type UnaryOperator, workgroupName } from "../../compiler/nest/loopNest.ts";
import * as s from "./nestForms.ts";
import { hasRelaxedSimd, runNest } from "./wasmSupport.ts";

const special = [0, -0, Infinity, -Infinity, NaN, 1, -1, 2 ** -149, -(2 ** -149), 2 ** -126, 3.4e38, -3.4e38];

/** The distance of neighbouring f32 at a value. */
function ulp(value: number): number {
  return 2 ** Math.max(-149, Math.floor(Math.log2(Math.abs(value))) - 23);
}

async function evaluate(
  x: Float32Array,
  y: Float32Array,
  value: Parameters<typeof s.store>[2],
  options: { relaxed: boolean; lanes: number },
): Promise<Float32Array> {
  const workgroups = x.length / options.lanes;
  const lane = options.lanes === 1 ? index(0) : index(variable(laneName, options.lanes));
  const at = add(multiply(index(variable(workgroupName, workgroups)), options.lanes), lane);
  const out = new Float32Array(x.length);
  const nest = s.nest("function", {
    bindings: [s.read("x", x.length), s.read("y", x.length), s.readwrite("out", x.length)],
    workgroups,
    lanes: options.lanes,
    body: [s.letFloat("a", s.load("x", at)), s.letFloat("b", s.load("y", at)), s.store("out", at, value)],
  });
  await runNest(nest, { x, y, out }, { relaxedSimd: options.relaxed });
  return out;
}

function inputs(count: number, make: (i: number) => number): Float32Array {
  const values = [...special, ...Array.from({ length: count }, (_, i) => make(i))];
  while (values.length % 4 !== 0) values.push(1);
  return Float32Array.from(values);
}

/** Largest error in ulp; values that are not finite, and zeros, must agree exactly. */
function worst(actual: Float32Array, expected: (i: number) => number, exact: (i: number) => number): number {
  let largest = 0;
  actual.forEach((value, i) => {
    const wanted = expected(i);
    if (Number.isFinite(wanted)) {
      const error = Math.abs(value - exact(i)) / ulp(wanted === 0 ? 2 ** -149 : exact(i));
      if (!(error <= largest)) largest = error;
    } else if (!Object.is(value, wanted)) expect.fail(`${i}: ${value} instead of ${wanted}`);
  });
  return largest;
}

const spread = (low: number, high: number) => (i: number) => low + (high - low) * ((i * 0.6180339887) % 1);

const functions: readonly (readonly [UnaryOperator, (x: number) => number, (i: number) => number, number])[] = [
  ["exponential", Math.exp, spread(-110, 90), 2],
  ["exponential", Math.exp, spread(-1, 1), 1.5],
  ["logarithm", Math.log, (i) => Math.exp(spread(-100, 88)(i)), 2],
  ["logarithm", Math.log, spread(0.5, 2), 2],
  ["tanh", Math.tanh, spread(-10, 10), 2.5],
  ["tanh", Math.tanh, spread(-0.01, 0.01), 2],
  ["errorFunction", (x) => applyUnary("errorFunction", x), spread(-5, 5), 4],
];

describe.each(hasRelaxedSimd() ? [true, false] : [false])("functions, relaxed SIMD %s", (relaxed) => {
  it.each(functions)("%s", async (operator, exact, make, tolerance) => {
    const x = inputs(20_000, make);
    for (const lanes of [4, 1]) {
      const out = await evaluate(x, x, s.unary(operator, s.reference("a")), { relaxed, lanes });
      const at = (i: number) => x[i] ?? NaN;
      const error = worst(
        out,
        (i) => applyUnary(operator, at(i)),
        (i) => exact(at(i)),
      );
      expect(error).toBeLessThan(tolerance);
    }
  });

  it.each(["sine", "cosine"] as const)("%s within 1.2e-7", async (operator) => {
    const x = Float32Array.from({ length: 20_000 }, (_, i) => spread(-1, 1)(i) * 10 ** (i % 6));
    const out = await evaluate(x, x, s.unary(operator, s.reference("a")), { relaxed, lanes: 4 });
    const exact = operator === "sine" ? Math.sin : Math.cos;
    out.forEach((value, i) => {
      if (!(Math.abs(value - exact(x[i] ?? NaN)) <= 1.2e-7)) expect.fail(`${operator} ${x[i]} is ${value}`);
    });
    const strange = await evaluate(
      inputs(0, () => 0),
      inputs(0, () => 0),
      s.unary(operator, s.reference("a")),
      {
        relaxed,
        lanes: 4,
      },
    );
    expect(strange.slice(2, 5)).toEqual(Float32Array.of(NaN, NaN, NaN));
  });

  it("power", async () => {
    const pairs = special.flatMap((a) => [...special, 2, 3, -3, 0.5, 2.5].map((b) => [a, b] as const));
    const count = 20_000 + (pairs.length % 4 === 0 ? 0 : 4 - (pairs.length % 4));
    const x = Float32Array.from([
      ...pairs.map(([a]) => a),
      ...Array.from({ length: count }, (_, i) => spread(0, 40)(i)),
    ]);
    const y = Float32Array.from([
      ...pairs.map(([, b]) => b),
      ...Array.from({ length: count }, (_, i) => spread(-20, 20)(7 * i)),
    ]);
    const out = await evaluate(x, y, s.binary("power", s.reference("a"), s.reference("b")), { relaxed, lanes: 4 });
    const at = (i: number) => [x[i] ?? NaN, y[i] ?? NaN] as const;
    const error = worst(
      out,
      (i) => applyBinary("power", ...at(i)),
      (i) => at(i)[0] ** at(i)[1],
    );
    expect(error).toBeLessThan(0.51);
  });
});

describe("powers near one", () => {
  it("are good enough for Adam's bias correction", async () => {
    const steps = Float32Array.from({ length: 64 }, (_, i) => i + 1);
    const beta = new Float32Array(64).fill(0.999);
    const out = await evaluate(beta, steps, s.binary("power", s.reference("a"), s.reference("b")), {
      relaxed: hasRelaxedSimd(),
      lanes: 4,
    });
    out.forEach((value, i) => expect(value).toBe(Math.fround((beta[i] ?? 0) ** (steps[i] ?? 0))));
  });
});
