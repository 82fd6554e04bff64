/**
 * Targets to compile for where no device is looked at.
 */
import type { Target } from "../compiler/target.ts";
import type { TargetName } from "./commands/compile.ts";

export const defaultTargets: Record<TargetName, Target> = {
  /** What every WebGPU adapter has: the default limits of the specification, no optional feature. */
  wgsl: {
    kind: "wgsl",
    subgroupSize: 0,
    maximumInvocations: 256,
    maximumScratchBytes: 16384,
    maximumBindings: 8,
    maximumBindingBytes: 134217728,
    software: false,
  },
  wasm: { kind: "wasm", relaxedSimd: false },
};
