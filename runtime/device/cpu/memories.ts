/**
 * Memories for sessions, used again when a session is closed: an engine has room for few of them at a time.
 */
import { CpuError } from "./cpuError.ts";
import { pageBytes, type WasmMemory, webAssembly } from "./webAssembly.ts";

export interface MemoryPool {
  /** Zeroed memory of at least so many bytes. Throws a `CpuError` (`out-of-memory`). */
  take(bytes: number): WasmMemory;
  give(memory: WasmMemory): void;
}

/** Nearly 4 GiB, which 32-bit addresses end at: what a memory may grow to; only what is in use takes room. */
export const mostPages = 65535;

/** `shared`: for threads. */
export function createMemoryPool(shared: boolean): MemoryPool {
  const free: WasmMemory[] = [];
  const make = (pages: number): WasmMemory => {
    const used = free.pop();
    if (!used) return new webAssembly.Memory({ initial: pages, maximum: mostPages, shared });
    new Uint8Array(used.buffer).fill(0);
    const missing = pages - used.buffer.byteLength / pageBytes;
    if (missing > 0) used.grow(missing);
    return used;
  };
  return {
    take(bytes) {
      const pages = Math.ceil(bytes / pageBytes);
      try {
        return make(pages);
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
