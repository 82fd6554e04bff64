/**
 * From dispatches to an execution plan: places in memory, bindings, printed kernels.
 *
 * In: the scheduled programs of a model and the states that they share. Out: plain data that a device runs.
 */
import { resolveStorage, type StoredTensor } from "./fusion/kernel.ts";
import { InvariantError, size, type StateTensor } from "./graph/graph.ts";
import type { ModelGraphs } from "./model/lowerModel.ts";
import type { LoopNest } from "./nest/loopNest.ts";
import { printNest } from "./nest/printNest.ts";
import { mergeBindings } from "./plan/mergeBindings.ts";
import { costOf } from "./plan/costs.ts";
import { fileName, originText } from "./plan/names.ts";
import {
  byteLength,
  numbered,
  type Placement,
  placeStates,
  placeTemporaries,
  type TemporaryPlaces,
} from "./plan/memory.ts";
import type { ExecutionPlan, PlanBuffer, PlanDispatch, PlanKernel, PlanTensor } from "./plan/plan.ts";
import type { WasmCode } from "./print/wasm/code.ts";
import { printWasmModule } from "./print/wasm/printWasm.ts";
import { createWgslPrinter, type PrintedWgsl } from "./print/wgsl/printWgsl.ts";
import type { Target } from "./target.ts";
import type { ScheduledDispatch, ScheduledProgram } from "./lower/scheduled.ts";
import { usesOf } from "./scheduleProgram.ts";

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

/** Kernels of a plan that is still to be made. */
export interface PrintedParts {
  /** Of target `wasm`: the kernels of the programs, in their order. */
  readonly wasm?: WasmCode | undefined;
  /** Of target `wgsl`: knows what it has printed. */
  readonly wgsl?: ((nest: LoopNest) => PrintedWgsl) | undefined;
}

/** Prints for the target; by its own options, so that the same printer serves a whole plan. */
export function wgslPrinterFor({ subgroupSize, software }: Target & { kind: "wgsl" }): (nest: LoopNest) => PrintedWgsl {
  return createWgslPrinter({ subgroups: subgroupSize > 0, subgroupSize, keepLoops: software });
}

/** `printed`: what is printed already. */
export function makePlan(
  graphs: ModelGraphs,
  programs: readonly ScheduledProgram[],
  target: Target,
  printed: PrintedParts = {},
): ExecutionPlan {
  const print = target.kind === "wgsl" ? (printed.wgsl ?? wgslPrinterFor(target)) : undefined;
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
      kernels.push(planKernel(nest, kernels.length, print, dispatch, program.tensors));
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
  if (target.kind === "wgsl") return plan;
  return { ...plan, wasm: printed.wasm ?? printWasmModule(nests, target) };
}

/** A value that is made when it is first asked for. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** What only people read (costs, and loop nests beside a module) is made when it is asked for: training never does. */
function planKernel(
  nest: LoopNest,
  number: number,
  print: PrintedParts["wgsl"],
  { kernels, lowered }: ScheduledDispatch,
  tensors: ReadonlyMap<number, StoredTensor>,
): PlanKernel {
  const definitions = kernels.map(({ kernel }) => kernel);
  const origins = new Map(
    definitions.flatMap((kernel) => kernel.origins.map((origin) => [originText(origin), origin] as const)),
  );
  const cost = once(() => costOf(definitions, tensors, new Set(lowered.tensors)));
  // Loop nests beside a module are text for people; WGSL is printed here and now.
  const wgsl = print?.(nest);
  const source = once(() => wgsl?.source ?? printNest(nest));
  return {
    name: nest.name,
    file: fileName(number, nest.name),
    origins: [...origins.values()],
    bindings: nest.bindings,
    workgroups: nest.workgroups,
    features: wgsl?.features ?? [],
    get source() {
      return source();
    },
    get cost() {
      return cost();
    },
  };
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
