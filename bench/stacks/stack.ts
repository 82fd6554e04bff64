/**
 * The interface behind which every stack that runs in Node.js lies, and what adapters share.
 *
 * In: a task and its folder. Out: a stack that has the network with the task's weights. An adapter is a table that says
 * what each kind of layer is in its library; `runLayers` walks the network.
 */
import { type CheckedLayer, type CheckedModel, type LayerKind, MODEL_INPUT } from "../../language/index.ts";
import type { Facts } from "../protocol.ts";
import type { Task } from "../task.ts";

export interface OpenStack {
  /** Training: losses, of every step or of the last alone. Inference: the logits of the last step. */
  run(first: number, count: number, every: boolean): Promise<readonly number[]>;
  /** With `peaks`, what its device reaches as well, if it can measure that. */
  facts(peaks: boolean): Promise<Facts>;
}

export interface Stack {
  open(task: Task, folder: string): Promise<OpenStack>;
}

export type LayerOf<K extends LayerKind> = Extract<CheckedLayer, { readonly kind: K }>;

/** What a layer is, given values of its inputs. */
export type LayerTable<T> = {
  readonly [K in LayerKind]?: (layer: LayerOf<K>, inputs: readonly T[]) => T;
};

/** Every layer's value, in order; the last entry of the result is the model's output. */
export function runLayers<T>(model: CheckedModel, input: T, table: LayerTable<T>): { output: T; values: T[] } {
  const values = new Map<number, T>([[MODEL_INPUT, input]]);
  for (const layer of model.layers) {
    const inputs = layer.inputs.map((id) => {
      const found = values.get(id);
      if (found === undefined) throw new Error(`${layer.name} reads layer ${id} before it is computed`);
      return found;
    });
    // The entry is the one of the layer's own kind.
    const entry = table[layer.kind] as ((layer: CheckedLayer, inputs: readonly T[]) => T) | undefined;
    if (!entry) throw new Error(`it has nothing for ${layer.text} (line ${layer.line})`);
    values.set(layer.id, entry(layer, inputs));
  }
  const output = values.get(model.output);
  if (output === undefined) throw new Error("the model has no output");
  return { output, values: [...values.values()] };
}

/** The first of a layer's inputs. */
export function only<T>([value]: readonly T[]): T {
  if (value === undefined) throw new Error("a layer without an input");
  return value;
}

/** Padding at the end of an axis that the windows of a convolution really reach. */
export function neededEnd(input: number, output: number, kernel: number, stride: number, start: number): number {
  return Math.max(0, (output - 1) * stride + kernel - input - start);
}

/** What an adapter does not build, as a reason. */
export function refuseUnless(holds: boolean, what: string): void {
  if (!holds) throw new Error(`it has no ${what}`);
}
