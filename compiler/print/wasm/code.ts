/** Kernels as WebAssembly: modules, and where each kernel is. */

/**
 * The code of a plan of target `wasm`. All modules import `memory` and the table `kernels` from `env`; each puts its
 * functions into the table. A kernel is a function (workgroup: i32, bindings: i32, scratch: i32), `bindings` pointing at the
 * i32 addresses of its bindings and `scratch` at `scratchBytes` of the calling thread's own memory.
 */
export interface WasmCode {
  readonly modules: readonly Uint8Array[];
  /** Places of the table that the modules fill. */
  readonly tableLength: number;
  /** Where in the table the plan's kernels are; equal ones are one. */
  readonly kernels: readonly number[];
  readonly scratchBytes: number;
  /** The modules import memory of one thread; not given: memory that threads share. */
  readonly unsharedMemory?: boolean;
}
