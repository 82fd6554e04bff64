/**
 * Chains for GPUs: kernels that one workgroup may run one after another, where that is faster than a dispatch for each.
 *
 * In: kernels in an order in which they may run, and what they cost alone and in chunks. Out: chains in order. What holds:
 * as for all chains (`chains.ts`); besides, a chain binds no more tensors than the adapter has bindings, and no two parts
 * of one tensor that overlap.
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import {
  type Chain,
  type ChainRule,
  type Growing,
  mayFollow,
  type Member,
  planByRule,
  sharedChunks,
} from "./chains.ts";
import { type MemoryRange, meet } from "./sideBySide.ts";
import type { TextSize } from "./wgslAdapters.ts";
import type { Duration } from "./wgslCosts.ts";

type Tensors = ReadonlyMap<number, StoredTensor>;

/** Times, all in the same unit. */
export interface ChainCosts {
  /** What a dispatch costs besides its kernels. */
  readonly dispatch: number;
  /** A workgroup's wait for its lanes, for each chunk. */
  readonly barrier: number;
  /** Part by which kernels may take longer in chunks than the model says: long ones are not worth the risk. */
  readonly doubt: number;
  /** What compiling a text takes, as its share of one run. */
  readonly compilation: (text: TextSize) => number;
  /** A kernel alone, or cut into chunks that run one kernel after another. */
  readonly duration: (kernel: Kernel, chunks: number | undefined) => Duration;
  readonly mostBindings: number;
  /** Into how many chunks a chain may be cut, besides one. */
  readonly leastChunks: number;
  readonly mostChunks: number;
}

function rangesOf(members: readonly Member[]): MemoryRange[] {
  const ranges = new Map<string, MemoryRange>();
  for (const { use } of members)
    for (const range of [...use.reads, ...use.writes]) {
      const key = `${range.memory}+${range.start}`;
      const known = ranges.get(key);
      if (!known || known.end < range.end) ranges.set(key, range);
    }
  return [...ranges.values()];
}

function canBind(members: readonly Member[], most: number): boolean {
  const ranges = rangesOf(members);
  return ranges.length <= most && !ranges.some((range, i) => meet([range], ranges.slice(i + 1)));
}

interface Priced {
  readonly chunks: number;
  readonly cost: number;
}

function priceOf(members: readonly Member[], chunks: number | undefined, costs: ChainCosts): number {
  const parts = members.map(({ kernel }) => costs.duration(kernel, chunks));
  const text = { accesses: 0, operations: 0 };
  for (const part of parts) {
    text.accesses += part.text.accesses;
    text.operations += part.text.operations;
  }
  const barriers = (members.length - 1) * costs.barrier * (chunks ?? 1);
  const time = parts.reduce((sum, part) => sum + part.time, 0) * (chunks === undefined ? 1 : 1 + costs.doubt);
  return time + barriers + costs.compilation(text);
}

/** The best number of chunks: one, or the fewest that keep all cores busy, so that kernels have most to tile over. */
function bestOf({ members, chunks: most }: Growing, costs: ChainCosts): Priced {
  const { leastChunks, mostChunks } = costs;
  const several = Array.from({ length: mostChunks }, (_, i) => i + 1).find((c) => c >= leastChunks && most % c === 0);
  const possible = several === undefined ? [1] : [1, several];
  const priced = possible.map((chunks): Priced => ({ chunks, cost: priceOf(members, chunks, costs) }));
  return priced.reduce((a, b) => (b.cost < a.cost ? b : a));
}

function costOf(chain: Growing, costs: ChainCosts): number {
  return chain.members.length === 1 ? priceOf(chain.members, undefined, costs) : bestOf(chain, costs).cost;
}

/** Whether it runs alone for so long that no chain is worth the risk: no need to look for ways to cut it. */
export function isLong(kernel: Kernel, costs: ChainCosts): boolean {
  return costs.duration(kernel, undefined).time * costs.doubt > costs.dispatch;
}

function priceRule(tensors: Tensors, costs: ChainCosts): ChainRule {
  const isApart = ({ kernel }: Member): boolean => isLong(kernel, costs);
  return {
    start: ({ kernel }) => kernel.domain[0] ?? 1,
    join(chain, member) {
      const members = [...chain.members, member];
      if (members.some(isApart) || !mayFollow(chain, member) || !canBind(members, costs.mostBindings)) return 0;
      const apart = costOf(chain, costs) + priceOf([member], undefined, costs) + costs.dispatch;
      const ways = [sharedChunks(chain, member, tensors), 1].filter((chunks) => chunks > 0);
      return ways.find((chunks) => bestOf({ members, chunks }, costs).cost <= apart) ?? 0;
    },
    finish: (chain) => bestOf(chain, costs).chunks,
  };
}

export function planPricedChains(
  kernels: readonly Kernel[],
  tensors: Tensors,
  costs: ChainCosts,
): Generator<undefined, Chain[]> {
  return planByRule(kernels, tensors, priceRule(tensors, costs));
}
