/** Layers that choose or reorder channels, as operators. */
import { type Lowering, only, originOf } from "./context.ts";

export const slice: Lowering<"slice"> = (layer, inputs, context) => {
  const { first: start, count } = layer.attributes;
  return context.builder.add("channels", { start, count }, [only(inputs)], originOf(layer));
};
