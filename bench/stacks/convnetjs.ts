/**
 * ConvNetJS, plain JavaScript of 2014, an image at a time. It has no batch normalisation and no Adam: the network is trained
 * without the one and with Adadelta, so that its time counts and its losses are its own.
 */
import type { CheckedModel } from "../../language/index.ts";
import type { Task } from "../task.ts";
import { type LayerTable, type OpenStack, refuseUnless, runLayers, type Stack } from "./stack.ts";
import { createBatches } from "./taskData.ts";

/** The part of the library that is used here. */
interface Vol {
  readonly w: { [place: number]: number; readonly length: number };
}
interface Net {
  makeLayers(definitions: readonly Definition[]): void;
  forward(input: Vol): Vol;
}
interface ConvNet {
  readonly Vol: new (width: number, height: number, channels: number) => Vol;
  readonly Net: new () => Net;
  readonly Trainer: new (
    net: Net,
    options: object,
  ) => { train(input: Vol, label: number): { readonly cost_loss: number } };
}
type Definition = Readonly<Record<string, string | number>>;

export const convnetjs: Stack = {
  async open(task, folder) {
    const name = "convnetjs";
    const { default: library } = (await import(name)) as { default: ConvNet };
    const net = new library.Net();
    net.makeLayers(definitionsOf(task));
    const batches = createBatches(task, folder, "channelsLast");
    const { channels, height, width } = task.model.input;
    const pictures = (images: Float32Array): Vol[] =>
      Array.from({ length: task.recipe.batch }, (_, j) => {
        const picture = new library.Vol(width, height, channels);
        const elements = picture.w.length;
        for (let k = 0; k < elements; k++) picture.w[k] = images[j * elements + k] ?? 0;
        return picture;
      });
    const run =
      task.mode === "train" ? trainer(library, net, task, batches, pictures) : predictor(net, batches, pictures);
    return { run, facts: async () => ({ version: "0.3.0", device: "JavaScript" }) };
  },
};

/** A chain; every layer adds what the library calls it. */
function definitionsOf({ model, recipe }: Task): Definition[] {
  const { channels, height, width } = model.input;
  const input: Definition = { type: "input", out_sx: width, out_sy: height, out_depth: channels };
  refuseUnless(isChain(model), "branches");
  const { output } = runLayers<readonly Definition[]>(model, [input], layerTable);
  // Its last fully connected layer belongs to the classifier.
  return [...output.slice(0, -1), { type: "softmax", num_classes: recipe.data.classes }];
}

function isChain({ layers }: CheckedModel): boolean {
  return layers.every(({ inputs }, i) => inputs.length === 1 && inputs[0] === i - 1);
}

const layerTable: LayerTable<readonly Definition[]> = {
  conv: ({ attributes: { outChannels, kernel, stride, padding } }, [before = []]) => [
    ...before,
    { type: "conv", sx: kernel[1], sy: kernel[0], filters: outChannels, stride: stride[0], pad: padding.top },
  ],
  batchNorm: (_, [before = []]) => before,
  activation: ({ attributes }, [before = []]) => {
    refuseUnless(attributes.function === "relu", `${attributes.function} here`);
    return [...before, { type: "relu" }];
  },
  maxPool: ({ attributes: { kernel, stride } }, [before = []]) => [
    ...before,
    { type: "pool", sx: kernel[1], sy: kernel[0], stride: stride[0] },
  ],
  fc: ({ attributes: { outFeatures } }, [before = []]) => [...before, { type: "fc", num_neurons: outFeatures }],
};

type Batches = ReturnType<typeof createBatches>;
type Pictures = (images: Float32Array) => Vol[];

function trainer(library: ConvNet, net: Net, { recipe }: Task, batches: Batches, pictures: Pictures): OpenStack["run"] {
  const trainer = new library.Trainer(net, { method: "adadelta", batch_size: recipe.batch, l2_decay: 0 });
  return async (first, count, every) => {
    const losses: number[] = [];
    for (let number = first; number < first + count; number++) {
      const { images, labels } = batches(number);
      const sum = pictures(images).reduce(
        (total, picture, j) => total + trainer.train(picture, labels[j] ?? 0).cost_loss,
        0,
      );
      losses.push(sum / recipe.batch);
    }
    return every ? losses : losses.slice(-1);
  };
}

function predictor(net: Net, batches: Batches, pictures: Pictures): OpenStack["run"] {
  return async (first, count) => {
    let values: number[] = [];
    for (let number = first; number < first + count; number++)
      values = pictures(batches(number).images).flatMap((picture) => Array.from(net.forward(picture).w));
    return values;
  };
}
