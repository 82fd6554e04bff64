/** Poolings as operators. */
import type { CheckedLayer, PoolAttributes } from "../../../language/checkedProgram.ts";
import {
  coordinate,
  argument,
  type Formula,
  minus,
  number,
  over,
  plus,
  smaller,
  times,
} from "../../operators/formula.ts";
import { asMaps, type LayerOf, type Lowering, type LoweringContext, map, only, originOf, pathOf } from "./context.ts";

function windowOf({ kernel, stride, padding }: PoolAttributes, layer: CheckedLayer) {
  const { height, width } = layer.outputShape;
  return { kernel, stride, padding, output: [height, width] as const };
}

/** Cells of the window inside the padded map, as PyTorch counts them with `count_include_pad`. */
function windowCells(layer: LayerOf<"averagePool" | "mixedPool">): Formula {
  const { kernel, stride, padding } = layer.attributes;
  const { height = 1, width = 1 } = layer.inputShapes[0] ?? {};
  const along = (axis: number, window: number, step: number, padded: number, outputs: number): Formula => {
    if ((outputs - 1) * step + window <= padded) return number(window);
    const start = times(coordinate(axis), number(step));
    return minus(smaller(plus(start, number(window)), number(padded)), start);
  };
  return times(
    along(2, kernel[0], stride[0], height + padding.top + padding.bottom, layer.outputShape.height),
    along(3, kernel[1], stride[1], width + padding.left + padding.right, layer.outputShape.width),
  );
}

/** The maximum, or the sum, of each window. */
function windows(
  context: LoweringContext,
  layer: LayerOf<"maxPool" | "averagePool" | "mixedPool">,
  operator: "maximum" | "add",
  input: number,
): number {
  const attributes = { ...windowOf(layer.attributes, layer), operator };
  return context.builder.add(
    "window",
    attributes,
    [input],
    originOf(layer, operator === "add" ? "window sum" : "forward"),
  );
}

export const maxPool: Lowering<"maxPool"> = (layer, inputs, context) =>
  windows(context, layer, "maximum", asMaps(context, layer, only(inputs)));

export const averagePool: Lowering<"averagePool"> = (layer, inputs, context) => {
  const sum = windows(context, layer, "add", asMaps(context, layer, only(inputs)));
  return map(context, layer, over(argument(0), windowCells(layer)), [sum]);
};

export const mixedPool: Lowering<"mixedPool"> = (layer, inputs, context) => {
  const input = asMaps(context, layer, only(inputs));
  const both = [windows(context, layer, "maximum", input), windows(context, layer, "add", input)];
  const mix = (share: Formula): Formula => {
    const mean = over(argument(1), windowCells(layer));
    return plus(times(share, argument(0)), times(minus(number(1), share), mean));
  };
  if (!layer.attributes.learn) return map(context, layer, mix(number(layer.attributes.share)), both);
  const weight = context.parameter(pathOf(layer, "weight"));
  const share = context.builder.add("reshape", { shape: [1, 1, 1, 1] }, [weight], originOf(layer));
  return map(context, layer, mix(argument(2)), [...both, share]);
};
