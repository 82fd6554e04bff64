/**
 * Golden cases as graphs: what the compiler makes of an operator and of its gradients.
 *
 * In: a case of test/golden. Out: a graph over states named like the case's tensors (`x`, `weight`, `upstream`, …) that
 * writes `output` and `d x`, `d weight`, …, and running statistics. What holds: layers go through `lowerLayer`, as
 * users' layers do; a kind of layer or of golden operator without an entry here does not compile.
 */
import { createGraphBuilder, type GraphBuilder } from "../../compiler/graph/builder.ts";
import { differentiate } from "../../compiler/graph/differentiate.ts";
import { type Graph, nodeAt } from "../../compiler/graph/graph.ts";
import { activations } from "../../compiler/model/activations.ts";
import { lowerLayer } from "../../compiler/model/layers.ts";
import { crossEntropy } from "../../compiler/model/loss.ts";
import { argument, times } from "../../compiler/operators/formula.ts";
import type { ActivationName, CheckedLayer, LayerAttributes, LayerKind, Shape } from "../../language/checkedProgram.ts";
import type { GoldenAttributes, GoldenOperator, OperatorCase, Tensor } from "../golden/golden.ts";

export interface GraphOfCase {
  readonly graph: Graph;
  /** States before, by name. */
  readonly states: Readonly<Record<string, Float32Array>>;
  /** States after, by name. */
  readonly expected: Readonly<Record<string, Tensor>>;
}

interface Setting {
  readonly builder: GraphBuilder;
  readonly input: (name: string) => number;
  readonly prefix: string;
  readonly training: boolean;
}

const origin = { layer: "case", line: 1, role: "forward" };

function shapeOf(of: readonly number[]): Shape {
  const [, channels = 1, height = 1, width = 1] = of;
  return { channels, height, width, flat: of.length === 2 };
}

/** `x`, or `x0`, `x1`, … of a layer that merges branches. */
const inputNames = (one: OperatorCase): string[] => Object.keys(one.inputs).filter((name) => name.startsWith("x"));

/** A layer as the checker would give it, as far as lowering reads it. */
function layer<K extends LayerKind>(
  kind: K,
  attributes: LayerAttributes[K],
  one: OperatorCase,
  parameters: readonly string[],
): CheckedLayer {
  const named = parameters.map((name) => ({
    name,
    path: name,
    shape: one.inputs[name]?.shape ?? [],
    trainable: true,
    counted: true,
    initial: { kind: "constant", value: 0 },
  }));
  const inputs = inputNames(one);
  return {
    id: 0,
    kind,
    name: "case",
    attributes,
    inputs: inputs.map(() => -1),
    inputShapes: inputs.map((name) => shapeOf(one.inputs[name]?.shape ?? [])),
    outputShape: shapeOf(one.output.shape),
    parameters: named,
    line: 1,
    text: kind,
  } as unknown as CheckedLayer;
}

function lower(setting: Setting, of: CheckedLayer, inputs: readonly string[] = ["x"]): number {
  const { builder, input, prefix, training } = setting;
  const control = (name: string): number => builder.state({ name: prefix + name, shape: [1], type: "u32" });
  return lowerLayer(of, inputs.map(input), {
    builder,
    training,
    seed: () => control("seed"),
    step: () => control("step"),
    parameter: input,
    statistic: (path, channels) => ({ name: prefix + path, shape: [channels], type: "f32" }),
  });
}

type Build<K extends GoldenOperator> = (one: OperatorCase<K>, setting: Setting) => number;

const activation =
  (name: ActivationName): Build<ActivationName> =>
  (one, setting) =>
    lower(setting, layer("activation", { function: name, parameter: one.attributes.parameter }, one, []));

const merge =
  (kind: "add" | "mul" | "concat"): Build<typeof kind> =>
  (one, setting) =>
    lower(setting, layer(kind, {}, one, []), inputNames(one));

const parameterNames = (weight: boolean, bias: boolean): string[] => [
  ...(weight ? ["weight"] : []),
  ...(bias ? ["bias"] : []),
];

const affineNames = ({ scale, shift }: { readonly scale: boolean; readonly shift: boolean }): string[] =>
  parameterNames(scale, shift);

