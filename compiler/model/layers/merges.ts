/** Layers that merge branches, as operators. */
import type { CheckedLayer } from "../../../language/checkedProgram.ts";
import { InvariantError } from "../../graph/graph.ts";
import { argument, plus, times } from "../../operators/formula.ts";
import { asMaps, type LoweringContext, type Lowering, map, originOf } from "./context.ts";

/** The inputs of a merge; where one has height and width, vectors are maps of one pixel. */
function together(context: LoweringContext, layer: CheckedLayer, inputs: readonly number[]): number[] {
  return inputs.map((input) => (layer.outputShape.flat ? input : asMaps(context, layer, input)));
}

function elementwise(
  context: LoweringContext,
  layer: CheckedLayer,
  inputs: readonly number[],
  combine: typeof plus,
): number {
  const [first, ...others] = together(context, layer, inputs);
  if (first === undefined) throw new InvariantError("a merge has no input");
  if (others.length === 0) return first;
  const formula = combine(argument(0), ...others.map((_, i) => argument(i + 1)));
  return map(context, layer, formula, [first, ...others]);
}

export const add: Lowering<"add"> = (layer, inputs, context) => elementwise(context, layer, inputs, plus);

export const mul: Lowering<"mul"> = (layer, inputs, context) => elementwise(context, layer, inputs, times);

export const concat: Lowering<"concat"> = (layer, inputs, context) => {
  const { channels: count } = layer.outputShape;
  let start = 0;
  // Each input with zeros around it, and their sum: every element is one of them and zeros.
  const spread = together(context, layer, inputs).map((input) => {
    const moved = context.builder.add("channels", { start: -start, count }, [input], originOf(layer));
    start += context.builder.shapeOf(input)[1] ?? 0;
    return moved;
  });
  return elementwise(context, layer, spread, plus);
};
