/** Padding, enlarging and adaptive pooling, as operators. */
import type { CheckedLayer, Padding, PaddingMode } from "../../../language/checkedProgram.ts";
import { four } from "../../operators/convolution.ts";
import type { ResampledAxis } from "../../operators/operator.ts";
import { asMaps, type Lowering, type LoweringContext, only, originOf } from "./context.ts";

function resampled(
  context: LoweringContext,
  layer: CheckedLayer,
  input: number,
  axes: readonly [ResampledAxis, ResampledAxis],
  role?: string,
): number {
  return context.builder.add("resample", { axes, transposed: false }, [input], originOf(layer, role));
}

/** The maps with cells around them. */
export function padded(
  context: LoweringContext,
  layer: CheckedLayer,
  input: number,
  { top, bottom, left, right }: Padding,
  mode: PaddingMode,
): number {
  const [, , height, width] = four(context.builder.shapeOf(input));
  const axis = (from: number, before: number, after: number): ResampledAxis => ({
    kind: before === 0 && after === 0 ? "zeros" : mode,
    from,
    to: before + from + after,
    before,
  });
  return resampled(context, layer, input, [axis(height, top, bottom), axis(width, left, right)], "padding");
}

export const pad: Lowering<"pad"> = (layer, inputs, context) =>
  padded(context, layer, asMaps(context, layer, only(inputs)), layer.attributes.padding, layer.attributes.mode);

export const upsample: Lowering<"upsample"> = (layer, inputs, context) => {
  const input = asMaps(context, layer, only(inputs));
  const [, , height, width] = four(context.builder.shapeOf(input));
  const { factor, mode: kind } = layer.attributes;
  const axis = (from: number, times: number): ResampledAxis => ({ kind, from, to: from * times, factor: times });
  return resampled(context, layer, input, [axis(height, factor[0]), axis(width, factor[1])]);
};

export const adaptivePool: Lowering<"adaptivePool"> = (layer, inputs, context) => {
  const input = asMaps(context, layer, only(inputs));
  const [, , height, width] = four(context.builder.shapeOf(input));
  const [rows, columns] = layer.attributes.output;
  const axis = (from: number, to: number): ResampledAxis => ({ kind: "average", from, to });
  return resampled(context, layer, input, [axis(height, rows), axis(width, columns)]);
};
