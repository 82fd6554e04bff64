/** Targets that bring out different schedules: lanes of WebAssembly, one vector or two at a time; workgroups with and without subgroups; few bindings. */
import type { Target } from "../../compiler/target.ts";

const softwareGpu = {
  kind: "wgsl",
  subgroupSize: 8,
  maximumInvocations: 256,
  maximumScratchBytes: 16384,
  maximumBindings: 8,
  maximumBindingBytes: 1 << 27,
  software: true,
} as const satisfies Target;

export const targets = {
  wasm: { kind: "wasm", relaxedSimd: false },
  "an engine that joins vectors": { kind: "wasm", relaxedSimd: false, keepsOrder: true, joinsVectors: true },
  "a software GPU": softwareGpu,
  "a software GPU without subgroups": { ...softwareGpu, subgroupSize: 0 },
  "a GPU": { ...softwareGpu, subgroupSize: 32, maximumBindings: 10, software: false },
  "a small GPU without subgroups": { ...softwareGpu, subgroupSize: 0, maximumInvocations: 64, software: false },
} as const satisfies Record<string, Target>;
