/**
 * What a kernel loads and stores, as streams: all accesses to one tensor that move alike along every axis (the taps of a pooling
 * window, say).
 *
 * In: a kernel's accesses. Out: streams. Addresses are taken to be sums of one function for each axis. What holds: streams that move
 * alike are one object, whichever kernel they are of (but for those forgotten meanwhile), so that what they touch is counted once.
 */
import { evaluate } from "../nest/integer.ts";
import { type Access, type Analysis, dependsOn, strideAlong } from "./analysis.ts";

/** How addresses move along an axis: by a constant stride, or as tabulated. */
export type Movement =
  | { readonly kind: "stride"; readonly stride: number; readonly extent: number }
  | { readonly kind: "table"; readonly places: readonly number[]; readonly extent: number };

export interface Stream {
  readonly isStore: boolean;
  /** How it moves along the axes that move it, by their numbers. */
  readonly along: ReadonlyMap<number, Movement>;
  /** Addresses of the accesses, with all axes at 0, from an address on that is a multiple of four. */
  readonly starts: readonly number[];
  /** Of stores: elements behind the end of a row, written with it, and the number of the axis of rows. */
  readonly padding: Padding | undefined;
}

export interface Padding {
  readonly axis: number;
  readonly elements: number;
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
    const key = `${isStore} ${access.guarded} ${access.tensor} ${JSON.stringify([...along])}`;
    const found = groups.get(key);
    if (found) found.starts.push(start);
    else {
      const padding = isStore ? paddings.get(access.tensor) : undefined;
      groups.set(key, { isStore, along, starts: [start], padding });
    }
  }
  return [...groups.values()].map(sharedStream);
}

const sharedStreams = new Map<string, Stream>();
const mostStreams = 2000;

/** The one object for all streams that move alike. */
function sharedStream({ starts, ...stream }: Stream): Stream {
  const first = 4 * Math.floor(Math.min(...starts) / 4);
  const moved = { ...stream, starts: starts.map((start) => start - first) };
  const key = describeStream(moved);
  const known = sharedStreams.get(key);
  if (known) return known;
  if (sharedStreams.size >= mostStreams) sharedStreams.clear();
  sharedStreams.set(key, moved);
  return moved;
}

/** All there is of a stream, as text. */
export function describeStream({ along, ...stream }: Stream): string {
  return JSON.stringify([stream, [...along]]);
}

/** The address with one axis at a value and all others at 0; rows that are looked up in memory are far apart. */
function addressAt({ address }: Access, axis: string, value: number): number {
  return evaluate(
    address,
    (name) => (name === axis ? value : 0),
    (_, at) => at * 1024,
  );
}

function movements(analysis: Analysis, access: Access, start: number): Map<number, Movement> {
  const along = new Map<number, Movement>();
  for (const [axis, { name, extent }] of analysis.axes.entries()) {
    if (extent === 1 || !dependsOn(access, name)) continue;
    const stride = strideAlong(access, name);
    if (stride !== undefined) along.set(axis, { kind: "stride", stride, extent });
    else {
      const places = Array.from({ length: extent }, (_, i) => addressAt(access, name, i) - start);
      along.set(axis, { kind: "table", places, extent });
    }
  }
  return along;
}
