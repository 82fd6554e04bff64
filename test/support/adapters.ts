/**
 * Adapters that this project's authors do not have, as far as the compiler looks at them (`targetOf`): limits as drivers report
 * them to WebGPU, and the size of subgroups where it is one and the same for all.
 */
import type { Target } from "../../compiler/target.ts";

type GpuTarget = Extract<Target, { kind: "wgsl" }>;

/** The default limits of the specification, no optional feature. */
const defaults: GpuTarget = {
  kind: "wgsl",
  subgroupSize: 0,
  maximumInvocations: 256,
  maximumScratchBytes: 16384,
  maximumBindings: 8,
  maximumBindingBytes: 1 << 27,
  software: false,
};

const large = { ...defaults, maximumInvocations: 1024, maximumScratchBytes: 32768, maximumBindingBytes: 2 ** 31 - 4 };

export const adapters = {
  "WebGPU's default limits": defaults,
  "integrated, subgroups of 8 to 32 (Intel)": { ...large, maximumBindings: 10, maximumBindingBytes: 2 ** 30 },
  "integrated, subgroups of 16 (Mali)": { ...large, subgroupSize: 16, maximumInvocations: 512 },
  "integrated, subgroups of 32 (Apple)": { ...large, subgroupSize: 32, maximumBindings: 10 },
  "discrete, subgroups of 32 (NVIDIA)": { ...large, subgroupSize: 32, maximumScratchBytes: 49152, maximumBindings: 16 },
  "discrete, subgroups of 64 (AMD GCN)": { ...large, subgroupSize: 64, maximumBindings: 16 },
  "discrete, subgroups of 32 or 64 (AMD RDNA)": { ...large, maximumBindings: 16 },
} as const satisfies Record<string, GpuTarget>;
