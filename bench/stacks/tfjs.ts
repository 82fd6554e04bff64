/**
 * TensorFlow.js with its WebGPU backend, under Dawn in Node.js: a layers model, trained with `optimizer.minimize`.
 *
 * What holds: channels are last there, so that weights are transposed and rows of the first fully connected layer reordered.
 */
import type { Pair } from "../../language/index.ts";
import type { Task } from "../task.ts";
import { createStepCounter, provideWebGpu } from "./countCalls.ts";
import { type LayerTable, neededEnd, only, type OpenStack, refuseUnless, runLayers, type Stack } from "./stack.ts";
import { createBatches, readWeights, transposed, type Weights } from "./taskData.ts";

/** The part of the library that is used here. */
interface Tensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface SymbolicTensor {
  readonly shape: readonly (number | null)[];
}
interface TfLayer {
  apply(input: SymbolicTensor | readonly SymbolicTensor[]): SymbolicTensor;
  setWeights(weights: readonly Tensor[]): void;
}
interface TfModel {
  apply(input: Tensor, options: { training: boolean }): Tensor;
}
interface TfOptimizer {
  minimize(loss: () => Tensor, returnCost: true): Tensor;
}
interface Tf {
  readonly version_core: string;
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  input(options: { shape: readonly number[] }): SymbolicTensor;
  model(options: { inputs: SymbolicTensor; outputs: SymbolicTensor }): TfModel;
  tensor(values: Float32Array, shape: readonly number[]): Tensor;
  tidy<T>(work: () => T): T;
  readonly layers: Readonly<Record<string, (options?: object) => TfLayer>>;
  readonly train: { adam(rate: number, beta1: number, beta2: number, epsilon: number): TfOptimizer };
  readonly losses: { softmaxCrossEntropy(labels: Tensor, logits: Tensor): Tensor };
}

export const tfjs: Stack = {
  async open(task, folder) {
    const counter = createStepCounter(await provideWebGpu());
    const tf = await load();
    const model = buildModel(tf, task, readWeights(folder));
    const batches = createBatches(task, folder, "channelsLast");
    const run = task.mode === "train" ? trainer(tf, model, task, batches) : predictor(tf, model, task, batches);
    return {
      run: (first, count, every) => counter.during(count, () => run(first, count, every)),
      facts: async () => ({ version: tf.version_core, device: "webgpu backend", ...counter.facts() }),
    };
  },
};

async function load(): Promise<Tf> {
  const names = ["@tensorflow/tfjs", "@tensorflow/tfjs-backend-webgpu"] as const;
  const { default: tf } = (await import(names[0])) as { default: Tf };
  await import(names[1]);
  if (!(await tf.setBackend("webgpu"))) throw new Error("its webgpu backend does not start");
  await tf.ready();
  return tf;
}

function buildModel(tf: Tf, { model }: Task, weights: Weights): TfModel {
  const { channels, height, width } = model.input;
  const input = tf.input({ shape: [height, width, channels] });
  return tf.model({ inputs: input, outputs: runLayers(model, input, layerTable(tf, weights)).output });
}

