/**
 * From kernels to dispatches: splits, chains, schedules and loop nests of one program.
 *
 * In: a fused program, a target, chosen schedules if there are any. Out: dispatches in their order, each with its loop nest.
 */
import { type FusedGraph, type Kernel, resolveStorage, type StoredTensor } from "./fusion/kernel.ts";
import { splitReduction } from "./fusion/split.ts";
import { size } from "./graph/graph.ts";
import type { LoweringInput } from "./lower/lowering.ts";
import type { ScheduledKernel, ScheduledDispatch, ScheduledProgram } from "./lower/scheduled.ts";
import { noSharing, type Sharing } from "./lower/sharing.ts";
import {
  callChained,
  lowerChained,
  type LoweredKernel,
  lowerKernel,
  lowerMember,
  lowerTogether,
} from "./lower/lowerKernel.ts";
import type { LoopNest } from "./nest/loopNest.ts";
import { countAccesses } from "./nest/countAccesses.ts";
import { chainName, kernelHeader, kernelName, togetherHeader, togetherName, withReads } from "./plan/names.ts";
import type { Use } from "./plan/memory.ts";
import type { Schedule } from "./schedule/schedule.ts";
import { isContraction } from "./schedule/analysis.ts";
import { backendFor } from "./schedule/backends.ts";
import { scratchTensors } from "./schedule/chains.ts";
import { kernelKey } from "./schedule/kernelKey.ts";
import { isLegal, type Subject } from "./lower/legalSchedule.ts";
import { groupSideBySide, type MemoryRange, type MemoryUse, standsAlone } from "./schedule/sideBySide.ts";
import type { Target } from "./target.ts";
import { drain } from "./turns.ts";

export interface ScheduleOptions {
  /** On: kernels of a chain are dispatches of their own, cut as in the chain, so that each can be timed. */
  readonly separate?: boolean;
  /** Schedules by the keys of kernels (`kernelKey`) that take the place of the default ones, where they are legal. */
  readonly schedules?: ReadonlyMap<string, Schedule>;
}

type ProgramOptions = ScheduleOptions & { readonly sharing?: Sharing };

/** Splits, schedules and lowers every kernel of a program. */
export function scheduleProgram(program: FusedGraph, target: Target, options: ProgramOptions = {}): ScheduledProgram {
  return drain(scheduleByTurns(program, target, options));
}

/** The same; yields the nest of each dispatch as soon as it is known (of some twice), and nothing in other turns. */
export function* scheduleByTurns(
  program: FusedGraph,
  device: Target,
  { separate = false, schedules, sharing = noSharing }: ProgramOptions,
): Generator<LoopNest | undefined, ScheduledProgram> {
  const backend = backendFor(device);
  const target = backend.targetFor(program, device);
  const stored = new Map(program.tensors);
  let fresh = Math.max(0, ...stored.keys());
  const kernels = program.kernels.flatMap((kernel) => {
    const parts = kernel.accumulators.length > 0 ? backend.split(kernel, target) : [];
    if (parts.every((count) => count === 1)) return [kernel];
    const { first, second, partials } = splitReduction(kernel, parts, () => ++fresh);
    for (const partial of partials) stored.set(partial.id, partial);
    return [first, second];
  });
  const tensors = backend.place(stored);
  const inputOf = (number: number, chunks: number | undefined, placed: Tensors): Input[] => {
    const kernel = kernels[number];
    if (!kernel) return [];
    const given = schedules && givenSchedule(schedules, { kernel, tensors, target, chunks });
    const makeDefault = (): Schedule => backend.schedule(kernel, tensors, target, chunks);
    const schedule = given?.schedule ?? sharing.schedule(kernel, tensors, chunks, makeDefault);
    const isParts = kernels[number + 1]?.outputs === kernel.outputs;
    const name = kernelName(kernel, isParts);
    const subgroupSize = target.kind === "wgsl" ? target.subgroupSize : 0;
    const header = kernelHeader(kernel, tensors, schedule);
    return [{ kernel, schedule, tensors: placed, name, header, subgroupSize, chunks, key: given?.key }];
  };
  // Where equal kernels are lowered once, those that stand alone in any case need not wait for the chains.
  if (sharing !== noSharing)
    for (const number of backend.apart(kernels, tensors, target)) {
      if (number === undefined) yield undefined;
      else for (const input of inputOf(number, undefined, tensors)) yield lowerAlone(input, sharing).lowered.nest;
    }
  const chains = yield* backend.chain(kernels, tensors, target);
  const hasScratch = backend.scratchInChains && !separate;
  const placed = hasScratch ? new Map([...tensors, ...scratchTensors(chains, kernels, tensors)]) : tensors;
  const inputs = chains.map(({ kernels: members, chunks }) =>
    members.flatMap((number) => inputOf(number, chunks, placed)),
  );
  const runs = separate ? inputs.flatMap((members) => members.map((member): Run => [member])) : inputs;
  const ways: Ways = { sharing, calls: backend.callsInChains };
  const mostBindings = target.kind === "wgsl" && !separate ? target.maximumBindings : 0;
  const lowered = yield* mostBindings > 0 ? arrange(runs, mostBindings, ways) : lowerInOrder(runs, ways);
  const dispatches = lowered.map((dispatch) => ({ ...dispatch, lowered: withReads(dispatch.lowered, placed) }));
  return { name: program.name, tensors: placed, dispatches };
}

