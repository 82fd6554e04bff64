/**
 * The files of a task as numbers.
 *
 * In: a task and its folder. Out: its weights by name, and batches: normalised floats, channels first or last, with labels.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CheckedLayer, shapeElements } from "../../language/index.ts";
import { decodeSafetensors, type NamedTensor } from "../../runtime/files/safetensors.ts";
import { files, type Task } from "../task.ts";

export interface Batch {
  readonly images: Float32Array;
  readonly labels: Uint8Array;
  /** `[batch, classes]` */
  readonly oneHot: Float32Array;
}

export type Weights = (layer: CheckedLayer, name: string) => NamedTensor;

export function readWeights(folder: string): Weights {
  const { tensors } = decodeSafetensors(readFileSync(join(folder, files.weights)), files.weights);
  return (layer, name) => {
    const path = layer.parameters.find((parameter) => parameter.name === name)?.path ?? name;
    const found = tensors[path];
    if (!found) throw new Error(`there are no weights ${path}`);
    return found;
  };
}

export function readImages(folder: string): { images: Uint8Array; labels: Uint8Array } {
  return { images: readFileSync(join(folder, files.images)), labels: readFileSync(join(folder, files.labels)) };
}

/** The pictures are normalised once, beforehand: what a step does with them is to gather and to hand over. */
export function createBatches(task: Task, folder: string, layout: "channelsFirst" | "channelsLast") {
  const { model, recipe, count } = task;
  const { images, labels } = readImages(folder);
  const elements = shapeElements(model.input);
  const pixels = elements / model.input.channels;
  const floats = new Float32Array(images.length);
  for (let i = 0; i < images.length; i++) {
    const place = i % elements;
    const channel = Math.floor(place / pixels);
    const value =
      ((images[i] ?? 0) / 255 - (recipe.normalize.mean[channel] ?? 0)) / (recipe.normalize.std[channel] ?? 1);
    const to = layout === "channelsFirst" ? place : (place % pixels) * model.input.channels + channel;
    floats[i - place + to] = value;
  }
  const { classes } = recipe.data;
  return (step: number): Batch => {
    const batch = {
      images: new Float32Array(recipe.batch * elements),
      labels: new Uint8Array(recipe.batch),
      oneHot: new Float32Array(recipe.batch * classes),
    };
    for (let j = 0; j < recipe.batch; j++) {
      const row = (step * recipe.batch + j) % count;
      batch.images.set(floats.subarray(row * elements, (row + 1) * elements), j * elements);
      const label = labels[row] ?? 0;
      batch.labels[j] = label;
      batch.oneHot[j * classes + label] = 1;
    }
    return batch;
  };
}

/** `data` of row-major shape `from` with its axes in another order. */
export function transposed(data: Float32Array, from: readonly number[], order: readonly number[]): Float32Array {
  const strides = from.map((_, axis) => from.slice(axis + 1).reduce((product, extent) => product * extent, 1));
  const extents = order.map((axis) => from[axis] ?? 1);
  const steps = order.map((axis) => strides[axis] ?? 1);
  return Float32Array.from(data, (_, flat) => {
    let rest = flat;
    let place = 0;
    for (let axis = extents.length - 1; axis >= 0; axis--) {
      const extent = extents[axis] ?? 1;
      place += (rest % extent) * (steps[axis] ?? 1);
      rest = Math.floor(rest / extent);
    }
    return data[place] ?? 0;
  });
}
