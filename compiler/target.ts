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
  | {
      readonly kind: "wasm";
      readonly relaxedSimd: boolean;
      /** Modules import memory of one thread; not given: memory that threads share. */
      readonly unsharedMemory?: boolean;
    };
