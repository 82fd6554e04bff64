/** Normalisations as operators. */
import type { CheckedLayer } from "../../../language/checkedProgram.ts";
import { four } from "../../operators/convolution.ts";
import {
  argument,
  type Formula,
  larger,
  minus,
  number,
  over,
  plus,
  power,
  times,
  unary,
} from "../../operators/formula.ts";
import type { StateTensor } from "../../graph/graph.ts";
import {
  addBias,
  hasParameter,
  type LayerOf,
  type LoweringContext,
  type Lowering,
  map,
  only,
  originOf,
  pathOf,
  perChannel,
} from "./context.ts";

type Normalisation = LayerOf<"batchNorm" | "layerNorm" | "groupNorm">;

/** Elements of an image that are worth statistics of their own. */
const leastPerImage = 16;

/**
 * Mean and variance along some axes in one pass: with s the first value (any constant would do, a near one avoids
 * cancellation), mean = s + Σ(x-s)/m and variance = Σ(x-s)²/m - (Σ(x-s)/m)² ("shifted data"; Chan, Golub, LeVeque 1983).
 * `within`, where given, is the variance that each x stands for by itself, which adds to it.
 */
function onePass(
  context: LoweringContext,
  layer: Normalisation,
  input: number,
  axes: readonly number[],
  within?: number,
): { mean: number; variance: number } {
  const { builder } = context;
  const count = axes.reduce((product, axis) => product * (builder.shapeOf(input)[axis] ?? 1), 1);
  const shift = builder.add("first", { axes }, [input], originOf(layer, "first value"));
  const centred = minus(argument(0), argument(1));
  const sum = (formula: Formula, role: string, ...more: readonly number[]): number =>
    builder.add(
      "reduce",
      { operator: "add", axes },
      [map(context, layer, formula, [input, shift, ...more], role)],
      originOf(layer, role),
    );
  const first = sum(centred, "sum");
  const squares = times(centred, centred);
  const second =
    within === undefined ? sum(squares, "sum of squares") : sum(plus(squares, argument(2)), "sum of squares", within);
  const m = number(count);
  const meanOffset = over(argument(0), m);
  const mean = map(context, layer, plus(argument(1), meanOffset), [first, shift], "mean");
  const spread = larger(minus(over(argument(1), m), times(meanOffset, meanOffset)), number(0));
  return { mean, variance: map(context, layer, spread, [first, second], "variance") };
}

/**
 * Mean, variance and inverse deviation along some axes. Over several images, each image has its own, and then their means
 * and variances are put together: images stay apart as long as possible, so that what comes before can be computed with
 * them, image by image.
 */
function statistics(context: LoweringContext, layer: Normalisation, input: number, axes: readonly number[]) {
  const shape = context.builder.shapeOf(input);
  const countOf = (list: readonly number[]): number => list.reduce((product, axis) => product * (shape[axis] ?? 1), 1);
  const inside = axes.filter((axis) => axis !== 0);
  const isSplit = inside.length < axes.length && (shape[0] ?? 1) > 1 && countOf(inside) >= leastPerImage;
  const images = isSplit ? onePass(context, layer, input, inside) : undefined;
  const { mean, variance } = images
    ? onePass(context, layer, images.mean, [0], images.variance)
    : onePass(context, layer, input, axes);
  const deviation = unary("inverseSquareRoot", plus(argument(0), number(layer.attributes.epsilon)));
  const inverse = map(context, layer, deviation, [variance], "inverse deviation");
  return { mean, variance, inverse, count: countOf(axes) };
}

/** The statistics of a batch, which move the running ones. */
function batchStatistics(context: LoweringContext, layer: LayerOf<"batchNorm">, input: number) {
  const { builder } = context;
  const shape = builder.shapeOf(input);
  const channels = shape[1] ?? 1;
  const runningMean = context.statistic(pathOf(layer, "running_mean"), channels);
  const runningVariance = context.statistic(pathOf(layer, "running_var"), channels);
  const oldMean = perChannel(context, layer, builder.state(runningMean), input);
  const oldVariance = perChannel(context, layer, builder.state(runningVariance), input);
  const axes = shape.flatMap((_, d) => (d === 1 ? [] : [d]));
  const { mean, variance, inverse, count } = statistics(context, layer, input, axes);
  const { momentum } = layer.attributes;
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

export const batchNorm: Lowering<"batchNorm"> = (layer, inputs, context) => {
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
};

/** Mean 0 and variance 1 along some axes of each image: `(x - mean) · inverse`. */
function standardized(
  context: LoweringContext,
  layer: LayerOf<"layerNorm" | "groupNorm">,
  input: number,
  axes: readonly number[],
): number {
  const { builder } = context;
  const { mean, inverse, count } = statistics(context, layer, input, axes);
  const constant = (value: number): number =>
    builder.add("map", { formula: number(value), shape: builder.shapeOf(mean) }, [], originOf(layer));
  return builder.add("normalizeBatch", { count }, [input, mean, inverse, constant(1), constant(0)], originOf(layer));
}

/** Times `weight`, plus `bias`, where the layer has them. */
function affine(context: LoweringContext, layer: CheckedLayer, input: number): number {
  const vector = (name: string): number => perChannel(context, layer, context.parameter(pathOf(layer, name)), input);
  const scaled = hasParameter(layer, "weight")
    ? map(context, layer, times(argument(0), argument(1)), [input, vector("weight")])
    : input;
  return addBias(context, layer, scaled);
}

export const layerNorm: Lowering<"layerNorm"> = (layer, inputs, context) =>
  affine(context, layer, standardized(context, layer, only(inputs), [1]));

export const groupNorm: Lowering<"groupNorm"> = (layer, inputs, context) => {
  const { builder } = context;
  const input = only(inputs);
  const shape = builder.shapeOf(input);
  const [batch = 1, ...rest] = shape;
  const { groups } = layer.attributes;
  const grouped = [batch, groups, rest.reduce((product, extent) => product * extent, 1) / groups];
  const flat = builder.add("reshape", { shape: grouped }, [input], originOf(layer, "groups"));
  const found = standardized(context, layer, flat, [2]);
  return affine(context, layer, builder.add("reshape", { shape }, [found], originOf(layer, "groups")));
};

/** The sum over neighbouring channels is a window that slides along them: `[N, C, H, W]` seen as `[N, 1, C, H·W]`. */
export const localResponseNorm: Lowering<"localResponseNorm"> = (layer, inputs, context) => {
  const { builder } = context;
  const input = only(inputs);
  const shape = builder.shapeOf(input);
  const [batch, channels, height, width] = four(shape);
  const { size, alpha, beta, k } = layer.attributes;
  const see = (of: number, as: readonly number[]): number =>
    builder.add("reshape", { shape: as }, [of], originOf(layer, "channels"));
  const squares = map(context, layer, times(argument(0), argument(0)), [input], "squares");
  const window = {
    operator: "add",
    kernel: [size, 1],
    stride: [1, 1],
    padding: { top: Math.floor(size / 2), bottom: Math.floor((size - 1) / 2), left: 0, right: 0 },
    output: [channels, height * width],
  } as const;
  const rows = see(squares, [batch, 1, channels, height * width]);
  const sum = see(builder.add("window", window, [rows], originOf(layer, "sum of squares")), shape);
  const divisor = plus(number(k), times(number(alpha / size), argument(1)));
  return map(context, layer, times(argument(0), power(divisor, number(-beta))), [input, sum]);
};
