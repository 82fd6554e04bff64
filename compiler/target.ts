/** What a JavaScript engine makes of WebAssembly SIMD. */
export interface WasmEngine {
  /** It has relaxed SIMD: a multiplication and an addition are one instruction. */
  readonly relaxedSimd: boolean;
  /** It keeps code in the order in which it is written, as V8 does since version 13; not given: fences must keep it. */
  readonly keepsOrder?: boolean;
  /** It does what is done alike to two vectors side by side in one instruction of 256 bits; only with `keepsOrder`. */
  readonly joinsVectors?: boolean;
}

/** What the compiler must know about the device to schedule and print for it. */
export type Target =
  | {
      readonly kind: "wgsl";
      /** The one size that all subgroups have, if the adapter has subgroups of a fixed size; else 0. */
      readonly subgroupSize: number;
      readonly maximumInvocations: number;
      readonly maximumScratchBytes: number;
      readonly maximumBindings: number;
      readonly maximumBindingBytes: number;
      /** A software adapter: few cores and dear loads, instead of many threads. */
      readonly software: boolean;
      /** How often the program will probably run: what a schedule that is faster and takes longer to compile may cost. */
      readonly expectedRuns?: number;
    }
  | ({
      readonly kind: "wasm";
      /** Modules import memory of one thread; not given: memory that threads share. */
      readonly unsharedMemory?: boolean;
    } & WasmEngine);
