/**
 * The JavaScript engine of Node.js: what it can do, and how to have it compile well from the start.
 *
 * In: nothing. Out: whether relaxed SIMD is there. What holds: V8's flags are of the process, so threads started later have
 * them too.
 */
import { setFlagsFromString } from "node:v8";
import { CpuError } from "./cpuError.ts";
import { compiles } from "./probe.ts";

let known: { readonly relaxedSimd: boolean } | undefined;

/** Sets the engine up and says what it has. Throws a `CpuError` (`no-simd`) where there is no WebAssembly SIMD at all. */
export function prepareEngine(): { readonly relaxedSimd: boolean } {
  if (known) return known;
  if (!compiles({ relaxedSimd: false }))
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
  let relaxedSimd = compiles({ relaxedSimd: true });
  if (!relaxedSimd) {
    // Node.js 20 has relaxed SIMD behind a flag.
    setFlagsFromString("--experimental-wasm-relaxed-simd");
    relaxedSimd = compiles({ relaxedSimd: true });
  }
  known = { relaxedSimd };
  return known;
}
