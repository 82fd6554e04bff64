/**
 * Memory: where every stored tensor lies.
 *
 * In: fused programs after scheduling (which kernel writes and reads what, in order) and the states. Out: a buffer and
 * a byte offset for each. What holds: two temporaries share bytes only if one is dead before the other is written; no buffer
 * is longer than a binding may be, unless a single tensor is.
 */
import { storageLength, type StoredTensor } from "../fusion/kernel.ts";
import { type StateTensor } from "../graph/graph.ts";

export interface Placement {
  readonly buffer: number;
  readonly offset: number;
  readonly bytes: number;
}

/** Offsets of bindings are multiples of this many bytes (WebGPU's default limit). */
export const bindingAlignment = 256;

const bytesOf = { f32: 4, u32: 4, u8: 1 } as const;

function roundUp(value: number): number {
  return Math.ceil(value / bindingAlignment) * bindingAlignment;
}

export function byteLength(tensor: Pick<StoredTensor, "shape" | "pitch" | "gap" | "type">): number {
  return roundUp(Math.max(4, storageLength(tensor) * bytesOf[tensor.type]));
}

export interface Use {
  /** Stored tensors (not aliases) that a kernel touches. */
  readonly reads: ReadonlySet<number>;
  readonly writes: ReadonlySet<number>;
}

/** A temporary: the dispatches between which it is live, both included. */
interface Block {
  readonly id: number;
  readonly first: number;
  readonly last: number;
  readonly bytes: number;
}

interface PlacedBlock extends Block {
  readonly arena: number;
  readonly offset: number;
}

export interface TemporaryPlaces {
  readonly places: ReadonlyMap<number, { readonly arena: number; readonly offset: number }>;
  /** Of each arena, in bytes. */
  readonly lengths: readonly number[];
  /** The largest sum of temporaries that are live at one time: no arena is shorter. */
  readonly live: number;
}

/**
 * Places temporaries in arenas of at most `largestArena` bytes each (more where a tensor alone is larger), so that a
 * binding can span whatever lies in one. Finding the shortest arenas is a hard problem; taking the largest blocks first
 * comes close, and where it does not, another order does: the shortest of a few is taken.
 */
export function placeTemporaries(
  uses: readonly Use[],
  tensors: ReadonlyMap<number, StoredTensor>,
  largestArena: number,
): TemporaryPlaces {
  const blocks = blocksOf(uses, tensors);
  const live = largestSum(blocks, uses.length);
  let best: readonly PlacedBlock[] = [];
  let lengths: readonly number[] = [];
  let shortest = Infinity;
  for (const order of placingOrders) {
    const placed = placeInOrder(blocks.toSorted(order), largestArena);
    const ends = lengthsOf(placed);
    const total = ends.reduce((sum, end) => sum + end, 0);
    if (total < shortest) [best, lengths, shortest] = [placed, ends, total];
    if (shortest <= closeEnough * live) break;
  }
  return { places: new Map(best.map((block) => [block.id, block])), lengths, live };
}

function lengthsOf(placed: readonly PlacedBlock[]): number[] {
  const lengths: number[] = [];
  for (const { arena, offset, bytes } of placed) lengths[arena] = Math.max(lengths[arena] ?? 0, offset + bytes);
  return lengths;
}

/** Arenas by the largest sum of live bytes: closer than this, other orders are not tried. */
const closeEnough = 1.01;

const duration = ({ first, last }: Block): number => last - first + 1;

/** Ties are broken by time, so that equal programs are placed alike. */
const placingOrders: readonly ((a: Block, b: Block) => number)[] = [
  (a, b) => b.bytes - a.bytes || duration(b) - duration(a) || a.first - b.first || a.id - b.id,
  (a, b) => b.bytes * duration(b) - a.bytes * duration(a) || a.first - b.first || a.id - b.id,
  (a, b) => duration(b) - duration(a) || b.bytes - a.bytes || a.first - b.first || a.id - b.id,
  (a, b) => a.first - b.first || b.last - a.last || b.bytes - a.bytes || a.id - b.id,
];