function layerTable(tf: Tf, weights: Weights): LayerTable<SymbolicTensor> {
  const make = (kind: string, options?: object): TfLayer => {
    const maker = tf.layers[kind];
    if (!maker) throw new Error(`it has no layer ${kind}`);
    return maker(options ?? {});
  };
  /** Weights can be set once a layer has been applied. */
  const apply = (layer: TfLayer, input: SymbolicTensor, values: readonly Tensor[] = []): SymbolicTensor => {
    const output = layer.apply(input);
    if (values.length > 0) layer.setWeights(values);
    return output;
  };
  return {
    conv: (layer, inputs) => {
      const { outChannels, kernel, stride, padding, groups, dilation, bias } = layer.attributes;
      refuseUnless(groups === 1 && dilation.every((step) => step === 1), "grouped or dilated convolutions here");
      const [input, output] = [layer.inputShapes[0], layer.outputShape];
      if (!input) throw new Error("a convolution without an input");
      const pad = [
        [padding.top, neededEnd(input.height, output.height, kernel[0], stride[0], padding.top)],
        [padding.left, neededEnd(input.width, output.width, kernel[1], stride[1], padding.left)],
      ] as const;
      const same =
        stride.every((step) => step === 1) &&
        pad.every(([start, end], axis) => start === end && 2 * start + 1 === (kernel as Pair)[axis]);
      const none = pad.flat().every((cells) => cells === 0);
      const padded = same || none ? only(inputs) : apply(make("zeroPadding2d", { padding: pad }), only(inputs));
      const weight = weights(layer, "weight");
      const values = [
        tf.tensor(
          transposed(weight.data, weight.shape, [2, 3, 1, 0]),
          [2, 3, 1, 0].map((axis) => weight.shape[axis] ?? 1),
        ),
      ];
      if (bias) values.push(tf.tensor(weights(layer, "bias").data, [outChannels]));
      const options = {
        filters: outChannels,
        kernelSize: [...kernel],
        strides: [...stride],
        padding: same && !none ? "same" : "valid",
        useBias: bias,
      };
      return apply(make("conv2d", options), padded, values);
    },
    batchNorm: (layer, inputs) => {
      const { epsilon, momentum } = layer.attributes;
      const values = ["weight", "bias", "running_mean", "running_var"].map((name) => {
        const { data, shape } = weights(layer, name);
        return tf.tensor(data, shape);
      });
      return apply(make("batchNormalization", { momentum: 1 - momentum, epsilon }), only(inputs), values);
    },
    activation: (layer, inputs) => {
      refuseUnless(layer.attributes.function === "relu", `${layer.attributes.function} here`);
      return apply(make("activation", { activation: "relu" }), only(inputs));
    },
    maxPool: (layer, inputs) => {
      const { kernel, stride, padding } = layer.attributes;
      refuseUnless(
        Object.values(padding).every((cells) => cells === 0),
        "padded pooling here",
      );
      return apply(make("maxPooling2d", { poolSize: [...kernel], strides: [...stride] }), only(inputs));
    },
    averagePool: (layer, inputs) => {
      const { height, width, channels } = layer.outputShape;
      refuseUnless(height === 1 && width === 1, "local average pooling here");
      return apply(
        make("reshape", { targetShape: [1, 1, channels] }),
        apply(make("globalAveragePooling2d"), only(inputs)),
      );
    },
    fc: (layer, inputs) => {
      const [shape] = layer.inputShapes;
      if (!shape) throw new Error("a fully connected layer without an input");
      const { outFeatures, bias } = layer.attributes;
      const { data } = weights(layer, "weight");
      const { channels, height, width } = shape;
      const columns = transposed(data, [outFeatures, channels, height, width], [2, 3, 1, 0]);
      const values = [tf.tensor(columns, [channels * height * width, outFeatures])];
      if (bias) values.push(tf.tensor(weights(layer, "bias").data, [outFeatures]));
      const flat = shape.flat ? only(inputs) : apply(make("flatten"), only(inputs));
      return apply(make("dense", { units: outFeatures, useBias: bias }), flat, values);
    },
    add: (_, inputs) => make("add").apply(inputs),
  };
}

type Batches = ReturnType<typeof createBatches>;

function imagesOf(tf: Tf, { model, recipe }: Task, images: Float32Array): Tensor {
  return tf.tensor(images, [recipe.batch, model.input.height, model.input.width, model.input.channels]);
}

function trainer(tf: Tf, model: TfModel, task: Task, batches: Batches): OpenStack["run"] {
  const { optimizer: recipe, loss } = task.recipe;
  if (recipe.kind !== "adam" || loss.smoothing !== 0)
    throw new Error("it is trained here with Adam and plain cross entropy alone");
  const optimizer = tf.train.adam(recipe.learningRate, recipe.beta1, recipe.beta2, recipe.epsilon);
  const step = (number: number): Tensor => {
    const batch = batches(number);
    const images = imagesOf(tf, task, batch.images);
    const labels = tf.tensor(batch.oneHot, [task.recipe.batch, task.recipe.data.classes]);
    const cost = optimizer.minimize(
      () => tf.losses.softmaxCrossEntropy(labels, model.apply(images, { training: true })),
      true,
    );
    for (const tensor of [images, labels]) tensor.dispose();
    return cost;
  };
  return async (first, count, every) => {
    const losses: number[] = [];
    for (let number = first; number < first + count; number++) {
      const cost = step(number);
      if (every || number === first + count - 1) losses.push((await cost.data())[0] ?? NaN);
      cost.dispose();
    }
    return losses;
  };
}

function predictor(tf: Tf, model: TfModel, task: Task, batches: Batches): OpenStack["run"] {
  return async (first, count) => {
    let values = new Float32Array();
    for (let number = first; number < first + count; number++) {
      const images = imagesOf(tf, task, batches(number).images);
      const logits = tf.tidy(() => model.apply(images, { training: false }));
      values = new Float32Array(await logits.data());
      for (const tensor of [images, logits]) tensor.dispose();
    }
    return [...values];
  };
}
