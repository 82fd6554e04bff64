/**
 * The compiler's table of contents: the passes in their order.
 *
 *   model → graphs (model/) → kernels (fusion/) → parts of large reductions (split) → schedules (schedule/)
 *   → loop nests (lower/) → WGSL or WebAssembly (print/) and memory (plan/) → an execution plan
 */
import type { CheckedModel, TrainingRecipe } from "../language/checkedProgram.ts";
import { fuseGraph } from "./fusion/fuse.ts";
import { type FusedGraph, type Kernel, resolveStorage, type StoredTensor } from "./fusion/kernel.ts";
import { splitReduction } from "./fusion/split.ts";
import { type Graph, InvariantError, size, type StateTensor } from "./graph/graph.ts";
import type { LoweringInput } from "./lower/lowering.ts";
import { lowerChained, type LoweredKernel, lowerKernel, lowerTogether } from "./lower/lowerKernel.ts";
import { type DataCounts, lowerModel, type ModelGraphs } from "./model/lowerModel.ts";
import { countAccesses } from "./nest/countAccesses.ts";
import type { LoopNest } from "./nest/loopNest.ts";
import { printNest } from "./nest/printNest.ts";
import { mergeBindings } from "./plan/mergeBindings.ts";
import { costOf } from "./plan/costs.ts";
import {
  chainName,
  fileName,
  kernelHeader,
  kernelName,
  originText,
  togetherHeader,
  togetherName,
  withReads,
} from "./plan/names.ts";
import {
  byteLength,
  numbered,
  type Placement,
  placeStates,
  placeTemporaries,
  type TemporaryPlaces,
  type Use,
} from "./plan/memory.ts";
import type { ExecutionPlan, PlanBuffer, PlanDispatch, PlanKernel, PlanTensor } from "./plan/plan.ts";
import { printWasmModule } from "./print/wasm/printWasm.ts";
import { printWgsl } from "./print/wgsl/printWgsl.ts";
import { rewriteGraph } from "./rewrite/rewriteGraph.ts";
import type { Schedule } from "./schedule/schedule.ts";
import { isContraction } from "./schedule/analysis.ts";
import { backendFor } from "./schedule/backends.ts";
import { type Chain, scratchTensors } from "./schedule/chains.ts";
import { kernelKey } from "./schedule/kernelKey.ts";
import { isLegal, type Subject } from "./schedule/legal.ts";
import { groupSideBySide, type MemoryRange, type MemoryUse } from "./schedule/sideBySide.ts";
import type { Target } from "./target.ts";

export interface CompileOptions {
  readonly counts: DataCounts;
  readonly target: Target;
  /** Off: every operator is a kernel of its own. Results agree within rounding. */
  readonly fuse?: boolean;
  /** On: kernels of a chain are dispatches of their own, cut as in the chain, so that each can be timed. */
  readonly separate?: boolean;
  /** Schedules by the keys of kernels (`kernelKey`) that take the place of the default ones, where they are legal. */
  readonly schedules?: ReadonlyMap<string, Schedule>;
}

export interface ScheduledKernel {
  readonly kernel: Kernel;
  readonly schedule: Schedule;
  readonly name: string;
  /** Into how many parts its chain cuts the first axis. */
  readonly chunks?: number | undefined;
  /** The key by which its schedule was given; undefined where it has the default one. */
  readonly key?: string | undefined;
}

/** Kernels that run side by side, as one loop nest. */
export interface ScheduledDispatch {
  readonly name: string;
  readonly kernels: readonly ScheduledKernel[];
  readonly lowered: LoweredKernel;
}

export interface ScheduledProgram {
  readonly name: string;
  readonly dispatches: readonly ScheduledDispatch[];
  readonly tensors: ReadonlyMap<number, StoredTensor>;
}

/** All stages of a compilation, for `explain`, tests and timings. */
export interface Compilation {
  readonly model: ModelGraphs;
  readonly fused: readonly FusedGraph[];
  readonly programs: readonly ScheduledProgram[];
  readonly plan: ExecutionPlan;
}

export function compile(model: CheckedModel, recipe: TrainingRecipe, options: CompileOptions): Compilation {
  const { counts, target } = options;
  const limit = target.kind === "wgsl" ? { maximumTensorBytes: target.maximumBindingBytes } : {};
  const graphs = lowerModel({ model, recipe, counts, ...limit });
  const fused = graphs.graphs.map((graph) => fuse(graph, options));
  const programs = fused.map((program) => scheduleProgram(program, target, options));
  const plan = makePlan(graphs, programs, options.target);
  return { model: graphs, fused, programs, plan };
}

export function fuse(graph: Graph, options: Pick<CompileOptions, "target" | "fuse">): FusedGraph {
  const { costs, rewrite } = backendFor(options.target);
  const isFused = options.fuse ?? true;
  return fuseGraph(rewrite && isFused ? rewriteGraph(graph, rewrite) : graph, costs, isFused);
}

