/**
 * jax-js with its WebGPU backend, under Dawn in Node.js: one jitted function for a whole step.
 *
 * What holds: arrays there are used up by what reads them; `.ref` is one more use. Adam is written out, as the library on npm
 * has no optimizers.
 */
import type { CheckedModel, OptimizerRecipe } from "../../language/index.ts";
import type { Task } from "../task.ts";
import { createStepCounter, provideWebGpu } from "./countCalls.ts";
import { type LayerTable, only, type OpenStack, refuseUnless, runLayers, type Stack } from "./stack.ts";
import { createBatches, readWeights, transposed } from "./taskData.ts";

/** The part of the library that is used here. */
interface JaxArray {
  readonly shape: readonly number[];
  readonly ref: JaxArray;
  add(other: JaxArray | number): JaxArray;
  sub(other: JaxArray): JaxArray;
  mul(other: JaxArray | number): JaxArray;
  div(other: JaxArray): JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  dispose(): void;
  data(): Promise<Float32Array>;
}
type Named = Record<string, JaxArray>;
interface Jax {
  readonly init: (device: string) => Promise<readonly string[]>;
  readonly defaultDevice: (device: string) => void;
  readonly jit: <A extends readonly unknown[], R>(work: (...given: A) => R) => (...given: A) => R;
  readonly valueAndGrad: <A extends readonly unknown[], X>(
    work: (parameters: Named, ...rest: A) => [JaxArray, X],
    options: { hasAux: true },
  ) => (parameters: Named, ...rest: A) => [[JaxArray, X], Named];
  readonly tree: { readonly ref: (of: Named) => Named; readonly dispose: (of: Named) => void };
  readonly numpy: {
    array(values: Float32Array | readonly number[]): JaxArray;
    zeros(shape: readonly number[]): JaxArray;
    mean(of: JaxArray, axes: readonly number[]): JaxArray;
    square(of: JaxArray): JaxArray;
    sqrt(of: JaxArray): JaxArray;
    exp(of: JaxArray): JaxArray;
    max(of: JaxArray): JaxArray;
    sum(of: JaxArray): JaxArray;
    subtract(a: number, b: JaxArray): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
  };
  readonly lax: {
    convGeneralDilated(
      x: JaxArray,
      w: JaxArray,
      strides: readonly number[],
      padding: readonly (readonly number[])[],
    ): JaxArray;
    reduceWindow(
      x: JaxArray,
      by: (w: JaxArray) => JaxArray,
      window: readonly number[],
      stride: readonly number[],
    ): JaxArray;
    stopGradient(of: JaxArray): JaxArray;
  };
  readonly nn: { relu(x: JaxArray): JaxArray; logSoftmax(x: JaxArray): JaxArray };
}

interface Network {
  readonly jax: Jax;
  readonly task: Task;
  /** Weights and biases, and running statistics, by their names in files. */
  readonly parameters: Named;
  readonly statistics: Named;
}

export const jax: Stack = {
  async open(task, folder) {
    const counter = createStepCounter(await provideWebGpu());
    const name = "@jax-js/jax";
    const library = (await import(name)) as Jax;
    if (!(await library.init("webgpu")).includes("webgpu")) throw new Error("its webgpu backend does not start");
    library.defaultDevice("webgpu");
    const network = readNetwork(library, task, folder);
    const batches = createBatches(task, folder, "channelsFirst");
    const run = task.mode === "train" ? trainer(network, batches) : predictor(network, batches);
    return {
      run: (first, count, every) => counter.during(count, () => run(first, count, every)),
      facts: async () => ({ version: "0.1.25", device: "webgpu backend", ...counter.facts() }),
    };
  },
};

function readNetwork(library: Jax, task: Task, folder: string): Network {
  const weights = readWeights(folder);
  const parameters: Named = {};
  const statistics: Named = {};
  for (const layer of task.model.layers)
    for (const { name, path, counted } of layer.parameters) {
      const { data, shape } = weights(layer, name);
      const isMatrix = layer.kind === "fc" && shape.length === 2;
      const values = isMatrix ? transposed(data, shape, [1, 0]) : data;
      const into = counted ? parameters : statistics;
      into[path] = library.numpy.array(values).reshape(isMatrix ? [...shape].reverse() : shape);
    }
  return { jax: library, task, parameters, statistics };
}

