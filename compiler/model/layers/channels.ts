/** Layers that choose or reorder channels, as operators. */
import { type Lowering, only, originOf } from "./context.ts";

export const slice: Lowering<"slice"> = (layer, inputs, context) => {
  const { first: start, count } = layer.attributes;
  return context.builder.add("channels", { start, count }, [only(inputs)], originOf(layer));
};

/** The channels seen as `[groups, channels / groups]`, turned over. */
export const shuffle: Lowering<"shuffle"> = (layer, inputs, context) => {
  const { builder } = context;
  const input = only(inputs);
  const shape = builder.shapeOf(input);
  const [batch = 1, channels = 1, ...rest] = shape;
  const { groups } = layer.attributes;
  const origin = originOf(layer);
  const grouped = builder.add("reshape", { shape: [batch, groups, channels / groups, ...rest] }, [input], origin);
  const axes = [0, 2, 1, ...rest.map((_, d) => d + 3)];
  const turned = builder.add("permute", { axes }, [grouped], origin);
  return builder.add("reshape", { shape }, [turned], origin);
};