/** Splits, schedules and lowers every kernel of a program. */
export function scheduleProgram(
  program: FusedGraph,
  target: Target,
  { separate = false, schedules }: Pick<CompileOptions, "separate" | "schedules"> = {},
): ScheduledProgram {
  const backend = backendFor(target);
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
  const chains =
    backend.chain?.(kernels, tensors) ?? kernels.map((_, i): Chain => ({ kernels: [i], chunks: undefined }));
  const inScratch = (separate ? [] : chains).flatMap((chain) => [...scratchTensors(chain, kernels, tensors)]);
  const placed = new Map([...tensors, ...inScratch]);
  const inputOf = (number: number, chunks: number | undefined): Input[] => {
    const kernel = kernels[number];
    if (!kernel) return [];
    const given = schedules && givenSchedule(schedules, { kernel, tensors, target, chunks });
    const schedule = given?.schedule ?? backend.schedule(kernel, tensors, target, chunks);
    const isParts = kernels[number + 1]?.outputs === kernel.outputs;
    const name = kernelName(kernel, isParts);
    const subgroupSize = target.kind === "wgsl" ? target.subgroupSize : 0;
    const header = kernelHeader(kernel, tensors, schedule);
    return [{ kernel, schedule, tensors: placed, name, header, subgroupSize, chunks, key: given?.key }];
  };
  const inputs = chains.map(({ kernels: members, chunks }) => members.flatMap((number) => inputOf(number, chunks)));
  const dispatches = backend.chain
    ? (separate ? inputs.flatMap((members) => members.map((member) => [member])) : inputs).map(lowerChain)
    : arrange(inputs.flat(), target.kind === "wgsl" && !separate ? target.maximumBindings : 0);
  return {
    name: program.name,
    tensors: placed,
    dispatches: dispatches.map((dispatch) => ({ ...dispatch, lowered: withReads(dispatch.lowered, placed) })),
  };
}

type Input = LoweringInput & ScheduledKernel;

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
  { programs }: Compilation,
  given: ReadonlyMap<string, Schedule>,
): ReadonlyMap<string, Schedule> {
  const kernels = programs.flatMap(({ dispatches }) => dispatches.flatMap((dispatch) => dispatch.kernels));
  const keys = new Set(kernels.map(({ key }) => key));
  return new Map([...given].filter(([key]) => keys.has(key)));
}

function lowerChain(members: readonly Input[]): ScheduledDispatch {
  const [only] = members;
  if (only && members.length === 1) return { name: only.name, kernels: [scheduled(only)], lowered: lowerKernel(only) };
  const lanes = Math.max(...members.map(({ schedule }) => schedule.lanes));
  const inputs = members.map((member) => ({ ...member, schedule: { ...member.schedule, lanes } }));
  const name = chainName(inputs.map((input) => input.name));
  return {
    name,
    kernels: inputs.map(scheduled),
    lowered: lowerChained(inputs, { name, header: togetherHeader(inputs) }),
  };
}

