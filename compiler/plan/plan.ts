/**
 * The execution plan: all that a device needs to run a program, as plain JSON data.
 *
 * A plan names buffers, kernels (text for WebGPU, one module for WebAssembly) and programs: lists of dispatches.
 * What holds (`verifyPlan`): each dispatch gives its kernel exactly its bindings, inside their buffers; offsets are
 * multiples of 256 bytes; bindings of one dispatch that are written do not overlap any other of its bindings.
 */
import type { WasmCode } from "../print/wasm/code.ts";
import type { Origin } from "../graph/graph.ts";
import type { Binding } from "../nest/loopNest.ts";
import type { KernelCost } from "./costs.ts";

export interface PlanBuffer {
  readonly name: string;
  readonly bytes: number;
}

/** A named place that the runtime reads or writes: a parameter, a statistic, the metrics, the data set. */
export interface PlanTensor {
  readonly buffer: number;
  /** In bytes. */
  readonly offset: number;
  readonly type: "f32" | "u32" | "u8";
  readonly shape: readonly number[];
}

/** What a device needs of a kernel. */
export interface RunnableKernel {
  /** As users see it: `conv2 (line 5): filter gradient`. */
  readonly name: string;
  readonly bindings: readonly Binding[];
  readonly workgroups: number;
  /** WGSL text, in a plan of target `wgsl`; nothing that a device reads in one of target `wasm`, whose code is `wasm`. */
  readonly source: string;
  /** WGSL features that the kernel needs. */
  readonly features: readonly ("subgroups")[]; // prettier-ignore
}

/** With what people read: in a plan of target `wasm`, `source` is a readable loop nest. */
export interface PlanKernel extends RunnableKernel {
  /** A short file name without ending, unique in the plan: `07-conv2-filter-gradient`. */
  readonly file: string;
  /** The layers that it computes, with their lines in the program, each once. */
  readonly origins: readonly Origin[];
  readonly cost: KernelCost;
}

export interface PlanDispatch {
  readonly kernel: number;
  readonly bindings: readonly { readonly buffer: number; readonly offset: number; readonly bytes: number }[];
}

/** What a device needs of a plan. */
export interface RunnablePlan {
  readonly version: 1;
  readonly target: "wgsl" | "wasm";
  readonly buffers: readonly PlanBuffer[];
  readonly tensors: Readonly<Record<string, PlanTensor>>;
  readonly kernels: readonly RunnableKernel[];
  /** `initialise`, `trainStep`, `evaluateStep`, `predict`. */
  readonly programs: Readonly<Record<string, readonly PlanDispatch[]>>;
  readonly wasm?: WasmCode;
}

/** What a device may begin to compile while the plan is being made: a module of WebAssembly, or a kernel in WGSL. */
export type PlanPart = Uint8Array | RunnableKernel;

export interface ExecutionPlan extends RunnablePlan {
  readonly kernels: readonly PlanKernel[];
}
