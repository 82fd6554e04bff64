/**
 * Layers as operators: one entry for each kind of layer of the language.
 *
 * In: a checked layer and its inputs as nodes, `[N, C, H, W]` or `[N, F]`. Out: its output node. Statistics that
 * training changes are updated through the builder.
 */
import type { CheckedLayer, LayerKind, PoolAttributes } from "../../language/checkedProgram.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import { InvariantError, type Origin, type StateTensor } from "../graph/graph.ts";
import {
  argument,
  choose,
  coordinate,
  type Formula,
  larger,
  minus,
  number,
  over,
  plus,
  smaller,
  times,
  unary,
} from "../operators/formula.ts";
import { four } from "../operators/convolution.ts";
import { activations } from "./activations.ts";

export interface LoweringContext {
  readonly builder: GraphBuilder;
  readonly training: boolean;
  readonly seed: () => number;
  readonly step: () => number;
  /** The node of a parameter, by its path. */
  readonly parameter: (path: string) => number;
  /** A statistic that is no parameter: `bn1.running_mean`. */
  readonly statistic: (path: string, channels: number) => StateTensor;
}

type LayerOf<K extends LayerKind> = Extract<CheckedLayer, { kind: K }>;
type Lowering<K extends LayerKind> = (layer: LayerOf<K>, inputs: readonly number[], context: LoweringContext) => number;

function originOf(layer: CheckedLayer, role = "forward"): Origin {
  return { layer: layer.name, line: layer.line, role };
}

function only(inputs: readonly number[]): number {
  const [input] = inputs;
  if (input === undefined) throw new InvariantError("a layer has no input");
  return input;
}

function map(
  context: LoweringContext,
  layer: CheckedLayer,
  formula: Formula,
  inputs: readonly number[],
  role?: string,
) {
  return context.builder.add("map", { formula }, inputs, originOf(layer, role));
}

/** A vector of one value a channel, shaped to broadcast over `[N, C, …]`. */
function perChannel(context: LoweringContext, layer: CheckedLayer, vector: number, like: number): number {
  const shape = context.builder.shapeOf(like).map((extent, d) => (d === 1 ? extent : 1));
  return context.builder.add("reshape", { shape }, [vector], originOf(layer));
}

function hasParameter(layer: CheckedLayer, name: string): boolean {
  return layer.parameters.some((parameter) => parameter.name === name);
}

function pathOf(layer: CheckedLayer, name: string): string {
  const found = layer.parameters.find((parameter) => parameter.name === name);
  if (!found) throw new InvariantError(`${layer.name} has no ${name}`);
  return found.path;
}

function addBias(context: LoweringContext, layer: CheckedLayer, output: number): number {
  if (!hasParameter(layer, "bias")) return output;
  const bias = perChannel(context, layer, context.parameter(pathOf(layer, "bias")), output);
  return map(context, layer, plus(argument(0), argument(1)), [output, bias]);
}

/** Feature maps, for layers that slide over them; a vector is a map of one pixel. */
function asMaps(context: LoweringContext, layer: CheckedLayer, input: number): number {
  const shape = context.builder.shapeOf(input);
  if (shape.length === 4) return input;
  return context.builder.add("reshape", { shape: [...shape, 1, 1] }, [input], originOf(layer));
}

function flat(context: LoweringContext, layer: CheckedLayer, input: number): number {
  const [batch = 1, ...rest] = context.builder.shapeOf(input);
  if (rest.length === 1) return input;
  const features = rest.reduce((a, b) => a * b, 1);
  return context.builder.add("reshape", { shape: [batch, features] }, [input], originOf(layer));
}

function windowOf({ kernel, stride, padding }: PoolAttributes, layer: CheckedLayer) {
  const { height, width } = layer.outputShape;
  return { kernel, stride, padding, output: [height, width] as const };
}

