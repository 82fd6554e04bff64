/** Printed WebAssembly against the interpreter: every sample nest that fits, and random ones to the bit. */
import { describe, expect, it } from "vitest";
import { interpretNest } from "../../compiler/nest/interpretNest.ts";
import type { LoopNest } from "../../compiler/nest/loopNest.ts";
import { printNest } from "../../compiler/nest/printNest.ts";
import { randomIntegers, randomNest, randomNestBuffers } from "./nestFuzz.ts";
import { samples } from "./nestSamples.ts";
import { withLanes } from "./wasmForms.ts";
import { engines, runNest } from "./wasmSupport.ts";

/** Lanes of these meet, or share a subgroup: they are tried as they are, or not at all. */
const meeting = new Set(["broadcast", "oneSum", "sumsOver64", "sumsOver50", "transposed"]);

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
      const expected = sample.buffers();
      interpretNest(sample.nest, expected);
      for (const engine of engines) {
        const actual = sample.buffers();
        await runNest(nest, actual, engine);
        for (const { name: buffer } of nest.bindings)
          compare(nest, expected[buffer] ?? [], actual[buffer] ?? [], sample.tolerance);
      }
    },
  );

  it.each([4, 1])("random nests in lanes of %i, to the bit", async (lanes) => {
    for (let seed = 1; seed <= 150; seed++) {
      const nest = randomNest(seed);
      const expected = randomNestBuffers();
      interpretNest(nest, expected);
      const form = withLanes(nest, lanes);
      for (const engine of engines) {
        const actual = randomNestBuffers();
        await runNest(form, actual, engine);
        for (const name of ["a", "b"] as const) compare(form, expected[name], actual[name], 0);
      }
    }
  });

  it.each([4, 1])("random integers in lanes of %i", async (lanes) => {
    for (let seed = 1; seed <= 150; seed++) {
      const nest = randomIntegers(seed);
      const expected = new Float32Array(2560);
      interpretNest(nest, { out: expected });
      const form = withLanes(nest, lanes);
      for (const engine of engines) {
        const actual = new Float32Array(2560);
        await runNest(form, { out: actual }, engine);
        compare(form, expected, actual, 0);
      }
    }
  });
});
