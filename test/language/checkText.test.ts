import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { checkText, layerCatalogue, shapeText, type CheckedLayer, type CheckedModel } from "../../language/index.ts";

const lenet = readFileSync(new URL("../../examples/lenet.cnn", import.meta.url), "utf8");

function modelOf(source: string): CheckedModel {
  const { program, diagnostics } = checkText(source, "test.cnn");
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  const model = program?.models[0];
  if (model === undefined) throw new Error("no model");
  return model;
}

/** The only layer of a model with this input. */
function layerOf(input: string, layer: string): CheckedLayer {
  const [found] = modelOf(`model M {\n  input ${input}\n  ${layer}\n}\n`).layers;
  if (found === undefined) throw new Error("no layer");
  return found;
}

describe("LeNet", () => {
  const model = modelOf(lenet);
  const counts = (layer: CheckedLayer): number =>
    layer.parameters
      .filter(({ counted }) => counted)
      .reduce((sum, { shape }) => sum + shape.reduce((product, side) => product * side, 1), 0);

  test("parameters", () => {
    expect(model.layers.map(counts).filter((count) => count > 0)).toEqual([456, 12, 2416, 32, 48120, 10164, 850]);
    expect(model.totals.parameters).toBe(62050);
    expect(model.totals.trainable).toBe(62050);
    expect(model.totals.parameterBytes).toBe(4 * 62050);
  });

  test("the memory that the tutorial's summary gives: 0.11 MB for forward and backward", () => {
    expect((model.totals.activationBytes / 2 ** 20).toFixed(2)).toBe("0.11");
  });

  test("names, shapes and the chain of layers", () => {
    expect(model.layers.map(({ name, outputShape }) => `${name} ${shapeText(outputShape)}`)).toEqual([
      "conv1 6@28x28",
      "bn1 6@28x28",
      "relu1 6@28x28",
      "pool1 6@14x14",
      "conv2 16@10x10",
      "bn2 16@10x10",
      "relu2 16@10x10",
      "pool2 16@5x5",
      "fc1 120",
      "relu3 120",
      "fc2 84",
      "relu4 84",
      "fc3 10",
    ]);
    expect(model.layers.map(({ id }) => id)).toEqual(model.layers.map((_, index) => index));
    expect(model.layers.map(({ inputs }) => inputs)).toEqual(model.layers.map((_, index) => [index - 1]));
    expect(model.output).toBe(12);
  });

  test("each layer knows its words, its line and its parameters' names in files", () => {
    const conv2 = model.layers.find(({ name }) => name === "conv2");
    expect(conv2 && lenet.slice(conv2.span.start, conv2.span.end)).toBe("conv 16@5x5");
    expect(conv2?.line).toBe(5);
    expect(conv2?.parameters).toEqual([
      {
        name: "weight",
        path: "conv2.weight",
        shape: [16, 6, 5, 5],
        trainable: true,
        learningRate: 1,
        counted: true,
        initial: { kind: "uniform", bound: 1 / Math.sqrt(150) },
      },
      {
        name: "bias",
        path: "conv2.bias",
        shape: [16],
        trainable: true,
        learningRate: 1,
        counted: true,
        initial: { kind: "uniform", bound: 1 / Math.sqrt(150) },
      },
    ]);
    const bn1 = model.layers.find(({ name }) => name === "bn1");
    expect(bn1?.parameters.map(({ path, trainable, counted, initial }) => [path, trainable, counted, initial])).toEqual(
      [
        ["bn1.weight", true, true, { kind: "constant", value: 1 }],
        ["bn1.bias", true, true, { kind: "constant", value: 0 }],
        ["bn1.running_mean", false, false, { kind: "constant", value: 0 }],
        ["bn1.running_var", false, false, { kind: "constant", value: 1 }],
      ],
    );
  });

  test("the recipe", () => {
    expect(checkText(lenet, "lenet.cnn").program?.recipe).toMatchObject({
      data: { name: "cifar10", classes: 10, image: { channels: 3, height: 32, width: 32, flat: false } },
      normalize: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
      batch: 64,
      epochs: 10,
      loss: { kind: "crossEntropy", smoothing: 0 },
      optimizer: { kind: "adam", learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0 },
      seed: 0,
    });
  });
});

