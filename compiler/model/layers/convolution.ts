/** Convolutions and fully connected layers as operators. */
import { addBias, asMaps, flat, type Lowering, only, originOf, pathOf } from "./context.ts";
import { padded } from "./resizing.ts";

export const conv: Lowering<"conv"> = (layer, inputs, context) => {
  const { kernel, stride, dilation, groups, mode } = layer.attributes;
  const maps = asMaps(context, layer, only(inputs));
  const isPadded = mode !== "zeros";
  const input = isPadded ? padded(context, layer, maps, layer.attributes.padding, mode) : maps;
  const padding = isPadded ? { top: 0, bottom: 0, left: 0, right: 0 } : layer.attributes.padding;
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