/** The logits; `fresh` collects the batch's statistics, or is undefined where the running ones are used. */
function forward(
  { jax: library, task: { model } }: Network,
  parameters: Named,
  running: Named,
  input: JaxArray,
  fresh?: Named,
): JaxArray {
  const table = layerTable(
    library,
    (path) => named(parameters, path).ref,
    (path) => named(running, path).ref,
    fresh,
  );
  const { output, values } = runLayers(model, input, table);
  const logits = output.ref;
  for (const value of values) value.dispose();
  return logits;
}

function named(of: Named, path: string): JaxArray {
  const found = of[path];
  if (!found) throw new Error(`there is no ${path}`);
  return found;
}

type Lookup = (path: string) => JaxArray;

function layerTable(
  { numpy, lax, nn }: Jax,
  parameter: Lookup,
  running: Lookup,
  fresh: Named | undefined,
): LayerTable<JaxArray> {
  const first = (inputs: readonly JaxArray[]): JaxArray => only(inputs).ref;
  return {
    conv: ({ name, attributes }, inputs) => {
      const { stride, padding, groups, dilation, bias, outChannels } = attributes;
      refuseUnless(groups === 1 && dilation.every((step) => step === 1), "grouped or dilated convolutions here");
      const pads = [
        [padding.top, padding.bottom],
        [padding.left, padding.right],
      ];
      const sums = lax.convGeneralDilated(first(inputs), parameter(`${name}.weight`), stride, pads);
      return bias ? sums.add(parameter(`${name}.bias`).reshape([1, outChannels, 1, 1])) : sums;
    },
    batchNorm: ({ name, attributes: { epsilon } }, inputs) => {
      const x = first(inputs);
      const [batch = 1, channels = 1, height = 1, width = 1] = x.shape;
      const spread = (of: JaxArray): JaxArray => of.reshape([1, channels, 1, 1]);
      const mean = fresh ? numpy.mean(x.ref, [0, 2, 3]) : running(`${name}.running_mean`);
      const centred = x.sub(spread(mean.ref));
      const variance = fresh ? numpy.mean(numpy.square(centred.ref), [0, 2, 3]) : running(`${name}.running_var`);
      if (fresh) {
        const count = batch * height * width;
        fresh[`${name}.running_mean`] = lax.stopGradient(mean);
        fresh[`${name}.running_var`] = lax.stopGradient(variance.ref).mul(count / (count - 1));
      } else mean.dispose();
      const factor = parameter(`${name}.weight`).div(numpy.sqrt(variance.add(epsilon)));
      return centred.mul(spread(factor)).add(spread(parameter(`${name}.bias`)));
    },
    activation: ({ attributes }, inputs) => {
      refuseUnless(attributes.function === "relu", `${attributes.function} here`);
      return nn.relu(first(inputs));
    },
    maxPool: ({ attributes: { kernel, stride, padding } }, inputs) => {
      refuseUnless(
        Object.values(padding).every((cells) => cells === 0),
        "padded pooling here",
      );
      return lax.reduceWindow(first(inputs), (window) => numpy.max(window), kernel, stride);
    },
    averagePool: ({ outputShape }, inputs) => {
      refuseUnless(outputShape.height === 1 && outputShape.width === 1, "local average pooling here");
      return numpy.mean(first(inputs), [2, 3]);
    },
    fc: ({ name, attributes: { bias } }, inputs) => {
      const x = first(inputs);
      const flat = x.shape.length === 2 ? x : x.reshape([x.shape[0] ?? 1, -1]);
      const sums = numpy.matmul(flat, parameter(`${name}.weight`));
      return bias ? sums.add(parameter(`${name}.bias`)) : sums;
    },
    add: (_, inputs) => inputs.map((input) => input.ref).reduce((sum, input) => sum.add(input)),
  };
}

/** Parameters, Adam's two moments, statistics, the number of the step. */
type State = readonly [Named, Named, Named, Named, JaxArray];
type Batches = ReturnType<typeof createBatches>;

