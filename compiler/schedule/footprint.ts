/**
 * What an unrolled tile touches: how many distinct elements of each tensor, and in how many aligned quads.
 *
 * In: streams, how much of each axis is unrolled. Out: footprints; elements that two accesses of a stream share count once.
 */
import type { Movement, Stream } from "./streams.ts";

/** A step for each axis of a kernel, by its number (its place among them); 1 where it is not cut so. */
export type Steps = readonly number[];

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

function placeAt(movement: Movement, at: number): number {
  return movement.kind === "stride" ? movement.stride * at : (movement.places[at] ?? 0);
}

/** Whether every piece starts at a multiple of four elements, when axes are cut by these steps. */
function isAligned({ along }: Stream, steps: Steps): boolean {
  for (const [axis, movement] of along) {
    const step = steps[axis] ?? 1;
    const fits =
      movement.kind === "stride"
        ? step === movement.extent || (movement.stride * step) % 4 === 0
        : movement.places.every((place, i) => i % step !== 0 || place % 4 === 0);
    if (!fits) return false;
  }
  return true;
}

/** What the first tile touches, where so much of each axis is unrolled. `roll`: the axis whose loop keeps what its next turn would load. */
export type Footprints = (unrolled: Steps, roll?: number) => Footprint;

/** Of streams that were looked at lately: each has hundreds of footprints. */
const counters = new Map<Stream, Footprints>();
const mostCounters = 200;

export function footprintsOf(stream: Stream): Footprints {
  const known = counters.get(stream) ?? createCounter(stream);
  if (counters.size >= mostCounters) counters.clear();
  counters.set(stream, known);
  return known;
}

/** Counts once for all that is unrolled alike along the axes that move the stream. */
function createCounter(stream: Stream): Footprints {
  const moving = [...stream.along].map(([axis, { extent }]) => ({ axis, radix: extent + 1 }));
  const rollRadix = Math.max(0, ...stream.along.keys()) + 2;
  const most = moving.reduce((product, { radix }) => product * radix, rollRadix);
  const counted = new Map<number, Footprint>();
  return (unrolled, roll) => {
    const rolls = roll !== undefined && stream.along.has(roll) ? roll : undefined;
    let key = rolls === undefined ? 0 : rolls + 1;
    for (const { axis, radix } of moving) key = key * radix + (unrolled[axis] ?? 1);
    const found = counted.get(key) ?? countElements(stream, unrolled, rolls);
    // Numbers so large are not told apart; nothing that is ever compiled has so many elements.
    if (most <= Number.MAX_SAFE_INTEGER) counted.set(key, found);
    return found;
  };
}

/** An axis that moves a stream, and how much of it is unrolled. */
interface Moving {
  readonly movement: Movement;
  readonly extent: number;
}

function countElements(stream: Stream, unrolled: Steps, roll: number | undefined): Footprint {
  const moving: Moving[] = [];
  for (const [axis, movement] of stream.along) {
    const extent = unrolled[axis] ?? 1;
    if (extent > 1) moving.push({ movement, extent });
  }
  const enough = stream.isStore ? 4 - paddingReached(stream, unrolled) : 2;
  const shift = roll === undefined ? undefined : shiftOf(stream, roll, unrolled[roll] ?? 1);
  const nested = shift === undefined ? countNested(stream, moving, enough) : undefined;
  return { ...(nested ?? countOneByOne(stream, moving, enough, shift)), isAligned: isAligned(stream, unrolled) };
}

type Counts = Omit<Footprint, "isAligned">;

/** `shift`: elements so far behind another one are kept from the last turn. */
function countOneByOne(stream: Stream, moving: readonly Moving[], enough: number, shift: number | undefined): Counts {
  const touched = placesOf(stream, moving);
  const fresh = shift === undefined ? touched : touched.filter((place) => !contains(touched, place + shift));
  let [quads, inQuads] = [0, 0];
  let [quad, inThis] = [NaN, 0];
  const close = (): void => {
    if (inThis < enough || inThis === 0) return;
    quads++;
    inQuads += inThis;
  };
  for (const place of fresh) {
    const its = Math.floor(place / 4);
    if (its !== quad) {
      close();
      [quad, inThis] = [its, 0];
    }
    inThis++;
  }
  close();
  return { elements: fresh.length, quads, singles: fresh.length - inQuads, kept: touched.length - fresh.length };
}

/** The addresses of all elements, each once, in order. */
function placesOf({ starts }: Stream, moving: readonly Moving[]): Float64Array {
  let places = distinct(Float64Array.from(starts));
  for (const { movement, extent } of moving) {
    const moved = new Float64Array(places.length * extent);
    for (let i = 0; i < extent; i++) {
      const step = placeAt(movement, i);
      const from = i * places.length;
      for (let p = 0; p < places.length; p++) moved[from + p] = (places[p] ?? 0) + step;
    }
    places = distinct(moved);
  }
  return places;
}

/** In order, each number once; in place. */
function distinct(places: Float64Array): Float64Array {
  const isInOrder = places.every((place, i) => i === 0 || place >= (places[i - 1] ?? place));
  if (!isInOrder) places.sort();
  let count = 0;
  for (const place of places) if (count === 0 || place !== places[count - 1]) places[count++] = place;
  return places.subarray(0, count);
}

