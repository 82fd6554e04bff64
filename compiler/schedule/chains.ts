/**
 * Which kernels run one after another in one dispatch, chunk by chunk: what one leaves is still in the cache when the
 * next one reads it, threads meet less often, and what only the chain reads needs no memory of its own.
 *
 * In: kernels in an order in which they may run. Out: chains in order, each cut into chunks along the first axis of all
 * its kernels. What holds: a kernel of a chain reads of what the chain writes only what was written in its own chunk;
 * whatever else a kernel needs is written by an earlier chain. A chain of one chunk takes small kernels of any kind.
 */
import { type Kernel, resolveStorage, storageLength, type StoredTensor } from "../fusion/kernel.ts";
import { readsOf } from "../fusion/group.ts";
import { size } from "../graph/graph.ts";
import { add, index, multiply, subtract, substitute, variable } from "../nest/integer.ts";
import { type Access, analyse } from "./analysis.ts";
import { axisName } from "./schedule.ts";
import { symbolicKernel } from "./symbolic.ts";
import { depends, type MemoryRange, type MemoryUse, meet } from "./sideBySide.ts";

type Tensors = ReadonlyMap<number, StoredTensor>;

export interface Chain {
  /** Numbers of kernels. */
  readonly kernels: readonly number[];
  /** Into how many parts the first axis is cut; undefined for a single kernel, whose schedule is free. */
  readonly chunks: number | undefined;
}

export interface Member {
  readonly number: number;
  readonly kernel: Kernel;
  readonly use: MemoryUse;
  readonly accesses: readonly Access[];
  /** What it reads as indices. */
  readonly indices: readonly MemoryRange[];
  readonly isSmall: boolean;
}

/** Chunks that keep threads evenly busy. */
const leastChunks = 8;
const wantedChunks = 16;
/** Element steps below which a kernel is not worth sharing. */
const smallWork = 16384;
/** How far a chain looks ahead, and how many kernels it may leave behind. */
const mostAhead = 160;
const mostLeft = 48;
/** Elements that all kernels of a chain may write in a chunk. */
const mostChunkElements = 1 << 19;

/** Elements times steps of the reduction, with the work that outputs take. */
function elementSteps({ domain, extents, accumulators }: Kernel, outputOperations: number): number {
  return size(domain) * (size(extents) * Math.max(1, accumulators.length) + outputOperations / 8);
}

function rangeOf(tensors: Tensors, id: number): MemoryRange {
  const { tensor, offset } = resolveStorage(tensors, id);
  const memory = tensor.storage.kind === "state" ? tensor.storage.state : String(tensor.id);
  return { memory, start: offset, end: offset + storageLength(tensors.get(id) ?? tensor) };
}

