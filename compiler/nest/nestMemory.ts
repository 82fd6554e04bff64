/**
 * The memory of an interpreted loop nest, which notices misuse.
 *
 * In: the accesses of lanes, one by one, and the barriers between them. Out: the values, or a sentence that says what is
 * wrong: a store outside its buffer, scratch that nobody wrote, or a race (an element that one lane wrote is read or
 * overwritten by another, or the other way round, with no barrier between; workgroups share no barrier).
 */
import { InvariantError } from "../invariantError.ts";
import type { LoopNest } from "./loopNest.ts";

export type NestBuffer = Float32Array | Uint32Array | Uint8Array;

/** For each element the last access: the lane (from 1, over all workgroups; 0 for none, -1 for several) and when. */
interface Accesses {
  readonly lane: Int32Array;
  readonly epoch: Int32Array;
}

export interface Memory {
  readonly name: string;
  readonly length: number;
  readonly data: NestBuffer;
  readonly scratch: boolean;
  /** Absent where nothing is ever written. */
  readonly history?: { readonly writes: Accesses; readonly reads: Accesses };
}

/** The time of an access: `epoch` advances at each barrier and each workgroup; `first` is the workgroup's first. */
export interface Clock {
  epoch: number;
  first: number;
}

/** Receives the sentence; never returns. */
type Report = (problem: string) => never;

const arrayTypes = { f32: Float32Array, u32: Uint32Array, u8: Uint8Array } as const;

/** One memory for each binding, over the caller's arrays, and one for each scratch. */
export function memoriesOf(nest: LoopNest, buffers: Record<string, NestBuffer>): Map<string, Memory> {
  const memories = new Map<string, Memory>();
  const accesses = (length: number): Accesses => ({ lane: new Int32Array(length), epoch: new Int32Array(length) });
  const history = (length: number) => ({ writes: accesses(length), reads: accesses(length) });
  for (const { name, type, length, access } of nest.bindings) {
    const data = buffers[name];
    if (!(data instanceof arrayTypes[type]) || data.length < length)
      throw new InvariantError(`${nest.name}: buffer ${name} must be a ${type} array of ${length} elements or more`);
    const memory = { name, data, length, scratch: false };
    memories.set(name, access === "readwrite" ? { ...memory, history: history(length) } : memory);
  }
  for (const { name, length } of nest.scratch)
    memories.set(name, { name, length, data: new Float32Array(length), scratch: true, history: history(length) });
  return memories;
}

/** A new workgroup finds its scratch without values. */
export function forgetScratch(memory: Memory): void {
  if (!memory.scratch || !memory.history) return;
  memory.data.fill(NaN);
  memory.history.writes.lane.fill(0);
  memory.history.reads.lane.fill(0);
}

function checkBounds({ name, length }: Memory, at: number, report: Report): void {
  if (!Number.isInteger(at) || at < 0 || at >= length) report(`${name}[${at}] is outside its ${length} elements`);
}

/** Whether the last access was another lane's, with no barrier of this workgroup since. */
function conflicts(accesses: Accesses, at: number, lane: number, clock: Clock): boolean {
  const other = accesses.lane[at] ?? 0;
  if (other === 0 || other === lane) return false;
  const epoch = accesses.epoch[at] ?? 0;
  return epoch < clock.first || epoch === clock.epoch;
}

function record(accesses: Accesses, at: number, lane: number, clock: Clock): void {
  // A load that counts later than it was made.
  if ((accesses.epoch[at] ?? 0) > clock.epoch) return;
  const other = accesses.lane[at] ?? 0;
  const several = accesses.epoch[at] === clock.epoch && other !== 0 && other !== lane;
  accesses.lane[at] = several ? -1 : lane;
  accesses.epoch[at] = clock.epoch;
}

/**
 * A load outside its buffer gives NaN: kernels may load early what a test would have kept them from (and then do not use
 * it), which real devices allow (robust access, slack around buffers). A NaN in a result shows one that was used.
 */
export function loadElement({ data, length }: Memory, at: number): number {
  return at >= 0 && at < length ? (data[at] ?? 0) : NaN;
}

/** A load whose value is used; the clock's time is that of the load. */
export function countLoad(from: Memory, at: number, lane: number, clock: Clock, report: Report): void {
  if (!from.history || !(at >= 0 && at < from.length)) return;
  const { writes, reads } = from.history;
  if (conflicts(writes, at, lane, clock))
    report(`${from.name}[${at}] is read where another lane writes it, with no barrier between`);
  if (from.scratch && writes.lane[at] === 0) report(`${from.name}[${at}] is read before it is written`);
  record(reads, at, lane, clock);
}

/** Two lanes may write the same value to one element. */
export function storeElement(to: Memory, at: number, value: number, lane: number, clock: Clock, report: Report): void {
  checkBounds(to, at, report);
  if (!to.history) return report(`${to.name} is bound for reading only`);
  const { writes, reads } = to.history;
  if (conflicts(reads, at, lane, clock))
    report(`${to.name}[${at}] is written where another lane reads it, with no barrier between`);
  const stored = to.data instanceof Float32Array ? Math.fround(value) : value >>> 0;
  // Zeros of either sign are the same value.
  const isSame = Object.is((to.data[at] ?? NaN) + 0, stored + 0);
  if (conflicts(writes, at, lane, clock) && !isSame)
    report(`${to.name}[${at}] is written by two lanes, with no barrier between`);
  record(writes, at, lane, clock);
  to.data[at] = stored;
}