test("a recipe with everything, and one with nothing but data", () => {
  const recipeOf = (lines: string) =>
    checkText(`model M { input 3@32x32 -> fc 10 }\ntrain {\n${lines}\n}\n`, "test.cnn").program?.recipe;
  const full = `data shapes
    normalize mean 0.4914, 0.4822, 0.4465 std 0.2470, 0.2435, 0.2616
    batch 128 -> epochs 30
    loss cross_entropy smoothing 0.1
    optimizer sgd decay 5e-4 lr 0.1 nesterov on momentum 0.9
    seed 7`;
  expect(recipeOf(full)).toMatchObject({
    data: { name: "shapes" },
    normalize: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
    batch: 128,
    epochs: 30,
    loss: { kind: "crossEntropy", smoothing: 0.1 },
    optimizer: { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true, decay: 5e-4 },
    seed: 7,
  });
  expect(recipeOf("data shapes")).toMatchObject({
    normalize: { mean: [0, 0, 0], std: [1, 1, 1] },
    batch: 64,
    epochs: 10,
    optimizer: { kind: "adam", learningRate: 0.001 },
    seed: 0,
  });
});

/** Shapes of torch.nn.Conv2d, MaxPool2d and AvgPool2d with the same arguments (torch 1.13). */
test.each([
  ["3@32x32", "conv 8@3", "8@30x30"],
  ["3@32x32", "conv 8@3x3 stride 2 pad 1", "8@16x16"],
  ["3@7x9", "conv 8@3x5 stride 2x3 pad 1x2", "8@4x3"],
  ["3@9x9", "conv 8@3x3 dilation 2", "8@5x5"],
  ["3@9x9", "conv 8@2x4 pad same dilation 3", "8@9x9"],
  ["4@9x9", "conv 8@3x3 groups 4 pad valid", "8@7x7"],
  ["3@33x33", "pool max 2", "3@16x16"],
  ["3@33x33", "pool max 2 ceil on", "3@17x17"],
  ["3@5x5", "pool max 2 stride 3 ceil on", "3@2x2"],
  ["3@4x4", "pool max 1 stride 3 ceil on", "3@2x2"],
  ["3@5x5", "pool avg 2 stride 2 pad 1 ceil on", "3@3x3"],
  ["3@6x6", "pool avg 3 stride 3 pad 1 ceil on", "3@3x3"],
  ["3@4x4", "pool avg 2 stride 4 pad 1 ceil on", "3@2x2"],
  ["3@32x32", "pool max 3x3 stride 2 pad 1", "3@16x16"],
  ["3@9x5", "pool max 2x1", "3@4x5"],
  ["3@9x5", "pool avg global", "3@1x1"],
  ["3@9x5", "pool max 2 stride 1 pad same", "3@9x5"],
  ["3@9x5", "flatten", "135"],
  ["3@9x5", "fc 7", "7"],
  ["3@9x5", "dropout 0.5", "3@9x5"],
])("%s through `%s` is %s", (input, layer, output) => {
  expect(shapeText(layerOf(input, layer).outputShape)).toBe(output);
});

test("attributes with all defaults resolved", () => {
  expect(layerOf("4@9x9", "conv 8@2x5 pad same dilation 1x2 groups 2 bias off").attributes).toEqual({
    outChannels: 8,
    kernel: [2, 5],
    stride: [1, 1],
    padding: { top: 0, bottom: 1, left: 4, right: 4 },
    mode: "zeros",
    dilation: [1, 2],
    groups: 2,
    bias: false,
  });
  const pool = { kernel: [3, 3], stride: [3, 3], padding: { top: 1, bottom: 1, left: 1, right: 1 }, ceil: true };
  expect(layerOf("4@9x9", "pool max 3 pad 1 ceil on")).toMatchObject({ kind: "maxPool", attributes: pool });
  expect(layerOf("4@9x8", "pool avg global")).toMatchObject({
    kind: "averagePool",
    attributes: { kernel: [9, 8], stride: [9, 8], padding: { top: 0, bottom: 0, left: 0, right: 0 }, ceil: false },
  });
  expect(layerOf("4@9x9", "bn").attributes).toEqual({ epsilon: 1e-5, momentum: 0.1, scale: true, shift: true });
  expect(layerOf("4@9x9", "leaky_relu").attributes).toEqual({ function: "leaky_relu", parameter: 0.01 });
  expect(layerOf("4@9x9", "leaky_relu 0.2").attributes).toEqual({ function: "leaky_relu", parameter: 0.2 });
  expect(layerOf("4@9x9", "elu").attributes).toEqual({ function: "elu", parameter: 1 });
  expect(layerOf("4@9x9", "dropout 0.25").attributes).toEqual({ probability: 0.25 });
  expect(layerOf("4@9x9", "fc 10 bias off").parameters.map(({ shape }) => shape)).toEqual([[10, 324]]);
});

