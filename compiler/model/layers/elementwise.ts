/** Layers that compute each value from one: activations and dropout. */
import { argument, choose, type Formula, minus, number, over, times, unary } from "../../operators/formula.ts";
import { activations } from "../activations.ts";
import { type Lowering, map, only, originOf, pathOf, perChannel } from "./context.ts";

export const activation: Lowering<"activation"> = (layer, inputs, context) => {
  const { function: name, parameter } = layer.attributes;
  const { formula, derivative } = activations[name];
  const attributes = derivative
    ? { formula: formula(parameter), derivatives: [derivative(parameter)] }
    : { formula: formula(parameter) };
  return context.builder.add("map", attributes, [only(inputs)], originOf(layer));
};

export const dropout: Lowering<"dropout"> = (layer, inputs, context) => {
  const input = only(inputs);
  const { probability } = layer.attributes;
  if (!context.training || probability === 0) return input;
  const draw: Formula = { kind: "random", stream: 1 + layer.id, seed: 1, step: 2 };
  const keep = choose("greaterEqual", draw, number(probability), number(1 / (1 - probability)), number(0));
  return map(context, layer, times(argument(0), keep), [input, context.seed(), context.step()]);
};

/** One draw an image: the whole branch is there or not. */
export const dropPath: Lowering<"dropPath"> = (layer, inputs, context) => {
  const input = only(inputs);
  const { probability } = layer.attributes;
  if (!context.training || probability === 0) return input;
  const draw: Formula = { kind: "random", stream: 1 + layer.id, seed: 0, step: 1 };
  const keep = choose("greaterEqual", draw, number(probability), number(1 / (1 - probability)), number(0));
  const shape = context.builder.shapeOf(input).map((extent, d) => (d === 0 ? extent : 1));
  const attributes = { formula: keep, shape };
  const kept = context.builder.add("map", attributes, [context.seed(), context.step()], originOf(layer, "draws"));
  return map(context, layer, times(argument(0), argument(1)), [input, kept]);
};

export const prelu: Lowering<"prelu"> = (layer, inputs, context) => {
  const input = only(inputs);
  const weight = context.parameter(pathOf(layer, "weight"));
  const shape = context.builder.shapeOf(input).map(() => 1);
  const slope = layer.attributes.shared
    ? context.builder.add("reshape", { shape }, [weight], originOf(layer))
    : perChannel(context, layer, weight, input);
  const formula = choose("greater", argument(0), number(0), argument(0), times(argument(1), argument(0)));
  return map(context, layer, formula, [input, slope]);
};

/** The largest value is taken off first, so that nothing overflows; the result does not depend on it, nor does the gradient. */
export const softmax: Lowering<"softmax"> = (layer, inputs, context) => {
  const { builder } = context;
  const input = only(inputs);
  const reduce = (operator: "maximum" | "add", of: number, role: string): number =>
    builder.add("reduce", { operator, axes: [1] }, [of], originOf(layer, role));
  const largest = reduce("maximum", input, "largest");
  const formula = unary("exponential", minus(argument(0), argument(1)));
  const attributes = { formula, derivatives: [undefined, number(0)] };
  const powers = builder.add("map", attributes, [input, largest], originOf(layer, "exponentials"));
  return map(context, layer, over(argument(0), argument(1)), [powers, reduce("add", powers, "sum")]);
};

export const scale: Lowering<"scale"> = (layer, inputs, context) => {
  const input = only(inputs);
  const { factor, learn } = layer.attributes;
  if (!learn) return map(context, layer, times(argument(0), number(factor)), [input]);
  const factors = perChannel(context, layer, context.parameter(pathOf(layer, "weight")), input);
  return map(context, layer, times(argument(0), argument(1)), [input, factors]);
};
