/**
 * What a tile touches, counted by looking at every element of it.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { type Footprint, footprintsOf, type Steps } from "../../compiler/schedule/footprint.ts";
import type { Movement, Stream } from "../../compiler/schedule/streams.ts";

function countAll(stream: Stream, unrolled: Steps, roll: number | undefined): Footprint {
  let places = stream.starts;
  for (const [axis, movement] of stream.along) {
    const steps = Array.from({ length: unrolled[axis] ?? 1 }, (_, i) => stepOf(movement, i));
    places = places.flatMap((place) => steps.map((step) => place + step));
  }
  const all = new Set(places);
  const rolling = roll === undefined ? undefined : stream.along.get(roll);
  const shift = rolling?.kind === "stride" ? rolling.stride * (unrolled[roll ?? 0] ?? 1) : undefined;
  const fresh = [...all].filter((place) => shift === undefined || !all.has(place + shift));
  const padding = stream.padding && isWhole(stream, unrolled, stream.padding.axis) ? stream.padding.elements : 0;
  const enough = stream.isStore ? 4 - padding : 2;
  const inQuad = (place: number): number =>
    fresh.filter((other) => Math.floor(other / 4) === Math.floor(place / 4)).length;
  const quads = new Set(fresh.filter((place) => inQuad(place) >= enough).map((place) => Math.floor(place / 4)));
  const isAligned = [...stream.along].every(([axis, movement]) => {
    const step = unrolled[axis] ?? 1;
    const starts = Array.from({ length: Math.ceil(movement.extent / step) }, (_, i) => stepOf(movement, i * step));
    return starts.every((start) => start % 4 === 0);
  });
  return {
    elements: fresh.length,
    quads: quads.size,
    singles: fresh.filter((place) => inQuad(place) < enough).length,
    kept: all.size - fresh.length,
    isAligned,
  };
}

function stepOf(movement: Movement, i: number): number {
  return movement.kind === "stride" ? movement.stride * i : (movement.places[i] ?? 0);
}

function isWhole({ along }: Stream, unrolled: Steps, axis: number): boolean {
  const extent = unrolled[axis] ?? 1;
  return extent > 1 && extent === along.get(axis)?.extent;
}

/** An axis, and how much of it is unrolled: strides of windows and rows, forwards and backwards, or places in a table. */
const axes = fc
  .tuple(
    fc.oneof(fc.constantFrom(1, 1, 2, 3, 4, 6, 8, 12, 16, 20, 64, 100, -1, -4, -16), fc.constant("table" as const)),
    fc.constantFrom([1, 1], [2, 1], [2, 2], [3, 3], [4, 2], [4, 4], [6, 3], [8, 8]),
    fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 8, maxLength: 8 }),
  )
  .map(([stride, [extent = 1, step = 1], places]) => {
    const table = [0, ...places.slice(1, extent)];
    const movement: Movement =
      stride === "table" ? { kind: "table", places: table, extent } : { kind: "stride", stride, extent };
    return { movement, step };
  });

it("counts as one who looks at every element", () => {
  const streams = fc.record({
    moves: fc.array(axes, { maxLength: 4 }),
    starts: fc.oneof(
      fc.integer({ min: -20, max: 20 }).map((start) => [start]),
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 3 }),
      fc.array(fc.integer({ min: 0, max: 9000 }), { minLength: 1, maxLength: 3 }),
    ),
    isStore: fc.boolean(),
    padding: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
    roll: fc.boolean(),
  });
  let large = 0;
  fc.assert(
    fc.property(streams, ({ moves, starts, isStore, padding, roll }) => {
      const along = new Map(moves.map(({ movement }, i) => [i, movement]));
      const unrolled = moves.map(({ step }) => step);
      const padded = isStore && padding !== undefined ? { axis: 0, elements: padding } : undefined;
      const stream: Stream = { isStore, along, starts, padding: padded };
      const rolls = roll && along.has(0) ? 0 : undefined;
      const found = footprintsOf(stream)(unrolled, rolls);
      expect(found).toEqual(countAll(stream, unrolled, rolls));
      if (found.elements > 4) large++;
    }),
    { numRuns: 2000, seed: 3 },
  );
  expect(large).toBeGreaterThan(300);
});
