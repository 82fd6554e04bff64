/** Where temporaries lie: never two live ones on the same bytes, never past an arena's limit, and close together. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compile, usesOf } from "../../compiler/compile.ts";
import type { StoredTensor } from "../../compiler/fusion/kernel.ts";
import { byteLength, placeTemporaries, placeStates, type Use } from "../../compiler/plan/memory.ts";
import { checkText } from "../../language/index.ts";
import { targets } from "../support/targets.ts";

interface Life {
  readonly first: number;
  readonly last: number;
  readonly elements: number;
}

function place(lives: readonly Life[], limit: number) {
  const tensors = new Map(
    lives.map(({ elements }, id): [number, StoredTensor] => [
      id,
      { id, label: "", shape: [elements], type: "f32", storage: { kind: "temporary" } },
    ]),
  );
  const times = Math.max(0, ...lives.map(({ last }) => last)) + 1;
  const ids = (at: number, of: "first" | "last"): Set<number> =>
    new Set(lives.flatMap((life, id) => (life[of] === at ? [id] : [])));
  const uses = Array.from({ length: times }, (_, at): Use => ({ writes: ids(at, "first"), reads: ids(at, "last") }));
  return { tensors, ...placeTemporaries(uses, tensors, limit) };
}

const life = fc
  .record({ first: fc.nat(30), duration: fc.nat(12), elements: fc.integer({ min: 1, max: 4000 }) })
  .map(({ first, duration, elements }): Life => ({ first, last: first + duration, elements }));

test("two temporaries share bytes only if they are not live at one time", () => {
  fc.assert(
    fc.property(fc.array(life, { maxLength: 60 }), fc.constantFrom(16384, 20000, Infinity), (lives, limit) => {
      const { places, tensors, lengths, live } = place(lives, limit);
      const ranges = lives.map(({ first, last }, id) => {
        const tensor = tensors.get(id);
        const { arena = -1, offset = -1 } = places.get(id) ?? {};
        const bytes = tensor ? byteLength(tensor) : 0;
        expect(offset % 256).toBe(0);
        expect(offset + bytes).toBeLessThanOrEqual(lengths[arena] ?? 0);
        return { first, last, arena, offset, end: offset + bytes };
      });
      for (const [i, a] of ranges.entries())
        for (const b of ranges.slice(0, i)) {
          const isTogether = a.arena === b.arena && a.first <= b.last && b.first <= a.last;
          if (isTogether) expect(a.offset >= b.end || b.offset >= a.end).toBe(true);
        }
      for (const length of lengths) expect(length).toBeLessThanOrEqual(limit);
      expect(lengths.reduce((sum, length) => sum + length, 0)).toBeGreaterThanOrEqual(live);
    }),
    { numRuns: 200 },
  );
});

test("a tensor that is larger than an arena has one of its own", () => {
  const { places, lengths } = place(
    [
      { first: 0, last: 1, elements: 100 },
      { first: 0, last: 1, elements: 10_000 },
      { first: 1, last: 2, elements: 100 },
    ],
    4096,
  );
  expect(lengths).toEqual([40_192, 1024]);
  expect([places.get(0)?.arena, places.get(1)?.arena, places.get(2)?.arena]).toEqual([1, 0, 1]);
});

test("states fill buffers of a largest size", () => {
  const states = [3000, 2000, 500, 5000, 10].map((elements, i) => ({
    name: `s${i}`,
    shape: [elements],
    type: "f32" as const,
  }));
  const { buffers, places } = placeStates(states, 16384);
  expect(buffers).toEqual([
    { name: "state", bytes: 12_032 },
    { name: "state 1", bytes: 10_240 },
    { name: "state 2", bytes: 20_224 },
    { name: "state 3", bytes: 256 },
  ]);
  expect([...places.values()].map(({ buffer }) => buffer)).toEqual([0, 1, 1, 2, 3]);
});

const examples = ["lenet", "zoo/resnet20", "zoo/airbench94", "zoo/lenet5"];

describe.each(["wasm", "a software GPU", "a GPU"] as const)("for %s", (name) => {
  test.each(examples)("%s takes at most 1.25 of its largest sum of live tensors", (example) => {
    const url = new URL(`../../examples/${example}.cnn`, import.meta.url);
    const { program } = checkText(readFileSync(url, "utf8"), example);
    const [model] = program?.models ?? [];
    const lenet = checkText(readFileSync(new URL("../../examples/lenet.cnn", import.meta.url), "utf8"), "lenet.cnn");
    const recipe = program?.recipe ?? lenet.program?.recipe;
    if (!model || !recipe) throw new Error(`${example} has errors`);
    const target = targets[name];
    const options = { counts: { train: 256, test: 256 }, target };
    const { programs } = compile(model, { ...recipe, batch: 64 }, options);
    const limit = target.kind === "wgsl" ? target.maximumBindingBytes : Infinity;
    for (const { dispatches, tensors } of programs) {
      const uses = dispatches.map((dispatch) => usesOf(dispatch, tensors));
      const { lengths, live } = placeTemporaries(uses, tensors, limit);
      expect(lengths.reduce((sum, length) => sum + length, 0)).toBeLessThanOrEqual(1.25 * live);
    }
  });
});