function createStep(network: Network, recipe: OptimizerRecipe & { readonly kind: "adam" }) {
  const { jax: library, task } = network;
  const { numpy, nn, tree } = library;
  const loss = (parameters: Named, x: JaxArray, y: JaxArray): [JaxArray, Named] => {
    const fresh: Named = {};
    const logits = nn.logSoftmax(forward(network, parameters, {}, x, fresh));
    tree.dispose(parameters);
    return [numpy.sum(logits.mul(y)).mul(-1 / task.recipe.batch), fresh];
  };
  return ([parameters, first, second, running, count]: State, x: JaxArray, y: JaxArray): readonly [State, JaxArray] => {
    const [[value, fresh], gradients] = library.valueAndGrad(loss, { hasAux: true })(tree.ref(parameters), x, y);
    const step = count.add(1);
    const correction = (beta: number): JaxArray => numpy.subtract(1, numpy.exp(step.ref.mul(Math.log(beta))));
    const [firstCorrection, secondCorrection] = [correction(recipe.beta1), correction(recipe.beta2)];
    const next: [Named, Named, Named, Named] = [{}, {}, {}, {}];
    for (const [path, gradient] of Object.entries(gradients)) {
      const m = named(first, path)
        .mul(recipe.beta1)
        .add(gradient.ref.mul(1 - recipe.beta1));
      const v = named(second, path)
        .mul(recipe.beta2)
        .add(numpy.square(gradient).mul(1 - recipe.beta2));
      const rate = m.ref.div(firstCorrection.ref).mul(recipe.learningRate);
      const size = numpy.sqrt(v.ref.div(secondCorrection.ref)).add(recipe.epsilon);
      next[0][path] = named(parameters, path).sub(rate.div(size));
      next[1][path] = m;
      next[2][path] = v;
    }
    const momentum = momentumOf(task.model);
    for (const [path, value] of Object.entries(running))
      next[3][path] = value.mul(1 - momentum).add(named(fresh, path).mul(momentum));
    for (const correctionUsed of [firstCorrection, secondCorrection]) correctionUsed.dispose();
    return [[...next, step], value];
  };
}

function momentumOf({ layers }: CheckedModel): number {
  const [momentum = 0.1] = layers.flatMap((layer) => (layer.kind === "batchNorm" ? [layer.attributes.momentum] : []));
  return momentum;
}

function imagesOf({ jax: { numpy }, task: { model, recipe } }: Network, images: Float32Array): JaxArray {
  return numpy.array(images).reshape([recipe.batch, model.input.channels, model.input.height, model.input.width]);
}

function trainer(network: Network, batches: Batches): OpenStack["run"] {
  const { jax: library, task, parameters, statistics } = network;
  const { optimizer, loss, batch: size, data } = task.recipe;
  if (optimizer.kind !== "adam" || loss.smoothing !== 0)
    throw new Error("it is trained here with Adam and plain cross entropy alone");
  const step = library.jit(createStep(network, optimizer));
  const zeros = (): Named =>
    Object.fromEntries(Object.entries(parameters).map(([path, { shape }]) => [path, library.numpy.zeros(shape)]));
  let state: State = [parameters, zeros(), zeros(), statistics, library.numpy.array([0])];
  return async (first, count, every) => {
    const losses: number[] = [];
    for (let number = first; number < first + count; number++) {
      const batch = batches(number);
      const labels = library.numpy.array(batch.oneHot).reshape([size, data.classes]);
      const [next, value] = step(state, imagesOf(network, batch.images), labels);
      state = next;
      if (every || number === first + count - 1) losses.push((await value.data())[0] ?? NaN);
      else value.dispose();
    }
    return losses;
  };
}

function predictor(network: Network, batches: Batches): OpenStack["run"] {
  const { jax: library, parameters, statistics } = network;
  const predict = library.jit((weights: Named, running: Named, x: JaxArray): JaxArray => {
    const logits = forward(network, weights, running, x);
    library.tree.dispose(weights);
    library.tree.dispose(running);
    return logits;
  });
  const { ref } = library.tree;
  return async (first, count) => {
    let logits = new Float32Array();
    for (let number = first; number < first + count; number++)
      logits = new Float32Array(
        await predict(ref(parameters), ref(statistics), imagesOf(network, batches(number).images)).data(),
      );
    return [...logits];
  };
}
