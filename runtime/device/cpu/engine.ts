/**
 * The JavaScript engine of Node.js: what it can do, and how to have it compile well from the start.
 *
 * In: nothing. Out: what it makes of SIMD. What holds: V8's flags are of the process, so threads started later have them too.
 */
import type { WasmEngine } from "../../../compiler/target.ts";
import { isForThisVersion, setV8Flags, type V8Flag, v8Version } from "../../v8Flags.ts";
import { CpuError } from "./cpuError.ts";
import { compiles, fusesMultiplyAdd } from "./probe.ts";

const flags: readonly V8Flag[] = [
  // All kernels go through the optimizing compiler at once: the baseline compiler's code runs at a fraction of the speed.
  { flag: "--no-liftoff" },
  { flag: "--no-wasm-lazy-compilation" },
  // Kernels are unrolled as far as registers go; the engine's own unrolling makes them spill, at half the speed.
  { flag: "--no-wasm-loop-unrolling" },
  // It guesses from what the baseline compiler has seen, and ends the process where that has seen nothing.
  { flag: "--no-wasm-deopt", since: 13 },
  { flag: "--experimental-wasm-relaxed-simd", until: 11 },
];

/** Joins vectors side by side, on x64 with AVX2. Later versions may do without the flag: they are to be tried first. */
const joining: V8Flag = { flag: "--experimental-wasm-revectorize", since: 13, until: 13 };

/** The first version whose compiler keeps the order of what it is given. */
const keepsOrderSince = 13;

let known: WasmEngine | undefined;

/** Sets the engine up and says what it has. Throws a `CpuError` (`no-simd`) where there is no WebAssembly SIMD at all. */
export function prepareEngine(): WasmEngine {
  if (known) return known;
  if (!compiles({ relaxedSimd: false }))
    throw new CpuError(
      "no-simd",
      "this JavaScript engine has no WebAssembly SIMD with shared memory",
      "Use Node.js 20.19 or later on a processor with SSE4.1 or NEON, or --device gpu.",
    );
  setV8Flags(flags);
  const relaxedSimd = compiles({ relaxedSimd: true });
  // Processors that fuse a multiplication with an addition have vectors of 256 bits.
  const joinsVectors = process.arch === "x64" && isForThisVersion(joining) && relaxedSimd && fusesMultiplyAdd();
  if (joinsVectors) setV8Flags([joining]);
  known = { relaxedSimd, keepsOrder: v8Version >= keepsOrderSince, joinsVectors };
  return known;
}