/** The mean over the batch; its gradient by the logits comes with it. */
function meanLoss({ builder, input }: Setting, smoothing: number): { mean: number; gradient: number } {
  const { perSample, gradient } = crossEntropy(builder, input("x"), input("labels"), smoothing);
  const [batch = 1] = builder.shapeOf(perSample);
  const sum = builder.add("reduce", { operator: "add", axes: [0, 1] }, [perSample], origin);
  const formula = times(argument(0), { kind: "constant", value: 1 / batch });
  const mean = builder.add("map", { formula }, [sum], origin);
  return { mean: builder.add("reshape", { shape: [1] }, [mean], origin), gradient };
}

/** Every golden operator but the losses, which have gradients of their own. */
const builds: { readonly [K in Exclude<GoldenOperator, "cross_entropy" | "log_softmax">]: Build<K> } = {
  conv2d: (one, setting) => {
    const { kernel, stride, padding, mode = "zeros", dilation, groups, bias } = one.attributes;
    const outChannels = one.output.shape[1] ?? 1;
    const attributes = { outChannels, kernel, stride, padding, mode, dilation, groups, bias };
    return lower(setting, layer("conv", attributes, one, parameterNames(true, bias)));
  },
  max_pool2d: (one, setting) => lower(setting, layer("maxPool", one.attributes, one, [])),
  avg_pool2d: (one, setting) => lower(setting, layer("averagePool", one.attributes, one, [])),
  batch_norm: (one, setting) => {
    const { epsilon, momentum, scale, shift } = one.attributes;
    const names = [...parameterNames(scale, shift), "running_mean", "running_var"];
    return lower(setting, layer("batchNorm", { epsilon, momentum, scale, shift }, one, names));
  },
  linear: (one, setting) => {
    const attributes = { outFeatures: one.output.shape[1] ?? 1, bias: one.attributes.bias };
    return lower(setting, layer("fc", attributes, one, parameterNames(true, one.attributes.bias)));
  },
  flatten: (one, setting) => lower(setting, layer("flatten", {}, one, [])),
  dropout: (one, setting) => lower(setting, layer("dropout", { probability: one.attributes.probability }, one, [])),
  relu: activation("relu"),
  relu6: activation("relu6"),
  leaky_relu: activation("leaky_relu"),
  elu: activation("elu"),
  selu: activation("selu"),
  gelu: activation("gelu"),
  silu: activation("silu"),
  mish: activation("mish"),
  hardswish: activation("hardswish"),
  hardsigmoid: activation("hardsigmoid"),
  sigmoid: activation("sigmoid"),
  tanh: activation("tanh"),
  softplus: activation("softplus"),
  add: merge("add"),
  mul: merge("mul"),
  concat: merge("concat"),
  scale: (one, setting) =>
    lower(setting, layer("scale", one.attributes, one, parameterNames(one.attributes.learn, false))),
  pad: (one, setting) => lower(setting, layer("pad", one.attributes, one, [])),
  upsample: (one, setting) => lower(setting, layer("upsample", one.attributes, one, [])),
  adaptive_avg_pool2d: (one, setting) => lower(setting, layer("adaptivePool", one.attributes, one, [])),
  channel_shuffle: (one, setting) => lower(setting, layer("shuffle", one.attributes, one, [])),
  layer_norm: (one, setting) => lower(setting, layer("layerNorm", one.attributes, one, affineNames(one.attributes))),
  group_norm: (one, setting) => lower(setting, layer("groupNorm", one.attributes, one, affineNames(one.attributes))),
  local_response_norm: (one, setting) => lower(setting, layer("localResponseNorm", one.attributes, one, [])),
  mixed_pool2d: (one, setting) =>
    lower(setting, layer("mixedPool", one.attributes, one, parameterNames(one.attributes.learn, false))),
  prelu: (one, setting) => lower(setting, layer("prelu", one.attributes, one, ["weight"])),
  softmax: (one, setting) => lower(setting, layer("softmax", {}, one, [])),
  drop_path: (one, setting) => lower(setting, layer("dropPath", { probability: one.attributes.probability }, one, [])),
  slice: (one, setting) => lower(setting, layer("slice", one.attributes, one, [])),
};

