/**
 * What an unrolled tile touches: how many distinct elements of each tensor, and in how many aligned quads.
 *
 * In: a kernel's accesses. Out: streams, each all accesses to one tensor that move alike along every axis (the taps of a
 * pooling window, say), so that elements which two of them share count once. Addresses are taken to be sums of one
 * function for each axis.
 */
import { evaluate } from "../nest/integer.ts";
import { type Access, type Analysis, dependsOn, strideAlong } from "./analysis.ts";

/** How addresses move along an axis: by a constant stride, or as tabulated. */
export type Movement =
  | { readonly kind: "stride"; readonly stride: number; readonly extent: number }
  | { readonly kind: "table"; readonly places: readonly number[]; readonly extent: number };

export interface Stream {
  readonly isStore: boolean;
  /** Whether tests keep some of its elements from being read. */
  readonly isGuarded: boolean;
  /** The axes that move it. */
  readonly along: ReadonlyMap<string, Movement>;
  /** Addresses of the accesses, with all axes at 0. */
  readonly starts: readonly number[];
  /** Of stores: elements behind the end of a row, written with it, and the axis of rows. */
  readonly padding: Padding | undefined;
}

export interface Padding {
  readonly axis: string;
  readonly elements: number;
}

export interface Footprint {
  readonly elements: number;
  /** Aligned quads of which at least two elements (of stores: all) are touched. */
  readonly quads: number;
  /** Elements outside of those quads. */
  readonly singles: number;
  /** Elements that a loop keeps from its last turn, which are in none of the other counts. */
  readonly kept: number;
}

/** A loop that keeps what its next turn would load again. */
export interface Roll {
  readonly axis: string;
  readonly step: number;
}

export function streamsOf(
  analysis: Analysis,
  paddings: ReadonlyMap<number, Padding>,
  wanted: (access: Access) => boolean,
): Stream[] {
  const groups = new Map<string, Stream & { starts: number[] }>();
  for (const access of analysis.accesses.filter(wanted)) {
    const start = addressAt(access, "", 0);
    const along = movements(analysis, access, start);
    const isStore = access.kind === "store";
    const isGuarded = access.guarded;
    const key = `${isStore} ${isGuarded} ${access.tensor} ${JSON.stringify([...along])}`;
    const found = groups.get(key);
    if (found) found.starts.push(start);
    else {
      const padding = isStore ? paddings.get(access.tensor) : undefined;
      groups.set(key, { isStore, isGuarded, along, starts: [start], padding });
    }
  }
  return [...groups.values()];
}

/** The address with one axis at a value and all others at 0; rows that are looked up in memory are far apart. */
function addressAt({ address }: Access, axis: string, value: number): number {
  return evaluate(
    address,
    (name) => (name === axis ? value : 0),
    (_, at) => at * 1024,
  );
}

function movements(analysis: Analysis, access: Access, start: number): Map<string, Movement> {
  const along = new Map<string, Movement>();
  for (const { name, extent } of analysis.axes) {
    if (extent === 1 || !dependsOn(access, name)) continue;
    const stride = strideAlong(access, name);
    if (stride !== undefined) along.set(name, { kind: "stride", stride, extent });
    else {
      const places = Array.from({ length: extent }, (_, i) => addressAt(access, name, i) - start);
      along.set(name, { kind: "table", places, extent });
    }
  }
  return along;
}

function placeAt(movement: Movement, at: number): number {
  return movement.kind === "stride" ? movement.stride * at : (movement.places[at] ?? 0);
}

/** Whether every piece starts at a multiple of four elements, when axes are cut by these steps (1 where none is given). */
export function isAligned({ along }: Stream, steps: ReadonlyMap<string, number>): boolean {
  return [...along].every(([axis, movement]) => {
    const step = steps.get(axis) ?? 1;
    if (movement.kind === "stride") return step === movement.extent || (movement.stride * step) % 4 === 0;
    return movement.places.every((place, i) => i % step !== 0 || place % 4 === 0);
  });
}

const footprints = new WeakMap<Stream, Map<string, Footprint>>();

/** Of the first tile; `unrolled` gives the extent of each unrolled axis. */
export function footprintOf(stream: Stream, unrolled: ReadonlyMap<string, number>, roll?: Roll): Footprint {
  const axes: (readonly [string, number])[] = [];
  let key = roll ? `${roll.axis}:${roll.step}` : "";
  for (const entry of unrolled) {
    const [axis, extent] = entry;
    if (extent === 1 || !stream.along.has(axis)) continue;
    axes.push(entry);
    key += ` ${axis}:${extent}`;
  }
  const known = footprints.get(stream) ?? new Map<string, Footprint>();
  footprints.set(stream, known);
  const found = known.get(key) ?? countElements(stream, axes, roll);
  known.set(key, found);
  return found;
}

function countElements(stream: Stream, axes: readonly (readonly [string, number])[], roll?: Roll): Footprint {
  let places = new Set(stream.starts);
  for (const [axis, extent] of axes) {
    const movement = stream.along.get(axis);
    if (!movement) continue;
    const moved = new Set<number>();
    for (let i = 0; i < extent; i++) {
      const step = placeAt(movement, i);
      for (const place of places) moved.add(place + step);
    }
    places = moved;
  }
  const all = places.size;
  const movement = roll && stream.along.get(roll.axis);
  if (roll && movement?.kind === "stride") {
    const shift = movement.stride * roll.step;
    const fresh = new Set<number>();
    for (const place of places) if (!places.has(place + shift)) fresh.add(place);
    places = fresh;
  }
  const elements = places.size;
  const perQuad = new Map<number, number>();
  for (const place of places) {
    const quad = Math.floor(place / 4);
    perQuad.set(quad, (perQuad.get(quad) ?? 0) + 1);
  }
  const enough = stream.isStore ? 4 - paddingReached(stream, axes) : 2;
  let quads = 0;
  let singles = 0;
  for (const count of perQuad.values())
    if (count >= enough) quads++;
    else singles += count;
  return { elements, quads, singles, kept: all - elements };
}

/** Padding that is written along, where the tile holds whole rows. */
function paddingReached({ padding, along }: Stream, axes: readonly (readonly [string, number])[]): number {
  const isWhole = axes.some(([axis, extent]) => axis === padding?.axis && extent === along.get(axis)?.extent);
  return isWhole ? (padding?.elements ?? 0) : 0;
}
