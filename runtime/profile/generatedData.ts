/**
 * Made-up data for a plan whose time is measured.
 *
 * In: a plan's states. Out: they hold images, labels and orders of images. What holds: labels and orders name what there is.
 */
import { size } from "../../compiler/graph/graph.ts";
import type { RunnablePlan } from "../../compiler/plan/plan.ts";
import type { PlanState } from "../train/planState.ts";

export function writeGeneratedData(state: PlanState, plan: RunnablePlan): void {
  const classes = state.shapeOf("predict.logits")[1] ?? 1;
  for (const name of Object.keys(plan.tensors)) {
    const fill = fills.find(([pattern]) => pattern.test(name))?.[1];
    if (fill) state.write(name, fill(size(state.shapeOf(name)), classes));
  }
}

type Fill = (length: number, classes: number) => Float32Array | Uint8Array | Uint32Array;

/** Numbers without a pattern, from 0 to 255. */
const pixel = (i: number): number => Math.imul(i + 1, 0x9e3779b1) >>> 24;

/** By the names of states: tables of a data set that lies in several have numbers. */
const fills: readonly (readonly [RegExp, Fill])[] = [
  [/^(?:train|test)\.images(?:\.\d+)?$/, (length) => Uint8Array.from({ length }, (_, i) => pixel(i))],
  [/^(?:train|test)\.labels$/, (length, classes) => Uint8Array.from({ length }, (_, i) => i % classes)],
  [/^(?:train|test)\.order$/, (length) => Uint32Array.from({ length }, (_, i) => i)],
  [/^predict\.input$/, (length) => Float32Array.from({ length }, (_, i) => pixel(i))],
];
