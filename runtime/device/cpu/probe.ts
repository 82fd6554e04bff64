/**
 * Whether this JavaScript engine compiles what the printer makes.
 */
import { index, variable } from "../../../compiler/nest/integer.ts";
import { type Expression, laneName, type LoopNest } from "../../../compiler/nest/loopNest.ts";
import { printWasmModule, type WasmOptions } from "../../../compiler/print/wasm/printWasm.ts";
import { webAssembly } from "./webAssembly.ts";

/** One multiply-add in four lanes. */
function probe(): LoopNest {
  const lane = index(variable(laneName, 4));
  const x: Expression = { kind: "load", buffer: "x", index: lane };
  return {
    name: "probe",
    header: [],
    bindings: [{ name: "x", type: "f32", access: "readwrite", length: 4 }],
    scratch: [],
    workgroups: 1,
    lanes: 4,
    body: [{ kind: "store", buffer: "x", index: lane, value: { kind: "multiplyAdd", a: x, b: x, c: x } }],
  };
}

export function compiles(options: WasmOptions): boolean {
  return printWasmModule([probe()], options).modules.every((bytes) => webAssembly.validate(bytes));
}
