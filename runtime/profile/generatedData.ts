/**
 * Made-up data for a plan whose time is measured.
 *
 * In: a plan's states, the number of classes. Out: they hold images, labels and orders of images. What holds: labels and orders
 * name what there is.
 */
import { size } from "../../compiler/graph/graph.ts";
import type { RunnablePlan } from "../../compiler/plan/plan.ts";
import type { PlanState } from "../train/planState.ts";

/** The classes are those of the plan's predictions; a plan that has none needs their number. */
export function writeGeneratedData(
  state: PlanState,
  plan: RunnablePlan,
  classes = state.shapeOf("predict.logits")[1] ?? 1,
): void {
  for (const name of Object.keys(plan.tensors)) {
    const fill = fills.find(([pattern]) => pattern.test(name))?.[1];
    if (fill) state.write(name, fill(size(state.shapeOf(name)), classes));
  }
}

type Numbers = Float32Array | Uint8Array | Uint32Array;
type Fill = (length: number, classes: number) => Numbers;

/** A data set has a hundred million numbers: `from` takes ten times as long as this. */
function filled(numbers: Numbers, make: (i: number) => number): Numbers {
  for (let i = 0; i < numbers.length; i++) numbers[i] = make(i);
  return numbers;
}

/** Numbers without a pattern, from 0 to 255. */
const pixel = (i: number): number => Math.imul(i + 1, 0x9e3779b1) >>> 24;

/** By the names of states: tables of a data set that lies in several have numbers. */
const fills: readonly (readonly [RegExp, Fill])[] = [
  [/^(?:train|test)\.images(?:\.\d+)?$/, (length) => filled(new Uint8Array(length), pixel)],
  [/^(?:train|test)\.labels$/, (length, classes) => filled(new Uint8Array(length), (i) => i % classes)],
  [/^(?:train|test)\.order$/, (length) => filled(new Uint32Array(length), (i) => i)],
  [/^predict\.input$/, (length) => filled(new Float32Array(length), pixel)],
];
