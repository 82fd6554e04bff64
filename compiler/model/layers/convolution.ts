/** Convolutions and fully connected layers as operators. */
import { addBias, asMaps, flat, type Lowering, only, originOf, pathOf } from "./context.ts";

export const conv: Lowering<"conv"> = (layer, inputs, context) => {
  const { kernel, stride, padding, dilation, groups } = layer.attributes;
  const input = asMaps(context, layer, only(inputs));
  const weight = context.parameter(pathOf(layer, "weight"));
  const attributes = { kernel, stride, padding, dilation, groups };
  return addBias(context, layer, context.builder.add("conv", attributes, [input, weight], originOf(layer)));
};

export const fc: Lowering<"fc"> = (layer, inputs, context) => {
  const input = flat(context, layer, only(inputs));
  const weight = context.parameter(pathOf(layer, "weight"));
  const attributes = { transposeLeft: false, transposeRight: true };
  return addBias(context, layer, context.builder.add("matmul", attributes, [input, weight], originOf(layer)));
};
