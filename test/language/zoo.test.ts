/**
 * The networks of examples/zoo/: what they count must be exactly what their papers' authors and torchvision count, and layer by
 * layer their outputs, parameters and multiply-adds those of torchvision's networks.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { checkText, shapeText, type CheckedLayer } from "../../language/index.ts";
import { goldenManifest, networkCases, type NetworkLayer } from "../golden/golden.ts";

const folder = new URL("../../examples/zoo/", import.meta.url);

/** Parameters, and those that are trained where that is fewer. */
const COUNTS: Readonly<Record<string, readonly [parameters: number, trainable?: number]>> = {
  alexnet: [61_100_840],
  vgg16: [138_357_544],
  "vgg16-bn": [138_365_992],
  resnet18: [11_689_512],
  resnet50: [25_557_032],
  squeezenet: [1_248_424],
  googlenet: [6_624_904],
  densenet121: [7_978_856],
  mobilenetv2: [3_504_872],
  mnasnet: [4_383_312],
  resnet20: [272_474],
  "resnet20-padded": [269_722],
  resnet56: [853_018],
  "vgg16-bn-cifar": [14_728_266],
  "densenet-bc-100-12": [769_162],
  resnet9: [6_573_120],
  airbench94: [1_972_792, 1_971_352],
  lenet5: [61_750],
  "fully-connected": [1_707_274],
  "vertical-lines": [9, 0],
  resnext50: [25_028_904],
  shufflenetv2: [2_278_604],
  "efficientnet-b0": [5_288_548],
  "convnext-tiny": [28_589_128],
  inceptionv3: [23_834_568],
  "mobilenetv3-large": [5_483_032],
};

const read = (name: string): string => readFileSync(new URL(`${name}.cnn`, folder), "utf8");
const check = (name: string) => checkText(read(name), `examples/zoo/${name}.cnn`);

test("every network of the folder is counted here", () => {
  const files = readdirSync(folder).filter((file) => file.endsWith(".cnn"));
  expect(files.map((file) => file.slice(0, -".cnn".length)).toSorted()).toEqual(Object.keys(COUNTS).toSorted());
});

describe.each(Object.entries(COUNTS))("%s", (name, [parameters, trainable]) => {
  const { program, diagnostics } = check(name);
  const model = program?.models[0];

  test("has these parameters, and ends in its classes", () => {
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(model?.totals.parameters).toBe(parameters);
    expect(model?.totals.trainable).toBe(trainable ?? parameters);
    const input = model?.input;
    const classes = (input?.height ?? 0) > 200 ? "1000" : "10";
    const last = model?.layers[model.output]?.outputShape;
    if (name !== "vertical-lines") expect(last && shapeText(last)).toBe(classes);
  });

  test("names its parameters one by one", () => {
    const paths = model?.layers.flatMap((layer) => layer.parameters.map(({ path }) => path)) ?? [];
    expect(new Set(paths).size).toBe(paths.length);
    const names = model?.layers.map((layer) => layer.name) ?? [];
    expect(new Set(names).size).toBe(names.length);
  });

  test("tells in its header where it comes from and what it counts", () => {
    const [header = ""] = read(name).split("\n\n");
    if (parameters > 10) expect(header).toContain(parameters.toLocaleString("en-US"));
    expect(header).toMatch(/\b(19|20)\d\d\b|without convolutions/);
  });
});

/** Our kinds of layers in PyTorch's words; activations have one word in both. */
const OPERATIONS: Partial<Record<CheckedLayer["kind"], string>> = {
  conv: "convolution",
  fc: "linear",
  batchNorm: "batch norm",
  maxPool: "max pool",
  averagePool: "average pool",
  add: "add",
  mul: "mul",
  concat: "concat",
};

/** The layers that compute something: in evaluation mode, a dropout does nothing, and `slice` and `shuffle` move values. */
function computing(layers: readonly CheckedLayer[]): NetworkLayer[] {
  return layers.flatMap(({ kind, text, outputShape, parameters, multiplyAdds }): NetworkLayer[] => {
    const operation = kind === "activation" ? text : OPERATIONS[kind];
    if (operation === undefined) return [];
    const counted = parameters.filter((parameter) => parameter.counted);
    const count = counted.reduce((sum, { shape }) => sum + shape.reduce((product, side) => product * side, 1), 0);
    return [[operation, shapeText(outputShape), count, multiplyAdds]];
  });
}

describe("layer by layer as torchvision's", () => {
  test("there are values for at least six networks", () => {
    expect(networkCases().length).toBeGreaterThanOrEqual(6);
    expect(goldenManifest().torchvision).toMatch(/^0\.\d/);
  });

  test.each(networkCases())("$network", ({ network, input, layers }) => {
    const model = check(network).program?.models[0];
    expect(model && shapeText(model.input)).toBe(input);
    expect(computing(model?.layers ?? [])).toEqual(layers);
    const others = new Set(model?.layers.flatMap(({ kind }) => (kind in OPERATIONS ? [] : [kind])));
    const known = new Set<string>(["activation", "dropout", "dropPath", "flatten", "slice", "shuffle"]);
    expect([...others].filter((kind) => !known.has(kind))).toEqual([]);
  });
});
