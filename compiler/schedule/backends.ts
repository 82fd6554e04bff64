/** What differs between targets before printing: costs, splits and default schedules, one entry for each target. */
import type { CostModel } from "../fusion/inline.ts";
import type { FusedGraph, Kernel, StoredTensor } from "../fusion/kernel.ts";
import { againRule } from "../rewrite/again.ts";
import { maskRule } from "../rewrite/masks.ts";
import { phaseRule } from "../rewrite/phases.ts";
import { firstOf, type RewriteRule } from "../rewrite/rewriteGraph.ts";
import { winogradRule } from "../rewrite/winograd.ts";
import type { Target } from "../target.ts";
import { type Chain, planChains } from "./chains.ts";
import { chainsForWgsl, longKernels } from "./wgslChains.ts";
import { padPlanes, padRows } from "./padRows.ts";
import type { Schedule } from "./schedule.ts";
import { scheduleForWasm, splitForWasm } from "./wasm.ts";
import { candidatesForWasm, mostCandidates } from "./wasmCandidates.ts";
import { expectedRunsOf } from "./wgslAdapters.ts";
import { candidatesForWgsl, scheduleForWgsl, splitForWgsl } from "./wgsl.ts";

export interface Backend<T extends Target = Target> {
  readonly costs: CostModel;
  /** What is replaced before fusion by something faster that computes the same: one rule after another, all through the graph. */
  readonly rewrites: readonly RewriteRule[];
  /** The target as seen by the kernels of one program. */
  readonly targetFor: (program: FusedGraph, target: T) => T;
  readonly split: (kernel: Kernel, target: T) => readonly number[];
  /** How tensors lie in memory. */
  readonly place: (tensors: ReadonlyMap<number, StoredTensor>) => ReadonlyMap<number, StoredTensor>;
  /** `chunks`: the first axis is cut into so many parts, and nothing else is shared out. */
  readonly schedule: (
    kernel: Kernel,
    tensors: ReadonlyMap<number, StoredTensor>,
    target: T,
    chunks?: number,
  ) => Schedule;
  /** Schedules worth measuring, the default one first, likely ones before others, all of them different. */
  readonly candidates: (
    kernel: Kernel,
    tensors: ReadonlyMap<number, StoredTensor>,
    target: T,
    chunks?: number,
  ) => readonly Schedule[];
  /** Which kernels run one after another in a dispatch. */
  readonly chain: (
    kernels: readonly Kernel[],
    tensors: ReadonlyMap<number, StoredTensor>,
    target: T,
  ) => Generator<undefined, readonly Chain[]>;
  /** Numbers of the kernels that will be dispatches of their own, whatever the chains are; nothing in other turns. */
  readonly apart: (
    kernels: readonly Kernel[],
    tensors: ReadonlyMap<number, StoredTensor>,
    target: T,
  ) => Iterable<number | undefined>;
  /** What only a chain reads lies in scratch. */
  readonly scratchInChains: boolean;
  /** Kernels of chains are functions of their own, which several chains call. */
  readonly callsInChains: boolean;
}

const backends: { readonly [K in Target["kind"]]: Backend<Extract<Target, { kind: K }>> } = {
  wasm: {
    costs: { read: 1, write: 1, operation: 0.1, transcendental: 4, kernel: 2000 },
    rewrites: [
      firstOf(
        winogradRule({ split: 14, join: 16, groupElements: 1 << 17, channelsFirst: false, inputGradient: "transpose" }),
        phaseRule,
      ),
      maskRule,
      // With a few small images, ResNet-20's step is 4 % faster if their tiles are kept.
      againRule(1 << 19),
    ],
    targetFor: (_, target) => target,
    split: splitForWasm,
    place: padPlanes,
    schedule: scheduleForWasm,
    candidates: candidatesForWasm,
    chain: planChains,
    apart: () => [],
    scratchInChains: true,
    callsInChains: true,
  },
  wgsl: {
    costs: { read: 1, write: 1, operation: 0.05, transcendental: 1, kernel: 8000 },
    rewrites: [
      firstOf(
        winogradRule({
          split: 48,
          join: 52,
          groupElements: Infinity,
          channelsFirst: true,
          inputGradient: "correlation",
        }),
        phaseRule,
      ),
    ],
    targetFor: (program, target) => ({ ...target, expectedRuns: expectedRunsOf(program) }),
    split: splitForWgsl,
    place: (tensors) => padPlanes(padRows(tensors)),
    schedule: scheduleForWgsl,
    candidates: (kernel, tensors, target, chunks) =>
      candidatesForWgsl(kernel, tensors, target, chunks)
        .slice(0, mostCandidates)
        .map(({ schedule }) => schedule),
    chain: chainsForWgsl,
    apart: longKernels,
    scratchInChains: false,
    callsInChains: false,
  },
};

export function backendFor(target: Target): Backend {
  // The entry is the one of the target's own kind.
  return backends[target.kind] as Backend;
}
