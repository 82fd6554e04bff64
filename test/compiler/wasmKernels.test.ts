/** Printed WebAssembly against the interpreter: every sample nest that fits, and random ones to the bit. */
import { describe, expect, it } from "vitest";
import { interpretNest } from "../../compiler/nest/interpretNest.ts";
import type { LoopNest } from "../../compiler/nest/loopNest.ts";
import { printNest } from "../../compiler/nest/printNest.ts";
import { randomIntegers, randomNest, randomNestBuffers } from "./nestFuzz.ts";
import { samples } from "./nestSamples.ts";
import { withLanes } from "./wasmForms.ts";
import { hasRelaxedSimd, runNest } from "./wasmSupport.ts";

/** Lanes of these meet, or share a subgroup: they are tried as they are, or not at all. */
const meeting = new Set(["broadcast", "oneSum", "sumsOver64", "sumsOver50", "transposed"]);
const relaxed = hasRelaxedSimd();

function compare(nest: LoopNest, expected: ArrayLike<number>, actual: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const [wanted, got] = [expected[i] ?? NaN, actual[i] ?? NaN];
    const close = Object.is(got, wanted) || Math.abs(got - wanted) <= tolerance * Math.max(1, Math.abs(wanted));
    if (!close) expect.fail(`[${i}] is ${got}, should be ${wanted}, in\n${printNest(nest)}`);
  }
}

describe("WebAssembly kernels do what the interpreter does", () => {
  const names = Object.keys(samples).filter((name) => !meeting.has(name));
  it.each(names.flatMap((name) => [4, 1].map((lanes) => [name, lanes] as const)))(
    "%s in lanes of %i",
    async (name, lanes) => {
      const sample = samples[name]?.();
      if (!sample) throw new Error(`no sample ${name}`);
      const nest = withLanes(sample.nest, sample.nest.lanes % lanes === 0 ? lanes : 1);
      const [expected, actual] = [sample.buffers(), sample.buffers()];
      interpretNest(sample.nest, expected);
      await runNest(nest, actual, relaxed);
      for (const { name: buffer } of nest.bindings)
        compare(nest, expected[buffer] ?? [], actual[buffer] ?? [], sample.tolerance);
    },
  );

  it.each([4, 1])("random nests in lanes of %i, to the bit", async (lanes) => {
    for (let seed = 1; seed <= 150; seed++) {
      const nest = randomNest(seed);
      const [expected, actual] = [randomNestBuffers(), randomNestBuffers()];
      interpretNest(nest, expected);
      const form = withLanes(nest, lanes);
      await runNest(form, actual, relaxed);
      for (const name of ["a", "b"] as const) compare(form, expected[name], actual[name], 0);
    }
  });

  it.each([4, 1])("random integers in lanes of %i", async (lanes) => {
    for (let seed = 1; seed <= 150; seed++) {
      const nest = randomIntegers(seed);
      const [expected, actual] = [new Float32Array(2560), new Float32Array(2560)];
      interpretNest(nest, { out: expected });
      const form = withLanes(nest, lanes);
      await runNest(form, { out: actual }, relaxed);
      compare(form, expected, actual, 0);
    }
  });
});