test("parameters that are switched off are not there", () => {
  const names = (layer: string): string[] => layerOf("4@9x9", layer).parameters.map(({ name }) => name);
  expect(names("bn scale off")).toEqual(["bias", "running_mean", "running_var"]);
  expect(names("bn shift off")).toEqual(["weight", "running_mean", "running_var"]);
  expect(names("conv 2@3x3 bias off")).toEqual(["weight"]);
});

test("canonical words", () => {
  const text = (layer: string): string => layerOf("4@9x9", layer).text;
  expect(text("conv  6@5   bias off stride 1 pad 1x2")).toBe("conv 6@5x5 pad 1x2 bias off");
  expect(text("pool max 3x3 pad 1 stride 2")).toBe("pool max 3 stride 2 pad 1");
  expect(text("bn momentum 0.2")).toBe("bn momentum 0.2");
  expect(text("conv (2 * 3)@(2 + 1)")).toBe("conv 6@3x3");
});

test("multiply-adds", () => {
  expect(layerOf("4@9x9", "conv 8@3x3 groups 2").multiplyAdds).toBe(8 * 7 * 7 * 2 * 9);
  expect(layerOf("4@9x9", "fc 10").multiplyAdds).toBe(3240);
  expect(layerOf("4@9x9", "pool max 3").multiplyAdds).toBe(0);
});

/** Worked by hand from the recurrence size += (extent - 1) * jump, jump *= stride. */
test("receptive fields", () => {
  const { layers } = modelOf(`model M {
    input 3@64x64
    conv 4@3x3 stride 2 pad 1
    conv 4@3x5 dilation 2
    pool max 2
    flatten
    fc 3 -> fc 2
  }`);
  expect(layers.map(({ receptiveField }) => [receptiveField.size, receptiveField.jump])).toEqual([
    [
      [3, 3],
      [2, 2],
    ],
    [
      [11, 19],
      [2, 2],
    ],
    [
      [13, 21],
      [4, 4],
    ],
    [
      [13, 21],
      [4, 4],
    ],
    // the pool's output is 14x12: 13 + 13 * 4 rows, 21 + 11 * 4 columns
    [
      [65, 65],
      [4, 4],
    ],
    [
      [65, 65],
      [4, 4],
    ],
  ]);
});

test("activations of the catalogue are all of the type's", () => {
  const found = layerCatalogue.filter(({ kind }) => kind === "activation").map(({ words }) => words);
  expect(found).toEqual([
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "hardswish",
    "hardsigmoid",
    "sigmoid",
    "tanh",
    "softplus",
  ]);
  for (const words of found) expect(layerOf("2@3x3", words).attributes).toMatchObject({ function: words });
});

test("new lines and arrows are the same", () => {
  const layers = (body: string): string[] => modelOf(`model M {${body}}`).layers.map(({ text }) => text);
  const wanted = ["relu", "pool max 2", "fc 10"];
  expect(layers(" input 3@32x32 -> relu -> pool max 2 -> fc 10 ")).toEqual(wanted);
  expect(layers("\n\ninput 3@32x32\n\nrelu\npool max 2\r\nfc 10\r\n")).toEqual(wanted);
  expect(layers("input 3@32x32\r-> relu # and so on\n  -> pool max 2 ->\n\n fc 10")).toEqual(wanted);
});
