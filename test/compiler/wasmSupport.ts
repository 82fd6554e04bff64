/** Runs printed WebAssembly kernels in this thread: each binding with slack around it, as devices place them. */
import type { LoopNest } from "../../compiler/nest/loopNest.ts";
import type { NestBuffer } from "../../compiler/nest/nestMemory.ts";
import type { WasmEngine } from "../../compiler/target.ts";
import { prepareEngine } from "../../runtime/device/cpu/engine.ts";
import { compiles } from "../../runtime/device/cpu/probe.ts";
import { pageBytes, type WasmMemory, webAssembly } from "../../runtime/device/cpu/webAssembly.ts";
import { lowestAddress, printWasmModule } from "../../compiler/print/wasm/printWasm.ts";

prepareEngine();

const slack = 64;
/** What lies around buffers: a NaN that tests would notice, and that must stay. */
const filler = 0xffc0ffee;

interface Layout {
  readonly bindings: number;
  readonly scratch: number;
  readonly addresses: readonly number[];
  readonly bytes: number;
}

function layOut(arrays: readonly NestBuffer[], scratchBytes: number): Layout {
  let bytes = lowestAddress;
  const take = (length: number): number => {
    const address = bytes + slack;
    bytes = Math.ceil((address + length + slack) / 64) * 64;
    return address;
  };
  const bindings = take(4 * arrays.length);
  const scratch = take(scratchBytes);
  const addresses = arrays.map(({ byteLength }) => take(byteLength));
  return { bindings, scratch, addresses, bytes };
}

/** An instance of the nest's module over `buffers`; `read` copies the results back. */
export async function instantiateNest(
  nest: LoopNest,
  buffers: Record<string, NestBuffer>,
  engine: WasmEngine,
): Promise<{ run: () => void; read: () => void; memory: WasmMemory }> {
  const { modules, kernels, tableLength, scratchBytes } = printWasmModule([nest], engine);
  const module = modules[0] ?? new Uint8Array();
  const arrays = nest.bindings.map(({ name }) => {
    const array = buffers[name];
    if (!array) throw new Error(`no buffer ${name}`);
    return array;
  });
  const layout = layOut(arrays, scratchBytes);
  const pages = Math.ceil(layout.bytes / pageBytes);
  const memory = new webAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  new Uint32Array(memory.buffer).fill(filler);
  new Uint32Array(memory.buffer, layout.bindings).set(layout.addresses);
  arrays.forEach((array, i) => {
    const address = layout.addresses[i] ?? 0;
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    new Uint8Array(memory.buffer, address, array.byteLength).set(bytes);
  });
  const table = new webAssembly.Table({ element: "anyfunc", initial: tableLength });
  new webAssembly.Instance(await webAssembly.compile(module), { env: { memory, kernels: table } });
  const kernel = table.get(kernels[0] ?? 0) as (workgroup: number, bindings: number, scratch: number) => void;
  return {
    memory,
    run: () => {
      for (let workgroup = 0; workgroup < nest.workgroups; workgroup++)
        kernel(workgroup, layout.bindings, layout.scratch);
    },
    read: () =>
      arrays.forEach((array, i) => {
        const from = layout.addresses[i] ?? 0;
        const bytes = new Uint8Array(memory.buffer, from, array.byteLength);
        new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(bytes);
        const around = new Uint8Array(memory.buffer, from - slack, slack);
        const expected = new Uint8Array(Uint32Array.of(filler).buffer);
        if (around.some((value, at) => value !== expected[at % 4])) throw new Error(`something wrote before ${i}`);
      }),
  };
}

/** Runs a nest; the buffers are changed in place. */
export async function runNest(nest: LoopNest, buffers: Record<string, NestBuffer>, engine: WasmEngine): Promise<void> {
  const { run, read } = await instantiateNest(nest, buffers, engine);
  run();
  read();
}

/** What code is printed for: engines with and without relaxed SIMD, engines that keep its order and others. */
export const engines: readonly WasmEngine[] = [true, false]
  .filter((relaxedSimd) => !relaxedSimd || hasRelaxedSimd())
  .flatMap((relaxedSimd) => [{ relaxedSimd }, { relaxedSimd, keepsOrder: true }]);

/** True where the engine compiles relaxed SIMD. */
export function hasRelaxedSimd(): boolean {
  return compiles({ relaxedSimd: true });
}
