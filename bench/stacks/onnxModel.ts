/**
 * A network as an ONNX model, for inference.
 *
 * In: a checked model and its weights. Out: the bytes of a ModelProto: input `images` `[N, C, H, W]`, normalised; output
 * `logits` `[N, K]`. What holds: weights are initializers under their names in files; batch normalisation uses the running
 * statistics. Operators: onnx.ai/onnx/operators, opset 17.
 */
import type { CheckedModel } from "../../language/index.ts";
import { type LayerTable, only, refuseUnless, runLayers } from "./stack.ts";
import type { Weights } from "./taskData.ts";

const opset = 17;
/** Numbers of the format: TensorProto.FLOAT, AttributeProto.FLOAT, INT and INTS, ModelProto's version of the format. */
const float32 = 1;
const attributeTypes = { float: 1, int: 2, ints: 7 } as const;
const formatVersion = 8n;

type Attribute = {
  readonly name: string;
  readonly type: number;
  readonly f?: number;
  readonly i?: bigint;
  readonly ints?: bigint[];
};
interface Node {
  readonly opType: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly Attribute[];
}

/** The packages that write the format: `onnx-buf` has its messages, compiled for `@bufbuild/protobuf`. */
interface Protobuf {
  readonly create: (schema: unknown, values: object) => object;
  readonly toBinary: (schema: unknown, message: object) => Uint8Array;
}

export async function encodeOnnx(model: CheckedModel, batch: number, weights: Weights): Promise<Uint8Array> {
  const names = ["@bufbuild/protobuf", "onnx-buf"] as const;
  const { create, toBinary } = (await import(names[0])) as Protobuf;
  const { ModelProtoSchema } = (await import(names[1])) as { readonly ModelProtoSchema: unknown };
  const { channels, height, width } = model.input;
  const nodes: Node[] = [];
  const { output } = runLayers(model, "images", layerTable(nodes));
  const classes = model.layers.find(({ id }) => id === model.output)?.outputShape.channels ?? 0;
  const message = create(ModelProtoSchema, {
    irVersion: formatVersion,
    producerName: "cnnc-bench",
    opsetImport: [{ domain: "", version: BigInt(opset) }],
    graph: {
      name: model.name,
      node: nodes,
      initializer: initializersOf(model, weights),
      input: [valueInfo("images", [batch, channels, height, width])],
      output: [valueInfo(output, [batch, classes])],
    },
  });
  return toBinary(ModelProtoSchema, message);
}

function initializersOf(model: CheckedModel, weights: Weights): object[] {
  return model.layers.flatMap((layer) =>
    layer.parameters.map(({ name, path, shape }) => {
      const { data } = weights(layer, name);
      const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      return { name: path, dataType: float32, dims: shape.map(BigInt), rawData };
    }),
  );
}

function valueInfo(name: string, shape: readonly number[]): object {
  const dim = shape.map((extent) => ({ value: { case: "dimValue", value: BigInt(extent) } }));
  return { name, type: { value: { case: "tensorType", value: { elemType: float32, shape: { dim } } } } };
}

const int = (name: string, value: number): Attribute => ({ name, type: attributeTypes.int, i: BigInt(value) });
const float = (name: string, value: number): Attribute => ({ name, type: attributeTypes.float, f: value });
const ints = (name: string, values: readonly number[]): Attribute => ({
  name,
  type: attributeTypes.ints,
  ints: values.map(BigInt),
});

function layerTable(nodes: Node[]): LayerTable<string> {
  const add = (
    opType: string,
    name: string,
    input: readonly string[],
    attribute: readonly Attribute[] = [],
  ): string => {
    nodes.push({ opType, input, output: [name], attribute });
    return name;
  };
  const pads = ({
    top,
    left,
    bottom,
    right,
  }: { readonly [side in "top" | "left" | "bottom" | "right"]: number }): Attribute =>
    ints("pads", [top, left, bottom, right]);
  return {
    conv: ({ name, attributes, parameters }, inputs) => {
      const { kernel, stride, padding, dilation, groups } = attributes;
      const more = [
        ints("kernel_shape", kernel),
        ints("strides", stride),
        pads(padding),
        ints("dilations", dilation),
        int("group", groups),
      ];
      return add("Conv", name, [only(inputs), ...parameters.map(({ path }) => path)], more);
    },
    batchNorm: ({ name, attributes: { epsilon, scale, shift } }, inputs) => {
      refuseUnless(scale && shift, "batch normalisation without weights here");
      const parts = ["weight", "bias", "running_mean", "running_var"].map((part) => `${name}.${part}`);
      return add("BatchNormalization", name, [only(inputs), ...parts], [float("epsilon", epsilon)]);
    },
    activation: ({ name, attributes }, inputs) => {
      refuseUnless(attributes.function === "relu", `${attributes.function} here`);
      return add("Relu", name, inputs);
    },
    maxPool: ({ name, attributes: { kernel, stride, padding } }, inputs) =>
      add("MaxPool", name, inputs, [ints("kernel_shape", kernel), ints("strides", stride), pads(padding)]),
    averagePool: ({ name, attributes: { kernel, stride, padding } }, inputs) =>
      add("AveragePool", name, inputs, [
        ints("kernel_shape", kernel),
        ints("strides", stride),
        pads(padding),
        int("count_include_pad", 1),
      ]),
    fc: ({ name, parameters }, inputs) => {
      const flat = add("Flatten", `${name} input`, inputs, [int("axis", 1)]);
      return add("Gemm", name, [flat, ...parameters.map(({ path }) => path)], [int("transB", 1)]);
    },
    flatten: ({ name }, inputs) => add("Flatten", name, inputs, [int("axis", 1)]),
    add: ({ name }, inputs) =>
      inputs.reduce((sum, input, i) => add("Add", i === inputs.length - 1 ? name : `${name} ${i}`, [sum, input])),
  };
}