function memberOf(kernel: Kernel, number: number, tensors: Tensors): Member {
  const { accesses, outputOperations } = analyse(kernel, tensors);
  const loads = accesses.filter(({ kind }) => kind !== "store");
  const asIndices = new Set<number>();
  const { bodies, outputs } = symbolicKernel(kernel);
  for (const value of [...bodies, ...outputs])
    readsOf(value, (tensor, _, asIndex) => {
      if (asIndex) asIndices.add(tensor);
    });
  const read = new Set([...loads.map(({ tensor }) => tensor), ...asIndices]);
  const reads = [...read].map((tensor) => rangeOf(tensors, tensor));
  const writes = kernel.outputs.map(({ tensor }) => rangeOf(tensors, tensor));
  return {
    number,
    kernel,
    use: { reads, writes, accesses: accesses.length, steps: 0 },
    accesses: loads,
    indices: [...asIndices].map((tensor) => rangeOf(tensors, tensor)),
    isSmall: elementSteps(kernel, outputOperations) < smallWork,
  };
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/** The tensor of which another is only another shape, with the same first axis. */
function sourceOf(id: number, tensors: Tensors): number {
  const tensor = tensors.get(id);
  if (tensor?.storage.kind !== "alias" || tensor.storage.offset !== 0) return id;
  const source = tensors.get(tensor.storage.of);
  return source?.shape[0] === tensor.shape[0] ? sourceOf(tensor.storage.of, tensors) : id;
}

/** Whether an access, made in some chunk of its kernel, stays in the same chunk of the tensor. */
function isLocal({ coordinates, tensor }: Access, extent: number, chunks: number, tensors: Tensors): boolean {
  const [first] = coordinates;
  const rows = tensors.get(tensor)?.shape[0] ?? 1;
  if (!first || rows % chunks !== 0) return false;
  const [perKernel, perTensor] = [extent / chunks, rows / chunks];
  const chunk = index(variable("chunk", chunks));
  const inside = index(variable("inside", perKernel));
  const leading = axisName.domain(0);
  const at = substitute(first, (name) => (name === leading ? add(multiply(chunk, perKernel), inside) : undefined));
  const local = subtract(at, multiply(chunk, perTensor));
  return local.minimum >= 0 && local.maximum < perTensor;
}

export interface Growing {
  readonly members: readonly Member[];
  /** Into how many it can be cut; 1: only one workgroup may run it. */
  readonly chunks: number;
}

/** Which kernels a chain takes, and into how many chunks it is cut in the end. */
export interface ChainRule {
  readonly start: (seed: Member) => number;
  /** The chunks with which the kernel may join, or 0. */
  readonly join: (chain: Growing, member: Member) => number;
  readonly finish: (chain: Growing) => number;
}

/** Elements that a chain writes. */
function written({ members }: Growing): number {
  return members.reduce((sum, { kernel }) => sum + size(kernel.domain) * kernel.outputs.length, 0);
}

/** Whether a kernel writes what another reads as indices: those are taken for the same all through a nest. */
function givesIndexTo(writer: Member, reader: Member): boolean {
  return meet(writer.use.writes, reader.indices);
}

/** Whether one workgroup may run the kernel after those of the chain. */
export function mayFollow({ members }: Growing, member: Member): boolean {
  return !members.some((other) => givesIndexTo(other, member) || givesIndexTo(member, other));
}

/** Into how many chunks chain and kernel can be cut so that each reads only what its own chunk wrote; 0: into none. */
export function sharedChunks({ members, chunks: before }: Growing, member: Member, tensors: Tensors): number {
  const extent = member.kernel.domain[0] ?? 1;
  const chunks = greatestDivisor(before, extent);
  if (chunks < leastChunks || member.kernel.inPlace) return 0;
  const writes = members.flatMap(({ use }) => use.writes);
  const touched = members.flatMap(({ use }) => [...use.reads, ...use.writes]);
  if (meet(member.use.writes, touched)) return 0;
  const outputs = new Set(members.flatMap(({ kernel }) => kernel.outputs.map(({ tensor }) => tensor)));
  const isFine = member.accesses.every((access) => {
    if (!meet([rangeOf(tensors, access.tensor)], writes)) return true;
    return outputs.has(sourceOf(access.tensor, tensors)) && isLocal(access, extent, chunks, tensors);
  });
  return isFine ? chunks : 0;
}

/** Chains whose chunks stay in a core's cache; small kernels in one chunk, by one thread. */
function cacheRule(tensors: Tensors): ChainRule {
  return {
    start: ({ isSmall, kernel }) => (isSmall ? 1 : (kernel.domain[0] ?? 1)),
    join(chain, member) {
      if (!mayFollow(chain, member)) return 0;
      if (chain.members[0]?.isSmall) return member.isSmall ? 1 : 0;
      const chunks = sharedChunks(chain, member, tensors);
      // Larger chunks must still fit the cache.
      return chunks < chain.chunks && written(chain) / chunks > mostChunkElements ? 0 : chunks;
    },
    finish: fewestChunks,
  };
}

/** What one pass over the open kernels found: the chain, and what must run before it. */
interface Found {
  readonly before: readonly Member[];
  readonly chain: Growing;
}

/**
 * Grows a chain from the first kernel: each later one joins, or waits (it needs the chain or another that waits), or is
 * free, and runs before the chain if a kernel that joins needs it.
 */
function grow(open: readonly Member[], rule: ChainRule): Found {
  const [seed, ...others] = open;
  if (!seed) throw new Error("no kernel is open");
  let chain: Growing = { members: [seed], chunks: rule.start(seed) };
  const before: Member[] = [];
  const waiting: Member[] = [];
  let free: Member[] = [];
  for (const member of others.slice(0, mostAhead)) {
    if (waiting.length + free.length >= mostLeft) break;
    if (waiting.some(({ use }) => depends(member.use, use))) {
      waiting.push(member);
      continue;
    }
    const chunks = rule.join(chain, member);
    if (chunks > 0) {
      const needed = neededOf(member, free);
      before.push(...needed);
      free = free.filter((other) => !needed.includes(other));
      chain = { members: [...chain.members, member], chunks };
    } else if (chain.members.some(({ use }) => depends(member.use, use))) waiting.push(member);
    else free.push(member);
  }
  return { before, chain: { ...chain, members: withoutEarly(chain.members) } };
}

/** Without what is computed again and not needed in the chain: it would have to be kept. */
function withoutEarly(members: readonly Member[]): readonly Member[] {
  const kept: Member[] = [];
  for (const [i, member] of [...members.entries()].toReversed()) {
    const isLate = member.kernel.origins.some(({ again }) => again);
    if (i === 0 || !isLate || kept.some(({ use }) => depends(use, member.use))) kept.unshift(member);
  }
  return kept;
}

/** Those of the free kernels that a kernel depends on, directly or not, in their order. */
function neededOf(member: Member, free: readonly Member[]): Member[] {
  const needed = new Set<Member>();
  for (const other of free.toReversed())
    if ([member, ...needed].some(({ use }) => depends(use, other.use))) needed.add(other);
  return free.filter((other) => needed.has(other));
}

export function planChains(kernels: readonly Kernel[], tensors: Tensors): Generator<undefined, Chain[]> {
  return planByRule(kernels, tensors, cacheRule(tensors));
}

/** Chain by chain: to weigh them takes time, in which the caller may do something else. */
export function planByRule(
  kernels: readonly Kernel[],
  tensors: Tensors,
  rule: ChainRule,
): Generator<undefined, Chain[]> {
  return planMembers(
    kernels.map((kernel, number) => memberOf(kernel, number, tensors)),
    rule,
  );
}

function* planMembers(members: readonly Member[], rule: ChainRule): Generator<undefined, Chain[]> {
  let open = members;
  const chains: Chain[] = [];
  while (open.length > 0) {
    const { before, chain } = grow(open, rule);
    yield;
    chains.push(...(yield* planMembers(before, rule)));
    const chunks = chain.members.length === 1 ? undefined : rule.finish(chain);
    chains.push({ kernels: chain.members.map(({ number }) => number), chunks });
    const taken = new Set([...before, ...chain.members]);
    open = open.filter((member) => !taken.has(member));
  }
  return chains;
}

/** Large chunks give kernels more to tile over, as long as what they write stays in the cache. */
function fewestChunks(chain: Growing): number {
  const most = chain.chunks;
  for (let chunks = Math.min(wantedChunks, most); chunks < most; chunks++)
    if (most % chunks === 0 && written(chain) / chunks <= mostChunkElements / 4) return chunks;
  return most;
}

/** Bytes of a chunk that a tensor may have to lie in scratch. */
const largestScratch = 1 << 22;

/** Temporaries that a chain writes and that nothing else reads: each chunk's part of them lies in scratch. */
export function scratchTensors(
  chains: readonly Chain[],
  kernels: readonly Kernel[],
  tensors: Tensors,
): Map<number, StoredTensor> {
  const viewed = new Set(
    [...tensors.values()].flatMap(({ storage }) => (storage.kind === "alias" ? [storage.of] : [])),
  );
  /** The chains that touch each tensor. */
  const users = new Map<number, Set<Chain>>();
  for (const chain of chains)
    for (const i of chain.kernels)
      for (const { tensor } of kernels[i] ? analyse(kernels[i], tensors).accesses : [])
        users.set(tensor, (users.get(tensor) ?? new Set()).add(chain));
  const found = new Map<number, StoredTensor>();
  for (const { kernels: members, chunks = 1 } of chains)
    for (const { tensor: id } of members.flatMap((i) => (chunks === 1 ? [] : (kernels[i]?.outputs ?? [])))) {
      const tensor = tensors.get(id);
      const isOwn = tensor?.storage.kind === "temporary" && !viewed.has(id) && users.get(id)?.size === 1;
      if (!tensor || !isOwn || tensor.type !== "f32") continue;
      if ((4 * storageLength(tensor)) / chunks <= largestScratch)
        found.set(id, { ...tensor, storage: { kind: "scratch", chunks } });
    }
  return found;
}