/** The golden operators that hold each kind of layer. */
export const goldenOfLayer: { readonly [K in LayerKind]: readonly GoldenOperator[] } = {
  conv: ["conv2d"],
  maxPool: ["max_pool2d"],
  averagePool: ["avg_pool2d"],
  batchNorm: ["batch_norm"],
  activation: Object.keys(activations) as ActivationName[],
  fc: ["linear"],
  flatten: ["flatten"],
  dropout: ["dropout"],
  add: ["add"],
  mul: ["mul"],
  concat: ["concat"],
  scale: ["scale"],
  slice: ["slice"],
  pad: ["pad"],
  upsample: ["upsample"],
  adaptivePool: ["adaptive_avg_pool2d"],
  shuffle: ["channel_shuffle"],
  layerNorm: ["layer_norm"],
  groupNorm: ["group_norm"],
  localResponseNorm: ["local_response_norm"],
  mixedPool: ["mixed_pool2d"],
  prelu: ["prelu"],
  softmax: ["softmax"],
  dropPath: ["drop_path"],
};

/** A case as a graph; `prefix` stands before the names of its states. */
export function graphOfCase(one: OperatorCase, prefix = ""): GraphOfCase {
  const builder = createGraphBuilder(`${prefix}${one.operator} ${one.name}`);
  const given: Record<string, Tensor> = { ...one.inputs, upstream: one.upstream };
  const input = (name: string): number => {
    const shape = given[name]?.shape ?? [];
    return builder.state({ name: prefix + name, shape: shape.length === 0 ? [1] : shape, type: "f32" });
  };
  const { training = true } = one.attributes as Partial<GoldenAttributes["batch_norm"]>;
  const setting = { builder, input, prefix, training };
  // What is written twice (both inputs of a sum have one gradient) is copied: a value lies in one place.
  const written = new Map<number, number>();
  const write = (name: string, node: number): void => {
    // A view of a state cannot be another state: it is copied.
    const isView = ["state", "reshape"].includes(nodeAt(builder, node).operator);
    const last = written.get(node) ?? node;
    const isCopied = isView || written.has(node);
    const value = isCopied ? builder.add("map", { formula: argument(0) }, [last], origin) : node;
    written.set(node, value);
    builder.update({ name: prefix + name, shape: builder.shapeOf(value), type: "f32" }, value);
  };
  const sources = Object.keys(one.gradients);
  for (const [name, gradient] of gradientsOf(one, setting, sources, write)) write(`d ${name}`, gradient);
  const states: Record<string, Float32Array> = { [`${prefix}seed`]: new Float32Array(1) };
  for (const [name, { data }] of Object.entries(given)) states[prefix + name] = Float32Array.from(data);
  const expected: Record<string, Tensor> = { [`${prefix}output`]: one.output };
  for (const [name, tensor] of Object.entries(one.gradients)) expected[`${prefix}d ${name}`] = tensor;
  for (const [name, tensor] of Object.entries(one.state)) expected[prefix + name] = tensor;
  return { graph: builder.finish(), states, expected };
}

/** Builds the case and writes its output; returns the gradients by name. */
function gradientsOf(
  one: OperatorCase,
  setting: Setting,
  sources: readonly string[],
  write: (name: string, node: number) => void,
): Map<string, number> {
  const { builder, input } = setting;
  if (one.operator === "cross_entropy") {
    const { mean, gradient } = meanLoss(setting, (one as OperatorCase<"cross_entropy">).attributes.smoothing);
    write("output", mean);
    const formula = times(argument(0), argument(1));
    return new Map([["x", builder.add("map", { formula }, [gradient, input("upstream")], origin)]]);
  }
  // The table's entry belongs to the case's operator; the union cannot say so.
  const build = builds[one.operator as keyof typeof builds] as Build<GoldenOperator>;
  const output = build(one, setting);
  write("output", output);
  const found = differentiate(builder, output, sources.map(input), input("upstream"));
  const zeros = (name: string): number =>
    builder.add("map", { formula: { kind: "constant", value: 0 }, shape: builder.shapeOf(input(name)) }, [], origin);
  // Where no gradient flows it is zero.
  return new Map(sources.map((name) => [name, found.get(input(name)) ?? zeros(name)]));
}