/** Whether numbers in order have this one. */
function contains(places: Float64Array, wanted: number): boolean {
  let [from, to] = [0, places.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((places[middle] ?? 0) < wanted) from = middle + 1;
    else to = middle;
  }
  return places[from] === wanted;
}

/** Every `stride`-th element, so many of them. */
interface Progression {
  readonly stride: number;
  readonly extent: number;
}

const one: Progression = { stride: 1, extent: 1 };

/**
 * The same where accesses far from one another move by constant strides, each longer than all that the shorter ones reach: then
 * elements need not be looked at one by one. Undefined where they lie otherwise, or where rows may share quads.
 */
function countNested({ starts }: Stream, moving: readonly Moving[], enough: number): Counts | undefined {
  const found = progressionsOf(moving);
  if (!found) return undefined;
  const inOrder = starts.length === 1 ? starts : starts.toSorted((a, b) => a - b);
  const apart = found.reach + quadElements;
  if (inOrder.some((start, i) => i > 0 && start - (inOrder[i - 1] ?? 0) < apart)) return undefined;
  let [elements, quads, inQuads] = [0, 0, 0];
  for (const start of starts) {
    const counted = countRows(start + found.before, found.nested, enough);
    if (!counted) return undefined;
    elements += counted.elements;
    quads += counted.quads;
    inQuads += counted.inQuads;
  }
  return { elements, quads, singles: elements - inQuads, kept: 0 };
}

const quadElements = 4;

interface Rows {
  readonly elements: number;
  readonly quads: number;
  /** Elements in those quads. */
  readonly inQuads: number;
}

/** Elements close to one another are a row; rows begin anywhere in a quad, and none shares one with another. */
function countRows(start: number, nested: readonly Progression[], enough: number): Rows | undefined {
  const [first] = nested;
  const isRow = first !== undefined && first.stride < quadElements;
  const row = isRow ? first : one;
  let reach = row.stride * (row.extent - 1);
  /** How many rows begin at each place of a quad. */
  let rows = [0, 0, 0, 0];
  const offset = inQuad(start);
  rows[offset] = 1;
  let isUniform = true;
  for (const { stride, extent } of isRow ? nested.slice(1) : nested) {
    isUniform &&= stride % quadElements === 0;
    const isApart = isUniform
      ? stride / quadElements > Math.floor((offset + reach) / quadElements)
      : stride >= reach + quadElements;
    if (!isApart) return undefined;
    if (isUniform) rows[offset] = (rows[offset] ?? 0) * extent;
    else rows = repeated(rows, stride, extent);
    reach += stride * (extent - 1);
  }
  let [elements, quads, inQuads] = [0, 0, 0];
  for (const [at, count] of rows.entries()) {
    if (count === 0) continue;
    const counted = countQuads(at, row, enough);
    elements += count * row.extent;
    quads += count * counted.quads;
    inQuads += count * counted.elements;
  }
  return { elements, quads, inQuads };
}

function inQuad(place: number): number {
  return ((place % quadElements) + quadElements) % quadElements;
}

/** Where rows begin, when all of them come again at each multiple of a stride. */
function repeated(rows: readonly number[], stride: number, extent: number): number[] {
  const all = [0, 0, 0, 0];
  for (let i = 0; i < extent; i++)
    for (let at = 0; at < quadElements; at++) {
      const moved = inQuad(at + i * stride);
      all[moved] = (all[moved] ?? 0) + (rows[at] ?? 0);
    }
  return all;
}

/** The quads of which a row touches enough elements, and how many those are. */
function countQuads(offset: number, { stride, extent }: Progression, enough: number): Omit<Rows, "inQuads"> {
  let [quads, elements, next] = [0, 0, 0];
  for (let end = quadElements; next < extent; end += quadElements) {
    const before = Math.min(extent, Math.ceil((end - offset) / stride));
    const count = before - next;
    next = before;
    if (count < enough || count === 0) continue;
    quads++;
    elements += count;
  }
  return { quads, elements };
}

/** Axes as nested progressions, those of the shortest stride first; how far before the start the first element lies, and the last behind it. */
function progressionsOf(
  moving: readonly Moving[],
): { readonly nested: readonly Progression[]; readonly before: number; readonly reach: number } | undefined {
  const all: Progression[] = [];
  let before = 0;
  for (const { movement, extent } of moving) {
    if (movement.kind !== "stride") return undefined;
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
  return { nested, before, reach };
}

/** By how much addresses move from one turn of a loop to the next, if always by the same. */
function shiftOf({ along }: Stream, axis: number, step: number): number | undefined {
  const movement = along.get(axis);
  return movement?.kind === "stride" ? movement.stride * step : undefined;
}

/** Padding that is written along, where the tile holds whole rows. */
function paddingReached({ padding, along }: Stream, unrolled: Steps): number {
  if (!padding) return 0;
  const extent = unrolled[padding.axis] ?? 1;
  return extent > 1 && extent === along.get(padding.axis)?.extent ? padding.elements : 0;
}
