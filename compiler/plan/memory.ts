/**
 * Memory: where every stored tensor lies.
 *
 * In: fused programs after scheduling (which kernel writes and reads what, in order) and the states. Out: a buffer and
 * a byte offset for each. What holds: two temporaries share bytes only if one is dead before the other is written.
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

interface Block {
  readonly offset: number;
  readonly bytes: number;
  readonly last: number;
}

/** Places temporaries by first fit, in the order of their first write; returns offsets and the arena's length. */
export function placeTemporaries(
  uses: readonly Use[],
  tensors: ReadonlyMap<number, StoredTensor>,
): { offsets: Map<number, number>; length: number } {
  const first = new Map<number, number>();
  const last = new Map<number, number>();
  uses.forEach(({ reads, writes }, at) => {
    for (const id of [...writes, ...reads]) {
      if (!first.has(id)) first.set(id, at);
      last.set(id, at);
    }
  });
  const offsets = new Map<number, number>();
  let live: Block[] = [];
  let length = 0;
  for (const [id, at] of first) {
    const tensor = tensors.get(id);
    if (!tensor || tensor.storage.kind !== "temporary") continue;
    live = live.filter((block) => block.last >= at).sort((a, b) => a.offset - b.offset);
    const bytes = byteLength(tensor);
    let offset = 0;
    for (const block of live) {
      if (block.offset - offset >= bytes) break;
      offset = Math.max(offset, block.offset + block.bytes);
    }
    live.push({ offset, bytes, last: last.get(id) ?? at });
    offsets.set(id, offset);
    length = Math.max(length, offset + bytes);
  }
  return { offsets, length };
}

/** States one after another in one buffer for each type; bytes and orders (data sets) in buffers of their own. */
export function placeStates(states: readonly StateTensor[]): {
  places: Map<string, Placement>;
  buffers: { name: string; bytes: number }[];
} {
  const places = new Map<string, Placement>();
  const buffers: { name: string; bytes: number }[] = [];
  for (const state of states) {
    const bytes = byteLength(state);
    const isData = state.type === "u8" || state.name.endsWith(".order");
    const name = isData ? state.name : state.type === "f32" ? "state" : "counters";
    const found = buffers.findIndex((buffer) => buffer.name === name);
    const buffer = found < 0 ? buffers.push({ name, bytes: 0 }) - 1 : found;
    const shared = buffers[buffer];
    if (!shared) continue;
    places.set(state.name, { buffer, offset: shared.bytes, bytes });
    shared.bytes += bytes;
  }
  return { places, buffers };
}
