/**
 * How the benchmark talks to the process of a stack: a JSON object a line, a request on standard input, a reply on standard
 * output. Lines that are no replies (what libraries print) are passed over.
 */
import type { Peaks } from "../runtime/profile/peaks.ts";

export type Request =
  /**
   * Steps `first` to `first + count - 1`. Training answers with losses: of every step, or of the last alone. Inference
   * answers with the logits of the last one.
   */
  | { readonly kind: "run"; readonly first: number; readonly count: number; readonly every: boolean }
  /** With `peaks`, those that can measure what their device reaches do so, which takes seconds. */
  | { readonly kind: "facts"; readonly peaks: boolean };

export interface RunReply {
  readonly kind: "ran";
  readonly milliseconds: number;
  readonly values: readonly number[];
}

/** What a stack knows of itself. Numbers that it has not are left out. */
export interface Facts {
  readonly version: string;
  readonly device: string;
  /** Of a step. */
  readonly dispatches?: number;
  /** Of a step, by the plan: floating-point operations, and distinct bytes read and written. */
  readonly operations?: number;
  readonly bytes?: number;
  /** On the device, without the data set where that is kept there. */
  readonly deviceBytes?: number;
  /** The largest resident set of the process. */
  readonly processBytes?: number;
  /** Compiler alone, and the device's acceptance of its kernels. */
  readonly compileMilliseconds?: number;
  readonly openMilliseconds?: number;
  readonly peaks?: Peaks;
}

export type Reply =
  | RunReply
  | { readonly kind: "opened" }
  | { readonly kind: "facts"; readonly facts: Facts }
  | { readonly kind: "failed"; readonly reason: string };

/** Begins every line that is a reply. */
export const mark = "cnnc-bench ";
