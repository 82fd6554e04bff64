/** Kernels as WebAssembly: modules, and where in them each kernel is. */

export interface WasmKernelPlace {
  /** Number of the module. */
  readonly module: number;
  /** In the module's table. */
  readonly place: number;
}

/**
 * The code of a plan of target `wasm`. Each module imports `memory` from `env` and exports a table `kernels`. A kernel is a
 * function (workgroup: i32, bindings: i32, scratch: i32), `bindings` pointing at the i32 addresses of its bindings and
 * `scratch` at `scratchBytes` of the calling thread's own memory.
 */
export interface WasmCode {
  readonly modules: readonly Uint8Array[];
  /** Where the plan's kernels are; equal ones are one. */
  readonly kernels: readonly WasmKernelPlace[];
  readonly scratchBytes: number;
}