type Tensors = ReadonlyMap<number, StoredTensor>;
type Input = LoweringInput & ScheduledKernel;
/** Kernels that run one after another in a dispatch. */
type Run = readonly Input[];

interface Ways {
  readonly sharing: Sharing;
  /** Chains call their kernels. */
  readonly calls: boolean;
}

function scheduled({ kernel, schedule, name, chunks, key }: Input): ScheduledKernel {
  return { kernel, schedule, name, chunks, key };
}

/** What was given for a kernel, unless it does not fit. */
function givenSchedule(
  schedules: ReadonlyMap<string, Schedule>,
  subject: Subject,
): { readonly key: string; readonly schedule: Schedule } | undefined {
  if (schedules.size === 0) return undefined;
  const key = kernelKey(subject.kernel, subject.tensors, subject.target.kind, subject.chunks);
  const schedule = schedules.get(key);
  return schedule && isLegal(schedule, subject) ? { key, schedule } : undefined;
}

/** Those of the given schedules that a compilation uses. (Its kernels may have more lanes, where several share a nest.) */
export function usedSchedules(
  { programs }: { readonly programs: readonly ScheduledProgram[] },
  given: ReadonlyMap<string, Schedule>,
): ReadonlyMap<string, Schedule> {
  const kernels = programs.flatMap(({ dispatches }) => dispatches.flatMap((dispatch) => dispatch.kernels));
  const keys = new Set(kernels.map(({ key }) => key));
  return new Map([...given].filter(([key]) => keys.has(key)));
}

function lowerAlone(input: Input, { lower }: Sharing): ScheduledDispatch {
  return { name: input.name, kernels: [scheduled(input)], lowered: lower("alone", [input], () => lowerKernel(input)) };
}

function withLanes(run: Run, lanes: number): Run {
  return run.map((member) => ({ ...member, schedule: { ...member.schedule, lanes } }));
}

function lowerRun(run: Run, { sharing, calls }: Ways): ScheduledDispatch {
  const [only] = run;
  if (only && run.length === 1) return lowerAlone(only, sharing);
  const inputs = withLanes(run, Math.max(...run.map(({ schedule }) => schedule.lanes)));
  const head = { name: chainName(inputs.map((input) => input.name)), header: togetherHeader(inputs) };
  const members = (): LoweredKernel[] =>
    inputs.map((input) => sharing.lower("member", [input], () => lowerMember(input)));
  const lowered = sharing.lower("chained", inputs, () =>
    calls ? callChained(inputs, members(), head) : lowerChained(inputs, head),
  );
  return {
    name: head.name,
    kernels: inputs.map(scheduled),
    lowered: { ...lowered, nest: { ...lowered.nest, ...head } },
  };
}

/** Yields nests that stay as they are. */
type Lowering = Generator<LoopNest | undefined, ScheduledDispatch[]>;