/** Cells of the window inside the padded map, as PyTorch counts them with `count_include_pad`. */
function windowCells(layer: LayerOf<"averagePool">): Formula {
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

/**
 * Batch statistics in one pass: with s the channel's first value (any constant would do, a near one avoids cancellation),
 * mean = s + Σ(x-s)/m and variance = Σ(x-s)²/m - (Σ(x-s)/m)² ("shifted data"; Chan, Golub, LeVeque 1983).
 */
function batchStatistics(context: LoweringContext, layer: LayerOf<"batchNorm">, input: number) {
  const { builder } = context;
  const shape = builder.shapeOf(input);
  const channels = shape[1] ?? 1;
  const axes = shape.flatMap((_, d) => (d === 1 ? [] : [d]));
  const count = shape.reduce((a, b) => a * b, 1) / channels;
  const runningMean = context.statistic(pathOf(layer, "running_mean"), channels);
  const runningVariance = context.statistic(pathOf(layer, "running_var"), channels);
  const shift = builder.add("first", { axes }, [input], originOf(layer, "first value"));
  const oldMean = perChannel(context, layer, builder.state(runningMean), input);
  const oldVariance = perChannel(context, layer, builder.state(runningVariance), input);
  const centred = minus(argument(0), argument(1));
  const sum = (formula: Formula, role: string): number =>
    builder.add(
      "reduce",
      { operator: "add", axes },
      [map(context, layer, formula, [input, shift], role)],
      originOf(layer, role),
    );
  const first = sum(centred, "sum");
  const second = sum(times(centred, centred), "sum of squares");
  const m = number(count);
  const meanOffset = over(argument(0), m);
  const mean = map(context, layer, plus(argument(1), meanOffset), [first, shift], "mean");
  const variance = map(
    context,
    layer,
    larger(minus(over(argument(1), m), times(meanOffset, meanOffset)), number(0)),
    [first, second],
    "variance",
  );
  const { momentum, epsilon } = layer.attributes;
  const inverse = map(
    context,
    layer,
    unary("inverseSquareRoot", plus(argument(0), number(epsilon))),
    [variance],
    "inverse deviation",
  );
  const blend = (share: number): Formula =>
    plus(times(number(1 - momentum), argument(0)), times(number(momentum * share), argument(1)));
  const update = (state: StateTensor, old: number, value: number, share: number, role: string): void =>
    builder.update(
      state,
      builder.add(
        "reshape",
        { shape: [channels] },
        [map(context, layer, blend(share), [old, value], role)],
        originOf(layer, role),
      ),
    );
  update(runningMean, oldMean, mean, 1, "running mean");
  // The running estimate is unbiased: m / (m - 1).
  update(runningVariance, oldVariance, variance, count / Math.max(1, count - 1), "running variance");
  return { mean, inverse, count };
}

function scaleAndShift(context: LoweringContext, layer: LayerOf<"batchNorm">, input: number): [number, number] {
  const shape = context.builder.shapeOf(input).map((extent, d) => (d === 1 ? extent : 1));
  const constant = (value: number): number =>
    context.builder.add("map", { formula: number(value), shape }, [], originOf(layer));
  const of = (name: string, value: number): number =>
    hasParameter(layer, name)
      ? perChannel(context, layer, context.parameter(pathOf(layer, name)), input)
      : constant(value);
  return [of("weight", 1), of("bias", 0)];
}

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

const lowerings: { readonly [K in LayerKind]: Lowering<K> } = {
  conv: (layer, inputs, context) => {
    const { kernel, stride, padding, dilation, groups } = layer.attributes;
    const input = asMaps(context, layer, only(inputs));
    const weight = context.parameter(pathOf(layer, "weight"));
    const attributes = { kernel, stride, padding, dilation, groups };
    return addBias(context, layer, context.builder.add("conv", attributes, [input, weight], originOf(layer)));
  },
  maxPool: (layer, inputs, context) => {
    const attributes = { ...windowOf(layer.attributes, layer), operator: "maximum" as const };
    return context.builder.add("window", attributes, [asMaps(context, layer, only(inputs))], originOf(layer));
  },
  averagePool: (layer, inputs, context) => {
    const attributes = { ...windowOf(layer.attributes, layer), operator: "add" as const };
    const input = asMaps(context, layer, only(inputs));
    const sum = context.builder.add("window", attributes, [input], originOf(layer, "window sum"));
    return map(context, layer, over(argument(0), windowCells(layer)), [sum]);
  },
  batchNorm: (layer, inputs, context) => {
    const input = only(inputs);
    const [scale, shift] = scaleAndShift(context, layer, input);
    if (context.training) {
      const { mean, inverse, count } = batchStatistics(context, layer, input);
      return context.builder.add("normalizeBatch", { count }, [input, mean, inverse, scale, shift], originOf(layer));
    }
    const channels = context.builder.shapeOf(input)[1] ?? 1;
    const statistic = (name: string): number =>
      perChannel(context, layer, context.builder.state(context.statistic(pathOf(layer, name), channels)), input);
    const deviation = unary("inverseSquareRoot", plus(argument(2), number(layer.attributes.epsilon)));
    const formula = plus(times(minus(argument(0), argument(1)), deviation, argument(3)), argument(4));
    return map(context, layer, formula, [input, statistic("running_mean"), statistic("running_var"), scale, shift]);
  },
  activation: (layer, inputs, context) => {
    const { function: name, parameter } = layer.attributes;
    const { formula, derivative } = activations[name];
    const attributes = derivative
      ? { formula: formula(parameter), derivatives: [derivative(parameter)] }
      : { formula: formula(parameter) };
    return context.builder.add("map", attributes, [only(inputs)], originOf(layer));
  },
  fc: (layer, inputs, context) => {
    const input = flat(context, layer, only(inputs));
    const weight = context.parameter(pathOf(layer, "weight"));
    const attributes = { transposeLeft: false, transposeRight: true };
    return addBias(context, layer, context.builder.add("matmul", attributes, [input, weight], originOf(layer)));
  },
  add: (layer, inputs, context) => elementwise(context, layer, inputs, plus),
  mul: (layer, inputs, context) => elementwise(context, layer, inputs, times),
  concat: (layer, inputs, context) => {
    const { channels: count } = layer.outputShape;
    let start = 0;
    // Each input with zeros around it, and their sum: every element is one of them and zeros.
    const spread = together(context, layer, inputs).map((input) => {
      const moved = context.builder.add("channels", { start: -start, count }, [input], originOf(layer));
      start += context.builder.shapeOf(input)[1] ?? 0;
      return moved;
    });
    return elementwise(context, layer, spread, plus);
  },
  flatten: (layer, inputs, context) => flat(context, layer, only(inputs)),
  dropout: (layer, inputs, context) => {
    const input = only(inputs);
    const { probability } = layer.attributes;
    if (!context.training || probability === 0) return input;
    const draw: Formula = { kind: "random", stream: 1 + layer.id, seed: 1, step: 2 };
    const keep = choose("greaterEqual", draw, number(probability), number(1 / (1 - probability)), number(0));
    return map(context, layer, times(argument(0), keep), [input, context.seed(), context.step()]);
  },
};

export function lowerLayer(layer: CheckedLayer, inputs: readonly number[], context: LoweringContext): number {
  // Entry and layer are of the same kind; the union cannot say so.
  const lowering = lowerings[layer.kind] as Lowering<LayerKind>;
  return lowering(layer, inputs, context);
}

export { four };
