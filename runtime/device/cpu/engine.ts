/**
 * The JavaScript engine's WebAssembly: what it can do, and how to have it compile well from the start.
 *
 * In: nothing. Out: whether relaxed SIMD is there. What holds: V8's flags are of the process, so threads started later have
 * them too.
 */
import { setFlagsFromString } from "node:v8";
import { index, variable } from "../../../compiler/nest/integer.ts";
import { type Expression, laneName, type LoopNest } from "../../../compiler/nest/loopNest.ts";
import { printWasmModule } from "../../../compiler/print/wasm/printWasm.ts";
import { CpuError } from "./cpuError.ts";
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

function compiles(relaxedSimd: boolean): boolean {
  const { modules } = printWasmModule([probe()], { relaxedSimd });
  return modules.every((bytes) => webAssembly.validate(bytes));
}

let known: { readonly relaxedSimd: boolean } | undefined;

/** Sets the engine up and says what it has. Throws a `CpuError` (`no-simd`) where there is no WebAssembly SIMD at all. */
export function prepareEngine(): { readonly relaxedSimd: boolean } {
  if (known) return known;
  if (!compiles(false))
    throw new CpuError(
      "no-simd",
      "this JavaScript engine has no WebAssembly SIMD with shared memory",
      "Use Node.js 20.19 or later on a processor with SSE4.1 or NEON, or --device gpu.",
    );
  // All kernels go through the optimizing compiler at once: the baseline compiler's code runs at a fraction of the speed.
  setFlagsFromString("--no-liftoff");
  setFlagsFromString("--no-wasm-lazy-compilation");
  // Kernels are unrolled as far as registers go; the engine's own unrolling makes them spill, at half the speed.
  setFlagsFromString("--no-wasm-loop-unrolling");
  let relaxedSimd = compiles(true);
  if (!relaxedSimd) {
    // Node.js 20 has relaxed SIMD behind a flag.
    setFlagsFromString("--experimental-wasm-relaxed-simd");
    relaxedSimd = compiles(true);
  }
  known = { relaxedSimd };
  return known;
}
