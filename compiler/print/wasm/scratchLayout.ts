/**
 * Where a kernel's scratch lies in the memory of the thread that runs it.
 *
 * In: a nest. Out: displacements in bytes. What holds: arrays that are not used at a time share memory; what a called kernel
 * uses lies above all of its caller's.
 */
import { InvariantError } from "../../graph/graph.ts";
import type { LoopNest } from "../../nest/loopNest.ts";
import { mapAccesses } from "../../nest/mapAccesses.ts";
import { calledBy } from "./calls.ts";
import { areSomeArranged } from "./ordering.ts";
import { waitingBytes } from "./pieces.ts";

/** Bytes between arrays, which vector loads may run into. */
const scratchSlack = 64;

/** Statements of the nest's body between which an array is used. */
interface Lifetime {
  first: number;
  last: number;
}

function lifetimes({ name: kernel, body, scratch }: LoopNest): ReadonlyMap<string, Lifetime> {
  const found = new Map<string, Lifetime>();
  if (scratch.some(({ perLane }) => perLane)) throw new InvariantError(`${kernel}: lanes have no memory of their own`);
  const names = new Set(scratch.map(({ name }) => name));
  body.forEach((statement, at) => {
    mapAccesses([statement], (buffer, index) => {
      const known = found.get(buffer);
      if (known) known.last = at;
      else if (names.has(buffer)) found.set(buffer, { first: at, last: at });
      return { buffer, index };
    });
  });
  return found;
}

export interface ScratchLayout {
  /** Displacements of the scratch arrays. */
  readonly places: ReadonlyMap<string, number>;
  /** Of the addresses that are handed to a called kernel, and of what it may use itself. */
  readonly frame: number;
  readonly called: number;
  readonly bytes: number;
}

export function layOutScratch(nest: LoopNest): ScratchLayout {
  const { places, bytes: own } = placeArrays(nest);
  const calls = calledBy(nest.body);
  if (calls.length === 0) return { places, frame: own, called: own, bytes: own };
  const frameBytes = 4 * Math.max(...calls.map(({ bindings }) => bindings.length));
  const called = own + roundUp(frameBytes);
  const most = Math.max(...calls.map((other) => layOutScratch(other).bytes));
  return { places, frame: own, called, bytes: called + most };
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / scratchSlack) * scratchSlack;
}

function placeArrays(nest: LoopNest): Pick<ScratchLayout, "places" | "bytes"> {
  const lives = lifetimes(nest);
  const placed: { readonly start: number; readonly end: number; readonly life: Lifetime }[] = [];
  const places = new Map<string, number>();
  // What waits for a later piece of straight-line code lies at the start.
  const waiting = areSomeArranged(nest.body) ? waitingBytes : 0;
  let bytes = waiting;
  for (const { name, length } of nest.scratch) {
    const life = lives.get(name);
    if (!life) continue;
    const taken = placed
      .filter((other) => other.life.first <= life.last && life.first <= other.life.last)
      .toSorted((a, b) => a.start - b.start);
    const size = roundUp(4 * length) + scratchSlack;
    let start = waiting + scratchSlack;
    for (const other of taken) {
      if (other.start - start >= size) break;
      start = Math.max(start, other.end);
    }
    placed.push({ start, end: start + size, life });
    places.set(name, start);
    bytes = Math.max(bytes, start + size);
  }
  return { places, bytes };
}
