/** Layers that make or take vectors. */
import { shapeElements, type Shape } from "../checkedProgram.ts";
import { defineLayer, type LayerEntry } from "../layerEntry.ts";
import { integer, onOff, real } from "../parameterTypes.ts";
import { optional, required } from "../signature.ts";
import { weightAndBias } from "./weights.ts";

const vector = (channels: number): Shape => ({ channels, height: 1, width: 1, flat: true });

const fc = defineLayer({
  words: "fc",
  kind: "fc",
  doc: "Fully connected: each output sees every value; it flattens what it is given.",
  example: "fc 120 bias off",
  takes: "anything",
  arguments: { outputs: required(integer(1), "the number of outputs") },
  options: { bias: optional(onOff, true, "adds a learned number to each output") },
  attributes: ({ outputs, bias }) => ({ outFeatures: outputs, bias }),
  output: ({ outFeatures }) => vector(outFeatures),
  outputOfAnything: ({ outputs }) => vector(outputs),
  parameters: ({ outFeatures, bias }, input) =>
    weightAndBias([outFeatures, shapeElements(input)], shapeElements(input), bias),
  matrix: ({ outFeatures }, input) => ({ rows: outFeatures, columns: shapeElements(input), outputs: 1, kind: "whole" }),
  multiplyAdds: ({ outFeatures }, input) => outFeatures * shapeElements(input),
  sight: () => "all",
});

const flatten = defineLayer({
  words: "flatten",
  kind: "flatten",
  doc: "Makes a vector of the maps, channel after channel (`fc` does that by itself).",
  example: "flatten",
  takes: "anything",
  inlined: true,
  arguments: {},
  options: {},
  attributes: () => ({}),
  output: (_, input) => vector(shapeElements(input)),
});

const dropout = defineLayer({
  words: "dropout",
  kind: "dropout",
  doc: "In training, sets values to 0 at random and scales the others up by 1 / (1 - probability).",
  example: "dropout 0.5",
  takes: "anything",
  keepsShape: true,
  inlined: true,
  arguments: { probability: required(real({ minimum: 0, maximum: 1, below: true }), "the share of values set to 0") },
  options: {},
  attributes: ({ probability }) => ({ probability }),
  output: (_, input) => input,
});

const dropPath = defineLayer({
  words: "drop_path",
  kind: "dropPath",
  doc: "In training, sets all values of a picture to 0 at random and scales the others up by 1 / (1 - probability): stochastic depth, at the end of a branch.",
  example: "drop_path 0.1",
  takes: "anything",
  keepsShape: true,
  inlined: true,
  arguments: { probability: required(real({ minimum: 0, maximum: 1, below: true }), "the share of pictures set to 0") },
  options: {},
  attributes: ({ probability }) => ({ probability }),
  output: (_, input) => input,
});

export const vectors: readonly LayerEntry[] = [fc, flatten, dropout, dropPath];
