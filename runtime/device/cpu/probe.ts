/**
 * What this JavaScript engine makes of what the printer prints: whether it compiles it, and how it computes.
 */
import { index, variable } from "../../../compiler/nest/integer.ts";
import { type Expression, laneName, type LoopNest } from "../../../compiler/nest/loopNest.ts";
import { printWasmModule, type WasmOptions } from "../../../compiler/print/wasm/printWasm.ts";
import { webAssembly } from "./webAssembly.ts";

/** `y = x·x + y` in four lanes. */
function probe(): LoopNest {
  const lane = index(variable(laneName, 4));
  const load = (buffer: string): Expression => ({ kind: "load", buffer, index: lane });
  const value: Expression = { kind: "multiplyAdd", a: load("x"), b: load("x"), c: load("y") };
  return {
    name: "probe",
    header: [],
    bindings: ["x", "y"].map((name) => ({ name, type: "f32", access: "readwrite", length: 4 })),
    scratch: [],
    workgroups: 1,
    lanes: 4,
    body: [{ kind: "store", buffer: "y", index: lane, value }],
  };
}

export function compiles(options: WasmOptions): boolean {
  return printWasmModule([probe()], options).modules.every((bytes) => webAssembly.validate(bytes));
}

/** Whether relaxed SIMD, which must be there, rounds `x·x + y` once: the processor then has an instruction for it. */
export function fusesMultiplyAdd(): boolean {
  const memory = new webAssembly.Memory({ initial: 1, maximum: 1, shared: false });
  const { modules, tableLength } = printWasmModule([probe()], { relaxedSimd: true, unsharedMemory: true });
  const kernels = new webAssembly.Table({ element: "anyfunc", initial: tableLength });
  for (const bytes of modules) new webAssembly.Instance(new webAssembly.Module(bytes), { env: { memory, kernels } });
  const places = { bindings: 0, x: 64, y: 128, scratch: 192 };
  new Int32Array(memory.buffer, places.bindings).set([places.x, places.y]);
  const y = new Float32Array(memory.buffer, places.y, 4);
  // (1 + 2^-12)² = 1 + 2^-11 + 2^-24: the last is lost where the product is rounded.
  new Float32Array(memory.buffer, places.x, 4).fill(1 + 2 ** -12);
  y.fill(-1 - 2 ** -11);
  (kernels.get(0) as (workgroup: number, bindings: number, scratch: number) => void)(
    0,
    places.bindings,
    places.scratch,
  );
  return y[0] === 2 ** -24;
}
