/**
 * Memories for sessions, used again when a session is closed: an engine has room for few of them at a time.
 *
 * What a session will be given can lie in its memory before the session is there (`roomFor`): a data set is read from its files
 * to where kernels read it. Such a memory is used once, as others may look at what lies there.
 */
import type { Room, RoomFor } from "../../room.ts";
import type { GivenBuffers } from "../device.ts";
import { CpuError } from "./cpuError.ts";
import { createMover } from "./mover.ts";
import { pageBytes, type WasmMemory, webAssembly } from "./webAssembly.ts";

export interface MemoryPool {
  /** Room in the memory of a session that is yet to be opened. */
  readonly roomFor: RoomFor;
  /** The buffer whose bytes lie at the start of the room, if there is one. */
  placed(given: GivenBuffers): Placed | undefined;
  /**
   * Memory of at least so many bytes: the one with the room, where something is placed there, zero behind it; else all zero. Throws a
   * `CpuError` (`out-of-memory`).
   */
  take(bytes: number, placed?: Placed): WasmMemory;
  give(memory: WasmMemory): void;
}

/** A buffer that lies in memory before its session is opened. */
export interface Placed {
  readonly buffer: number;
  readonly bytes: Uint8Array;
  readonly address: number;
  /** From here on all is free. */
  readonly end: number;
}

/** Above the addresses that kernels leave free. */
const roomAddress = pageBytes;

/** Nearly 4 GiB, which 32-bit addresses end at: what a memory may grow to; only what is in use takes room. */
export const mostPages = 65535;

const pagesOf = (bytes: number): number => Math.ceil(bytes / pageBytes);

function roomIn(memory: WasmMemory, length: number): Room {
  const move = createMover(memory);
  return {
    bytes: new Uint8Array(memory.buffer, roomAddress, length),
    copyWithin: (target, start, end) => move(roomAddress + target, roomAddress + start, end - start),
  };
}

/** `shared`: for threads. */
export function createMemoryPool(shared: boolean): MemoryPool {
  const free: WasmMemory[] = [];
  let roomy: { readonly memory: WasmMemory; readonly room: Room } | undefined;
  const make = (pages: number): WasmMemory => new webAssembly.Memory({ initial: pages, maximum: mostPages, shared });
  const cleared = (used: WasmMemory | undefined): WasmMemory | undefined => {
    if (used) new Uint8Array(used.buffer).fill(0);
    return used;
  };
  const takeRoomy = (): WasmMemory | undefined => {
    const taken = roomy?.memory;
    roomy = undefined;
    return taken;
  };
  const find = (pages: number, placed: Placed | undefined): WasmMemory => {
    const found = placed ? takeRoomy() : cleared(free.pop());
    if (!found) return make(pages);
    const missing = pages - found.buffer.byteLength / pageBytes;
    if (missing > 0) found.grow(missing);
    return found;
  };
  return {
    roomFor(length) {
      // Memory that is not shared moves when it grows.
      if (!shared || roomy) return undefined;
      try {
        const memory = make(pagesOf(roomAddress + length));
        roomy = { memory, room: roomIn(memory, length) };
        return roomy.room;
      } catch {
        // Whether it is too much is said when all of it is asked for.
        return undefined;
      }
    },
    placed(given) {
      for (const [buffer, bytes] of given)
        if (roomy && bytes.buffer === roomy.room.bytes.buffer && bytes.byteOffset === roomAddress)
          return { buffer, bytes, address: roomAddress, end: roomAddress + roomy.room.bytes.length };
      return undefined;
    },
    take(bytes, placed) {
      try {
        return find(pagesOf(bytes), placed);
      } catch {
        throw new CpuError(
          "out-of-memory",
          `there are no ${Math.ceil(bytes / 2 ** 20)} MiB of memory left for the program`,
          "Use a smaller batch, or close other programs.",
        );
      }
    },
    give: (memory) => void free.push(memory),
  };
}
