/**
 * Moving bytes inside of a memory that threads share: `memory.copy`, which takes a quarter of the time of the engine's own
 * `copyWithin` there (that one goes byte by byte, as others may be writing).
 */
import { createCode, encodeModule, op } from "../../../compiler/print/wasm/assembler.ts";
import { type WasmMemory, webAssembly } from "./webAssembly.ts";

/** Addresses and length in bytes; what is moved may overlap. */
export type Move = (to: number, from: number, length: number) => void;

export function createMover(memory: WasmMemory): Move {
  const code = createCode();
  for (const parameter of [0, 1, 2]) op(code, "local.get", parameter);
  op(code, "memory.copy", 0, 0);
  const type = { parameters: ["i32", "i32", "i32"], results: [] } as const;
  const functions = [{ type, locals: [], code }];
  const bytes = encodeModule({ sharedMemory: true, functions, table: { from: 0, count: 0 }, exports: { move: 0 } });
  const kernels = new webAssembly.Table({ element: "anyfunc", initial: 0 });
  const instance = new webAssembly.Instance(new webAssembly.Module(bytes), { env: { memory, kernels } });
  return instance.exports["move"] as Move;
}
