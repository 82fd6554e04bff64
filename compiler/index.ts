/**
 * The compiler as a library: a checked program in, an execution plan out. It uses no Node API and runs in a browser.
 */
export { compile, type Compilation, type CompileOptions } from "./compile.ts";
export { explainStage, hasKernels, type Stage } from "./explain.ts";
export { InvariantError } from "./graph/graph.ts";
export type { DataCounts } from "./model/lowerModel.ts";
export type { ExecutionPlan, PlanBuffer, PlanDispatch, PlanKernel, PlanTensor } from "./plan/plan.ts";
export type { Target } from "./target.ts";
