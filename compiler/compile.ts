/**
 * The compiler's table of contents: the passes in their order.
 *
 *   model → graphs (model/) → faster ones (rewrite/) → kernels (fusion/) → parts of large reductions (split) → schedules (schedule/)
 *   → loop nests (lower/) → WGSL or WebAssembly (print/) and memory (plan/) → an execution plan
 */
import type { CheckedModel, TrainingRecipe } from "../language/checkedProgram.ts";
import { fuseGraph } from "./fusion/fuse.ts";
import type { FusedGraph } from "./fusion/kernel.ts";
import type { Graph } from "./graph/graph.ts";
import { createSharing, noSharing } from "./lower/sharing.ts";
import { type DataCounts, lowerModel, type ModelGraphs, type ProgramName } from "./model/lowerModel.ts";
import type { ExecutionPlan, PlanPart } from "./plan/plan.ts";
import { rewriteGraph } from "./rewrite/rewriteGraph.ts";
import { backendFor } from "./schedule/backends.ts";
import type { LoopNest } from "./nest/loopNest.ts";
import { createModulePrinter } from "./print/wasm/printWasm.ts";
import { makePlan, type PrintedParts, wgslPrinterFor } from "./makePlan.ts";
import type { ScheduledProgram } from "./lower/scheduled.ts";
import { scheduleByTurns, type ScheduleOptions } from "./scheduleProgram.ts";
import type { Target } from "./target.ts";
import { drain } from "./turns.ts";

export interface CompileOptions extends ScheduleOptions {
  readonly counts: DataCounts;
  readonly target: Target;
  /** Off: every operator is a kernel of its own. Results agree within rounding. */
  readonly fuse?: boolean;
  /** What to compile; not given: every program. States are those of the programs compiled. */
  readonly programs?: readonly ProgramName[];
  /** Off: equal kernels are lowered one by one, so that their buffers have the names of their own tensors. */
  readonly share?: boolean;
  /** For target `wasm`: into modules of how many different kernels the code is cut; not given: one module. */
  readonly kernelsAModule?: number;
}

/** All stages of a compilation, for `explain`, tests and timings. */
export interface Compilation {
  readonly model: ModelGraphs;
  readonly fused: readonly FusedGraph[];
  readonly programs: readonly ScheduledProgram[];
  readonly plan: ExecutionPlan;
}

export function compile(model: CheckedModel, recipe: TrainingRecipe, options: CompileOptions): Compilation {
  return drain(compileByTurns(model, recipe, options));
}

/** The same in several turns, between which the caller may do something else: compile the modules that are finished, say. */
export function* compileByTurns(
  model: CheckedModel,
  recipe: TrainingRecipe,
  options: CompileOptions,
): Generator<PlanPart | undefined, Compilation> {
  const { counts, target } = options;
  const limit = target.kind === "wgsl" ? { maximumTensorBytes: target.maximumBindingBytes } : {};
  const wanted = options.programs ? { programs: options.programs } : {};
  const graphs = lowerModel({ model, recipe, counts, ...limit, ...wanted });
  const sharing = (options.share ?? true) ? createSharing() : noSharing;
  const printer = partPrinterFor(target, options);
  const fused: FusedGraph[] = [];
  const programs: ScheduledProgram[] = [];
  for (const graph of graphs.graphs) {
    yield undefined;
    const program = fuse(graph, options);
    yield undefined;
    fused.push(program);
    programs.push(yield* printing(scheduleByTurns(program, target, { ...options, sharing }), printer.add));
  }
  yield undefined;
  const plan = makePlan(graphs, programs, target, printer.finish());
  return { model: graphs, fused, programs, plan };
}

interface PartPrinter {
  /** Prints what is lowered; returns what a device can begin to compile. */
  readonly add: (nest: LoopNest) => PlanPart | undefined;
  readonly finish: () => PrintedParts;
}

function partPrinterFor(target: Target, { kernelsAModule = Infinity }: CompileOptions): PartPrinter {
  if (target.kind === "wasm") {
    const { add, finish } = createModulePrinter(target, kernelsAModule);
    return { add, finish: () => ({ wasm: finish() }) };
  }
  const print = wgslPrinterFor(target);
  const given = new Set<LoopNest["body"]>();
  return {
    add(nest) {
      const { name, bindings, workgroups, body } = nest;
      // Too many bindings are merged when they have their places in memory.
      if (given.has(body) || bindings.length > target.maximumBindings) return undefined;
      given.add(body);
      return { name, bindings, workgroups, ...print(nest) };
    },
    finish: () => ({ wgsl: print }),
  };
}

function* printing(
  turns: Generator<LoopNest | undefined, ScheduledProgram>,
  add: PartPrinter["add"],
): Generator<PlanPart | undefined, ScheduledProgram> {
  for (;;) {
    const turn = turns.next();
    if (turn.done) return turn.value;
    yield turn.value && add(turn.value);
  }
}

export function fuse(graph: Graph, options: Pick<CompileOptions, "target" | "fuse">): FusedGraph {
  const { costs, rewrites } = backendFor(options.target);
  const isFused = options.fuse ?? true;
  return fuseGraph(isFused ? rewrites.reduce(rewriteGraph, graph) : graph, costs, isFused);
}

export { makePlan } from "./makePlan.ts";
export type { ScheduledDispatch, ScheduledKernel, ScheduledProgram } from "./lower/scheduled.ts";
export { scheduleProgram, usedSchedules, usesOf } from "./scheduleProgram.ts";
