/**
 * What an unrolled tile touches: how many distinct elements of each tensor, and in how many aligned quads.
 *
 * In: a kernel's accesses. Out: streams, each all accesses to one tensor that move alike along every axis (the taps of a
 * pooling window, say), so that elements which two of them share count once; footprints of streams. Addresses are taken to be
 * sums of one function for each axis.
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
  /** Whether every piece starts at a multiple of four elements. */
  readonly isAligned: boolean;
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
function isAligned({ along }: Stream, steps: ReadonlyMap<string, number>): boolean {
  for (const [axis, movement] of along) {
    const step = steps.get(axis) ?? 1;
    const fits =
      movement.kind === "stride"
        ? step === movement.extent || (movement.stride * step) % 4 === 0
        : movement.places.every((place, i) => i % step !== 0 || place % 4 === 0);
    if (!fits) return false;
  }
  return true;
}

const footprints = new WeakMap<Stream, Map<string, Footprint>>();

/** Of the first tile; `unrolled` gives the extent of each unrolled axis. */
export function footprintOf(stream: Stream, unrolled: ReadonlyMap<string, number>, roll?: Roll): Footprint {
  let key = roll ? `${roll.axis}:${roll.step}` : "";
  for (const axis of stream.along.keys()) key += ` ${unrolled.get(axis) ?? 1}`;
  const known = footprints.get(stream) ?? new Map<string, Footprint>();
  footprints.set(stream, known);
  const found = known.get(key) ?? countElements(stream, movingAxes(stream, unrolled), roll);
  known.set(key, found);
  return found;
}

function movingAxes({ along }: Stream, unrolled: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...unrolled].filter(([axis, extent]) => extent > 1 && along.has(axis)));
}

function countElements(stream: Stream, axes: ReadonlyMap<string, number>, roll?: Roll): Footprint {
  const enough = stream.isStore ? 4 - paddingReached(stream, axes) : 2;
  const shift = roll && shiftOf(stream, roll);
  const nested = shift === undefined ? countNested(stream, axes, enough) : undefined;
  return { ...(nested ?? countOneByOne(stream, axes, enough, shift)), isAligned: isAligned(stream, axes) };
}

type Counts = Omit<Footprint, "isAligned">;

/** `shift`: elements so far behind another one are kept from the last turn. */
function countOneByOne(
  stream: Stream,
  axes: ReadonlyMap<string, number>,
  enough: number,
  shift: number | undefined,
): Counts {
  let touched = new Set(stream.starts);
  for (const [axis, extent] of axes) {
    const movement = stream.along.get(axis);
    if (!movement) continue;
    const moved = new Set<number>();
    for (let i = 0; i < extent; i++) {
      const step = placeAt(movement, i);
      for (const place of touched) moved.add(place + step);
    }
    touched = moved;
  }
  const perQuad = new Map<number, number>();
  let elements = 0;
  for (const place of touched) {
    if (shift !== undefined && touched.has(place + shift)) continue;
    elements++;
    const quad = Math.floor(place / 4);
    perQuad.set(quad, (perQuad.get(quad) ?? 0) + 1);
  }
  const inQuads = [...perQuad.values()].filter((count) => count >= enough);
  const singles = elements - inQuads.reduce((a, b) => a + b, 0);
  return { elements, quads: inQuads.length, singles, kept: touched.size - elements };
}

/** Every `stride`-th element, so many of them. */
interface Progression {
  readonly stride: number;
  readonly extent: number;
}

/**
 * The same where one access moves by constant strides, each longer than all that the shorter ones reach: then elements need not
 * be looked at one by one. Undefined where they lie otherwise, or where quads straddle progressions.
 */
function countNested(stream: Stream, axes: ReadonlyMap<string, number>, enough: number): Counts | undefined {
  const [start = 0, ...others] = stream.starts;
  const found = others.length === 0 ? progressionsOf(stream, axes) : undefined;
  if (!found) return undefined;
  const [first, ...longer] = found.nested;
  const isRow = first?.stride === 1;
  const row = isRow ? first.extent : 1;
  const outer = isRow || !first ? longer : [first, ...longer];
  const offset = (((start + found.before) % 4) + 4) % 4;
  const quads = countQuads(offset, row, enough);
  let width = Math.ceil((offset + row) / 4);
  let rows = 1;
  for (const { stride, extent } of outer) {
    if (stride % 4 !== 0 || stride / 4 < width) return undefined;
    width += (extent - 1) * (stride / 4);
    rows *= extent;
  }
  return { elements: row * rows, quads: quads.quads * rows, singles: (row - quads.elements) * rows, kept: 0 };
}

/** The quads of which a row touches enough elements, and how many those are. */
function countQuads(offset: number, row: number, enough: number): { quads: number; elements: number } {
  let [quads, elements] = [0, 0];
  for (let quad = 0; quad < offset + row; quad += 4) {
    const count = Math.min(quad + 4, offset + row) - Math.max(quad, offset);
    if (count < enough) continue;
    quads++;
    elements += count;
  }
  return { quads, elements };
}

/** Axes as nested progressions, those of the shortest stride first, and how far before the start the first element lies. */
function progressionsOf(
  { along }: Stream,
  axes: ReadonlyMap<string, number>,
): { readonly nested: readonly Progression[]; readonly before: number } | undefined {
  const all: Progression[] = [];
  let before = 0;
  for (const [axis, extent] of axes) {
    const movement = along.get(axis);
    if (movement?.kind !== "stride") return undefined;
    if (movement.stride === 0) continue;
    if (movement.stride < 0) before += movement.stride * (extent - 1);
    all.push({ stride: Math.abs(movement.stride), extent });
  }
  const nested: Progression[] = [];
  let reach = 0;
  for (const { stride, extent } of all.toSorted((a, b) => a.stride - b.stride)) {
    const last = nested.at(-1);
    // Windows: what steps by no more than what the last one reaches makes it longer.
    const isMerged = last !== undefined && stride % last.stride === 0 && stride <= last.stride * last.extent;
    if (!isMerged && stride <= reach) return undefined;
    if (isMerged) nested[nested.length - 1] = { ...last, extent: last.extent + (extent - 1) * (stride / last.stride) };
    else nested.push({ stride, extent });
    reach += (extent - 1) * stride;
  }
  return { nested, before };
}

/** By how much addresses move from one turn of a loop to the next, if always by the same. */
function shiftOf({ along }: Stream, { axis, step }: Roll): number | undefined {
  const movement = along.get(axis);
  return movement?.kind === "stride" ? movement.stride * step : undefined;
}

/** Padding that is written along, where the tile holds whole rows. */
function paddingReached({ padding, along }: Stream, axes: ReadonlyMap<string, number>): number {
  if (!padding) return 0;
  const extent = axes.get(padding.axis);
  return extent !== undefined && extent === along.get(padding.axis)?.extent ? padding.elements : 0;
}