function* lowerInOrder(runs: readonly Run[], ways: Ways): Lowering {
  const dispatches: ScheduledDispatch[] = [];
  for (const run of runs) {
    const dispatch = lowerRun(run, ways);
    dispatches.push(dispatch);
    yield dispatch.lowered.nest;
  }
  return dispatches;
}

/** Lowers runs of kernels, those that need nothing of one another together. */
function* arrange(runs: readonly Run[], mostBindings: number, ways: Ways): Lowering {
  const alone: ScheduledDispatch[] = [];
  const uses: MemoryUse[] = [];
  for (const run of runs) {
    const [first] = run;
    if (!first) continue;
    const dispatch = lowerRun(run, ways);
    const use = memoryUse(dispatch.lowered, first.tensors, stepsOf(run));
    alone.push(dispatch);
    uses.push(use);
    yield standsAlone(use) ? dispatch.lowered.nest : undefined;
  }
  const dispatches: ScheduledDispatch[] = [];
  for (const group of groupSideBySide(uses, mostBindings)) {
    const [first = 0] = group;
    const dispatch =
      group.length === 1
        ? alone[first]
        : lowerBeside(
            group.flatMap((i) => [runs[i] ?? []]),
            ways,
          );
    if (!dispatch) continue;
    dispatches.push(dispatch);
    yield dispatch.lowered.nest;
  }
  return dispatches;
}

function lowerBeside(members: readonly Run[], { sharing }: Ways): ScheduledDispatch {
  const lanes = lanesTogether(members.flat());
  const beside = members.map((run) => withLanes(run, lanes));
  const kernels = beside.flat();
  const names = beside.map((run) => runName(run));
  const head = { name: togetherName(names), header: togetherHeader(kernels) };
  const how = `together ${beside.map(({ length }) => length).join(" ")}`;
  const lowered = sharing.lower(how, kernels, () => lowerTogether(beside, head));
  return {
    name: head.name,
    kernels: kernels.map(scheduled),
    lowered: { ...lowered, nest: { ...lowered.nest, ...head } },
  };
}

function runName(run: Run): string {
  const names = run.map(({ name }) => name);
  return names.length === 1 ? (names[0] ?? "") : chainName(names);
}

/** The lanes of the kernel that has most to do; broadcasts need whole subgroups. */
function lanesTogether(members: readonly LoweringInput[]): number {
  const broadcasting = members.filter(({ schedule }) => schedule.broadcast);
  const candidates = broadcasting.length > 0 ? broadcasting : members;
  return candidates.reduce((a, b) => (workOf(b.kernel) > workOf(a.kernel) ? b : a)).schedule.lanes;
}

/** Steps of all reductions; elements where nothing is reduced. */
function workOf({ domain, extents, accumulators }: Kernel): number {
  return size(domain) * size(extents) * Math.max(1, accumulators.length);
}

/** What is loaded for one step of a contraction serves many; a step of a plain sum has its own. */
function stepsOf(run: Run): number {
  return run.reduce((sum, { kernel }) => sum + workOf(kernel) * (isContraction(kernel) ? 1 : 4), 0);
}

function memoryUse(
  { nest, tensors: bound }: LoweredKernel,
  tensors: ReadonlyMap<number, StoredTensor>,
  steps: number,
): MemoryUse {
  const ranges = nest.bindings.map(({ length }, i): MemoryRange => {
    const { tensor, offset } = resolveStorage(tensors, bound[i] ?? -1);
    const memory = tensor.storage.kind === "state" ? tensor.storage.state : String(tensor.id);
    return { memory, start: offset, end: offset + length };
  });
  const accesses = countAccesses(nest.body, nest.scratch);
  return { accesses, steps, reads: ranges, writes: ranges.filter((_, i) => nest.bindings[i]?.access === "readwrite") };
}

/** The temporaries and states that a dispatch touches. */
export function usesOf({ lowered }: ScheduledDispatch, tensors: ReadonlyMap<number, StoredTensor>): Use {
  const reads = new Set<number>();
  const writes = new Set<number>();
  lowered.nest.bindings.forEach((binding, i) => {
    const { tensor } = resolveStorage(tensors, lowered.tensors[i] ?? -1);
    (binding.access === "read" ? reads : writes).add(tensor.id);
  });
  return { reads, writes };
}
