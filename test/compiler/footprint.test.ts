/**
 * What a tile touches, counted by looking at every element of it.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { type Footprint, footprintOf, type Movement, type Stream } from "../../compiler/schedule/footprint.ts";

type Roll = { axis: string; step: number };

function countAll(stream: Stream, unrolled: ReadonlyMap<string, number>, roll: Roll | undefined): Footprint {
  let places = stream.starts;
  for (const [axis, movement] of stream.along) {
    const steps = Array.from({ length: unrolled.get(axis) ?? 1 }, (_, i) => stepOf(movement, i));
    places = places.flatMap((place) => steps.map((step) => place + step));
  }
  const all = new Set(places);
  const rolling = roll && stream.along.get(roll.axis);
  const shift = roll && rolling?.kind === "stride" ? rolling.stride * roll.step : undefined;
  const fresh = [...all].filter((place) => shift === undefined || !all.has(place + shift));
  const padding = stream.padding && isWhole(stream, unrolled, stream.padding.axis) ? stream.padding.elements : 0;
  const enough = stream.isStore ? 4 - padding : 2;
  const inQuad = (place: number): number =>
    fresh.filter((other) => Math.floor(other / 4) === Math.floor(place / 4)).length;
  const quads = new Set(fresh.filter((place) => inQuad(place) >= enough).map((place) => Math.floor(place / 4)));
  const isAligned = [...stream.along].every(([axis, movement]) => {
    const step = unrolled.get(axis) ?? 1;
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

function isWhole({ along }: Stream, unrolled: ReadonlyMap<string, number>, axis: string): boolean {
  const extent = unrolled.get(axis) ?? 1;
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
    ),
    isStore: fc.boolean(),
    padding: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
    roll: fc.boolean(),
  });
  let large = 0;
  fc.assert(
    fc.property(streams, ({ moves, starts, isStore, padding, roll }) => {
      const along = new Map(moves.map(({ movement }, i) => [`d${i}`, movement]));
      const unrolled = new Map(moves.map(({ step }, i) => [`d${i}`, step]));
      const padded = isStore && padding !== undefined ? { axis: "d0", elements: padding } : undefined;
      const stream: Stream = { isStore, isGuarded: false, along, starts, padding: padded };
      const rolls = roll && along.has("d0") ? { axis: "d0", step: unrolled.get("d0") ?? 1 } : undefined;
      const found = footprintOf(stream, unrolled, rolls);
      expect(found).toEqual(countAll(stream, unrolled, rolls));
      if (found.elements > 4) large++;
    }),
    { numRuns: 2000, seed: 3 },
  );
  expect(large).toBeGreaterThan(300);
});