/** Lowers kernels, those that need nothing of one another together. */
function arrange(inputs: readonly Input[], mostBindings: number): ScheduledDispatch[] {
  const alone = inputs.map((input): ScheduledDispatch => {
    return { name: input.name, kernels: [scheduled(input)], lowered: lowerKernel(input) };
  });
  if (mostBindings === 0) return alone;
  const uses = alone.flatMap(({ lowered }, i): MemoryUse[] => {
    const input = inputs[i];
    return input ? [memoryUse(lowered, input.tensors, stepsOf(input.kernel))] : [];
  });
  return groupSideBySide(uses, mostBindings).flatMap((group): ScheduledDispatch[] => {
    if (group.length === 1) return group.flatMap((i) => alone[i] ?? []);
    const members = group.flatMap((i) => inputs[i] ?? []);
    const lanes = lanesTogether(members);
    const kernels = members.map((member) => ({ ...member, schedule: { ...member.schedule, lanes } }));
    const name = togetherName(kernels.map((kernel) => kernel.name));
    return [
      {
        name,
        kernels: kernels.map(scheduled),
        lowered: lowerTogether(kernels, { name, header: togetherHeader(kernels) }),
      },
    ];
  });
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
function stepsOf(kernel: Kernel): number {
  return workOf(kernel) * (isContraction(kernel) ? 1 : 4);
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
  const accesses = countAccesses(nest);
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

interface Layout {
  readonly buffers: PlanBuffer[];
  readonly states: ReadonlyMap<string, Placement>;
  /** The buffer of the first arena of temporaries. */
  readonly workspace: number;
}

/** Programs run one after another: they share the arenas. */
function layOut(states: readonly StateTensor[], programs: readonly TemporaryPlaces[], largest: number): Layout {
  const placed = placeStates(states, largest);
  const count = Math.max(1, ...programs.map(({ lengths }) => lengths.length));
  const arenas = Array.from({ length: count }, (_, arena) => ({
    name: numbered("workspace", arena),
    bytes: Math.max(4, ...programs.map(({ lengths }) => lengths[arena] ?? 0)),
  }));
  return { buffers: [...placed.buffers, ...arenas], states: placed.places, workspace: placed.buffers.length };
}

export function makePlan(graphs: ModelGraphs, programs: readonly ScheduledProgram[], target: Target): ExecutionPlan {
  const largest = target.kind === "wgsl" ? target.maximumBindingBytes : Infinity;
  const temporaries = programs.map(({ dispatches: all, tensors }) =>
    placeTemporaries(
      all.map((dispatch) => usesOf(dispatch, tensors)),
      tensors,
      largest,
    ),
  );
  const layout = layOut(graphs.states, temporaries, largest);
  const kernels: PlanKernel[] = [];
  const nests: LoopNest[] = [];
  const dispatches: Record<string, PlanDispatch[]> = {};
  programs.forEach((program, p) => {
    const places = temporaries[p]?.places ?? new Map();
    dispatches[program.name] = program.dispatches.map((dispatch) => {
      const { lowered } = dispatch;
      const bound = lowered.tensors.map((id) => bindingOf(id, program.tensors, layout, places));
      const limit = target.kind === "wgsl" ? target.maximumBindings : Infinity;
      const { nest, places: bindings } = mergeBindings(lowered.nest, bound, limit);
      kernels.push({ ...planKernel(nest, kernels.length, target), ...describe(dispatch, program.tensors) });
      nests.push(nest);
      return { kernel: kernels.length - 1, bindings };
    });
  });
  const plan = {
    version: 1 as const,
    target: target.kind,
    buffers: layout.buffers,
    tensors: namedTensors(graphs, layout),
    kernels,
    programs: dispatches,
  };
  return target.kind === "wasm" ? { ...plan, wasm: printWasmModule(nests, { relaxedSimd: target.relaxedSimd }) } : plan;
}

/** Where a dispatch comes from, and what it has to do. */
function describe(
  { kernels, lowered }: ScheduledDispatch,
  tensors: ReadonlyMap<number, StoredTensor>,
): Pick<PlanKernel, "origins" | "cost"> {
  const definitions = kernels.map(({ kernel }) => kernel);
  const origins = new Map(
    definitions.flatMap((kernel) => kernel.origins.map((origin) => [originText(origin), origin] as const)),
  );
  return { origins: [...origins.values()], cost: costOf(definitions, tensors, new Set(lowered.tensors)) };
}

function planKernel(nest: LoopNest, number: number, target: Target): Omit<PlanKernel, "origins" | "cost"> {
  const common = {
    name: nest.name,
    file: fileName(number, nest.name),
    bindings: nest.bindings,
    workgroups: nest.workgroups,
  };
  if (target.kind === "wasm") return { ...common, source: printNest(nest), features: [] };
  const { subgroupSize, software } = target;
  const { source, features } = printWgsl(nest, { subgroups: subgroupSize > 0, subgroupSize, keepLoops: software });
  return { ...common, source, features };
}

function bindingOf(
  id: number,
  tensors: ReadonlyMap<number, StoredTensor>,
  layout: Layout,
  places: TemporaryPlaces["places"],
): PlanDispatch["bindings"][number] {
  const { tensor, offset } = resolveStorage(tensors, id);
  const own = tensors.get(id);
  if (!own) throw new InvariantError(`tensor ${id} is not stored`);
  const bytes = byteLength(own);
  if (tensor.storage.kind === "state") {
    const place = layout.states.get(tensor.storage.state);
    if (!place) throw new InvariantError(`state ${tensor.storage.state} has no place`);
    return { buffer: place.buffer, offset: place.offset + 4 * offset, bytes };
  }
  const place = places.get(tensor.id);
  if (!place) throw new InvariantError(`${tensor.label} has no place`);
  return { buffer: layout.workspace + place.arena, offset: place.offset + 4 * offset, bytes };
}

/** Every state by its name; flat parameters and what the optimizer keeps of them, part by part. */
function namedTensors(graphs: ModelGraphs, layout: Layout): Record<string, PlanTensor> {
  const named: Record<string, PlanTensor> = {};
  for (const { name, shape, type } of graphs.states) {
    const place = layout.states.get(name);
    if (!place) continue;
    named[name] = { buffer: place.buffer, offset: place.offset, type, shape };
    // The flat tensor of parameters, and the optimizer's states of the same shape, have parts by parameter.
    const isOptimizer = name.startsWith("optimizer.") && size(shape) > 1;
    if (name !== "parameters" && !isOptimizer) continue;
    const prefix = isOptimizer ? `${name}.` : "";
    for (const { parameter, offset } of graphs.parameters)
      named[`${prefix}${parameter.path}`] = {
        buffer: place.buffer,
        offset: place.offset + 4 * offset,
        type,
        shape: parameter.shape,
      };
  }
  return named;
}