function blocksOf(uses: readonly Use[], tensors: ReadonlyMap<number, StoredTensor>): Block[] {
  const first = new Map<number, number>();
  const last = new Map<number, number>();
  uses.forEach(({ reads, writes }, at) => {
    for (const id of [...writes, ...reads]) {
      if (!first.has(id)) first.set(id, at);
      last.set(id, at);
    }
  });
  return [...first].flatMap(([id, at]) => {
    const tensor = tensors.get(id);
    if (tensor?.storage.kind !== "temporary") return [];
    return [{ id, first: at, last: last.get(id) ?? at, bytes: byteLength(tensor) }];
  });
}

/** The largest sum of bytes that are live at one of so many times. */
function largestSum(blocks: readonly Block[], times: number): number {
  const changes = Array.from({ length: times + 1 }, () => 0);
  for (const { first, last, bytes } of blocks) {
    changes[first] = (changes[first] ?? 0) + bytes;
    changes[last + 1] = (changes[last + 1] ?? 0) - bytes;
  }
  let sum = 0;
  return changes.reduce((most, change) => Math.max(most, (sum += change)), 0);
}

/** Each block into the smallest gap of the first arena that has room for it. */
function placeInOrder(blocks: readonly Block[], largestArena: number): PlacedBlock[] {
  // Each in the order of their offsets.
  const arenas: PlacedBlock[][] = [];
  for (const block of blocks) {
    let arena = 0;
    let offset = 0;
    for (; arena < arenas.length; arena++) {
      offset = smallestGap(arenas[arena] ?? [], block);
      if (offset + block.bytes <= largestArena) break;
    }
    if (arena === arenas.length) offset = 0;
    const placed = (arenas[arena] ??= []);
    const at = placed.findIndex((other) => other.offset > offset);
    placed.splice(at < 0 ? placed.length : at, 0, { ...block, arena, offset });
  }
  return arenas.flat();
}

/** Between blocks that are live with this one, the smallest gap that holds it, else behind them. */
function smallestGap(placed: readonly PlacedBlock[], { first, last, bytes }: Block): number {
  let end = 0;
  let offset: number | undefined;
  let smallest = Infinity;
  for (const other of placed) {
    if (other.first > last || other.last < first) continue;
    const gap = other.offset - end;
    if (gap >= bytes && gap < smallest) [offset, smallest] = [end, gap];
    end = Math.max(end, other.offset + other.bytes);
  }
  return offset ?? end;
}

/**
 * States one after another in buffers for each type, of at most `largestBuffer` bytes (more where a state alone is
 * larger); bytes and orders (data sets) in buffers of their own.
 */
export function placeStates(
  states: readonly StateTensor[],
  largestBuffer: number,
): {
  places: Map<string, Placement>;
  buffers: { name: string; bytes: number }[];
} {
  const places = new Map<string, Placement>();
  const buffers: { name: string; bytes: number }[] = [];
  const current = new Map<string, number>();
  for (const state of states) {
    const bytes = byteLength(state);
    const isData = state.type === "u8" || state.name.endsWith(".order");
    const name = isData ? state.name : state.type === "f32" ? "state" : "counters";
    let buffer = current.get(name) ?? -1;
    let shared = buffers[buffer];
    if (!shared || shared.bytes + bytes > largestBuffer) {
      shared = { name: numbered(name, buffers.filter((other) => other.name.startsWith(name)).length), bytes: 0 };
      buffer = buffers.push(shared) - 1;
      current.set(name, buffer);
    }
    places.set(state.name, { buffer, offset: shared.bytes, bytes });
    shared.bytes += bytes;
  }
  return { places, buffers };
}

/** `workspace`, `workspace 1`, … */
export function numbered(name: string, number: number): string {
  return number === 0 ? name : `${name} ${number}`;
}
