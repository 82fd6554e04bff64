/**
 * The programs of a model as graphs: `initialise`, `trainStep`, `evaluateStep`, `predict`.
 *
 * In: a checked model and its recipe. Out: one graph a program, over shared states. What holds: a step needs nothing
 * from outside; which images it takes follows from `control.batch` and the order of the epoch, both on the device.
 */
import {
  type CheckedModel,
  type CheckedParameter,
  MODEL_INPUT,
  type TrainingRecipe,
} from "../../language/checkedProgram.ts";
import { createGraphBuilder, type GraphBuilder } from "../graph/builder.ts";
import { differentiate } from "../graph/differentiate.ts";
import { type Graph, InvariantError, type Origin, size, type StateTensor } from "../graph/graph.ts";
import { argument, choose, coordinate, number, over, plus, times } from "../operators/formula.ts";
import { normalizeImages } from "./images.ts";
import { initialValue } from "./initialValues.ts";
import { type LoweringContext, lowerLayer } from "./layers.ts";
import { crossEntropy } from "./loss.ts";
import { addOptimizer, optimizerStates } from "./optimizers.ts";

export interface DataCounts {
  readonly train: number;
  readonly test: number;
}

/** A parameter's place in the flat tensor of all trainable parameters, in elements. */
export interface ParameterPlace {
  readonly parameter: CheckedParameter;
  readonly offset: number;
}

export interface ModelGraphs {
  readonly graphs: readonly Graph[];
  readonly states: readonly StateTensor[];
  readonly parameters: readonly ParameterPlace[];
  readonly statistics: readonly CheckedParameter[];
}

export interface ModelInput {
  readonly model: CheckedModel;
  readonly recipe: TrainingRecipe;
  readonly counts: DataCounts;
  /** What one binding of the device can hold; larger data sets lie in several tensors. Not given: any size. */
  readonly maximumTensorBytes?: number;
  /** Not given: all. */
  readonly programs?: readonly ProgramName[];
}

export const programNames = ["initialise", "trainStep", "evaluateStep", "predict"] as const;
export type ProgramName = (typeof programNames)[number];

/** Parts start at multiples of this many elements (256 bytes), so that each can be bound by itself. */
const alignment = 64;
/** The flat tensor is a multiple of this, so that it divides evenly into chunks. */
const flatUnit = 1024;

const control = {
  seed: { name: "control.seed", shape: [1], type: "u32" },
  step: { name: "control.step", shape: [1], type: "u32" },
  batch: { name: "control.batch", shape: [1], type: "u32" },
  learningRate: { name: "control.learningRate", shape: [1], type: "f32" },
} satisfies Record<string, StateTensor>;

const metrics = {
  loss: { name: "metrics.loss", shape: [1], type: "f32" },
  correct: { name: "metrics.correct", shape: [1], type: "f32" },
  lastLoss: { name: "metrics.lastLoss", shape: [1], type: "f32" },
  /** The number of the first step whose loss is not finite; 0 while there is none. */
  firstBadStep: { name: "metrics.firstBadStep", shape: [1], type: "u32" },
} satisfies Record<string, StateTensor>;

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

function placeParameters(model: CheckedModel): { places: ParameterPlace[]; length: number } {
  let offset = 0;
  const places = model.layers
    .flatMap((layer) => layer.parameters)
    .filter((parameter) => parameter.counted)
    .map((parameter) => {
      const place = { parameter, offset };
      offset = roundUp(offset + size(parameter.shape), alignment);
      return place;
    });
  return { places, length: roundUp(Math.max(1, offset), flatUnit) };
}

/** Images in tables of equal length (the last may be shorter) that a binding can hold: `train.images`, `train.images.1`, … */
function imageTables(prefix: string, count: number, { image, maximumTensorBytes = Infinity }: Programs): StateTensor[] {
  const rows = Math.min(count, Math.max(1, Math.floor(maximumTensorBytes / size(image))));
  return Array.from({ length: Math.ceil(count / rows) }, (_, i) => ({
    name: i === 0 ? `${prefix}.images` : `${prefix}.images.${i}`,
    shape: [Math.min(rows, count - i * rows), ...image],
    type: "u8",
  }));
}

const noLayer = (layer: string, role: string): Origin => ({ layer, line: 0, role });

/** Everything that the programs of one model share. */
interface Programs extends ModelInput {
  readonly places: readonly ParameterPlace[];
  readonly flat: StateTensor;
  /** What each parameter's learning rate is multiplied by, where it is not 1 for all; 0 where it is frozen. */
  readonly rates: StateTensor | undefined;
  readonly image: readonly number[];
}

const rateOf = ({ trainable, learningRate }: CheckedParameter): number => (trainable ? learningRate : 0);

export function lowerModel(input: ModelInput): ModelGraphs {
  const { model, recipe } = input;
  const { places, length } = placeParameters(model);
  const { channels, height, width } = model.input;
  const programs: Programs = {
    ...input,
    places,
    flat: { name: "parameters", shape: [length], type: "f32" },
    rates: places.some(({ parameter }) => rateOf(parameter) !== 1)
      ? { name: "optimizer.rates", shape: [length], type: "f32" }
      : undefined,
    image: [channels, height, width],
  };
  const wanted = input.programs ?? programNames;
  const graphs = programNames.filter((name) => wanted.includes(name)).map((name) => graphMakers[name](programs));
  const statistics = model.layers.flatMap((layer) => layer.parameters).filter((parameter) => !parameter.counted);
  const states = new Map<string, StateTensor>();
  const keep = (state: StateTensor): void => void states.set(state.name, state);
  for (const graph of graphs) {
    for (const node of graph.nodes) if (node.operator === "state") keep(node.attributes);
    for (const { state } of graph.updates) keep(state);
  }
  optimizerStates(recipe.optimizer, programs.flat).forEach(keep);
  return { graphs, states: [...states.values()], parameters: places, statistics };
}

const graphMakers: Readonly<Record<ProgramName, (programs: Programs) => Graph>> = {
  initialise,
  trainStep,
  evaluateStep,
  predict,
};

function parameterNodes({ places, flat }: Programs, builder: GraphBuilder): Map<string, number> {
  return new Map(
    places.map(({ parameter, offset }) => [
      parameter.path,
      builder.add(
        "part",
        { offset, shape: parameter.shape },
        [builder.state(flat)],
        noLayer(parameter.path, "forward"),
      ),
    ]),
  );
}

function contextOf(builder: GraphBuilder, training: boolean, parameters: ReadonlyMap<string, number>): LoweringContext {
  return {
    builder,
    training,
    seed: () => builder.state(control.seed),
    step: () => builder.state(control.step),
    parameter: (path) => {
      const found = parameters.get(path);
      if (found === undefined) throw new InvariantError(`there is no parameter ${path}`);
      return found;
    },
    statistic: (path, channels) => ({ name: path, shape: [channels], type: "f32" }),
  };
}

/** Runs the layers on `[N, C, H, W]`; returns the output of each. */
function forward(model: CheckedModel, context: LoweringContext, images: number): Map<number, number> {
  const outputs = new Map<number, number>([[MODEL_INPUT, images]]);
  for (const layer of model.layers) {
    const inputs = layer.inputs.map((id) => {
      const found = outputs.get(id);
      if (found === undefined) throw new InvariantError(`${layer.name} reads layer ${id} before it is computed`);
      return found;
    });
    outputs.set(layer.id, lowerLayer(layer, inputs, context));
  }
  return outputs;
}

function outputOf(model: CheckedModel, context: LoweringContext, images: number): number {
  const found = forward(model, context, images).get(model.output);
  if (found === undefined) throw new InvariantError(`${model.name} has no output`);
  const { builder } = context;
  const [batch = 1, ...rest] = builder.shapeOf(found);
  if (rest.length === 1) return found;
  return builder.add("reshape", { shape: [batch, size(rest)] }, [found], noLayer("output", "forward"));
}

function readBatch(programs: Programs, builder: GraphBuilder, prefix: string, count: number) {
  const { recipe } = programs;
  const labels: StateTensor = { name: `${prefix}.labels`, shape: [count], type: "u8" };
  const order: StateTensor = { name: `${prefix}.order`, shape: [count], type: "u32" };
  const rows = [builder.state(order), builder.state(control.batch)];
  const gather = (tables: readonly StateTensor[], role: string): number => {
    const inputs = [...rows, ...tables.map((table) => builder.state(table))];
    return builder.add("gather", { batch: recipe.batch }, inputs, noLayer("input", role));
  };
  const images = gather(imageTables(prefix, count, programs), "gather");
  return { images: normalizeImages(builder, recipe, images), labels: gather([labels], "labels") };
}

/** state := state + value */
function accumulate(builder: GraphBuilder, state: StateTensor, value: number, role: string): void {
  const sum = builder.add(
    "map",
    { formula: plus(argument(0), argument(1)) },
    [builder.state(state), value],
    noLayer("metrics", role),
  );
  builder.update(state, sum);
}

function increment(builder: GraphBuilder, state: StateTensor): void {
  const formula = plus(argument(0), number(1));
  builder.update(state, builder.add("map", { formula }, [builder.state(state)], noLayer("control", state.name)));
}

function total(builder: GraphBuilder, perSample: number, role: string): number {
  const sum = builder.add("reduce", { operator: "add", axes: [0, 1] }, [perSample], noLayer("metrics", role));
  return builder.add("reshape", { shape: [1] }, [sum], noLayer("metrics", role));
}

/** Biases whose layer feeds batch normalisation alone: what they add is subtracted with the mean, so no gradient reaches them. */
function uselessBiases(model: CheckedModel): Set<string> {
  return new Set(
    model.layers.flatMap((layer) => {
      const readers = model.layers.filter((other) => other.inputs.includes(layer.id));
      const isHidden =
        readers.length > 0 && readers.every((reader) => reader.kind === "batchNorm") && model.output !== layer.id;
      return isHidden && layer.kind !== "batchNorm"
        ? layer.parameters.flatMap((parameter) => (parameter.name === "bias" ? [parameter.path] : []))
        : [];
    }),
  );
}

/** The node whose values a reshape shows. */
function withoutViews(builder: GraphBuilder, id: number): number {
  const node = builder.nodes[id];
  return node?.operator === "reshape" ? withoutViews(builder, node.inputs[0] ?? id) : id;
}

function flatGradient(
  programs: Programs,
  builder: GraphBuilder,
  gradients: ReadonlyMap<number, number>,
  nodes: ReadonlyMap<string, number>,
) {
  // What two branches of a sum add has one gradient, and a value can be stored in one place: the second is a copy.
  const placed = new Map<number, number>();
  const parts = programs.places.map(({ parameter }) => {
    const gradient = gradients.get(nodes.get(parameter.path) ?? -1);
    if (gradient !== undefined) {
      const root = withoutViews(builder, gradient);
      const earlier = placed.get(root);
      const role = `gradient of ${parameter.path}`;
      const attributes = { formula: argument(0), shape: parameter.shape };
      const own =
        earlier === undefined ? gradient : builder.add("map", attributes, [earlier], noLayer("optimizer", role));
      placed.set(root, own);
      return own;
    }
    const role = `no gradient of ${parameter.path}`;
    return builder.add("map", { formula: number(0), shape: parameter.shape }, [], noLayer("optimizer", role));
  });
  const offsets = programs.places.map(({ offset }) => offset);
  const length = programs.flat.shape[0] ?? 0;
  return builder.add("pack", { offsets, length }, parts, noLayer("optimizer", "gradients"));
}

function trainStep(programs: Programs): Graph {
  const { model, recipe, counts, places, flat, rates } = programs;
  const builder = createGraphBuilder("trainStep");
  const nodes = parameterNodes(programs, builder);
  const context = contextOf(builder, true, nodes);
  const { images, labels } = readBatch(programs, builder, "train", counts.train);
  const logits = outputOf(model, context, images);
  const loss = crossEntropy(builder, logits, labels, recipe.loss.smoothing);
  const useless = uselessBiases(model);
  const by = places.flatMap(({ parameter }) => {
    const node = nodes.get(parameter.path);
    return node === undefined || !parameter.trainable || useless.has(parameter.path) ? [] : [node];
  });
  const gradients = differentiate(builder, logits, by, loss.gradient);
  addOptimizer(recipe.optimizer, {
    builder,
    parameters: flat,
    gradient: flatGradient(programs, builder, gradients, nodes),
    learningRate: builder.state(control.learningRate),
    rates: rates && builder.state(rates),
  });
  const batchLoss = total(builder, loss.perSample, "loss of the batch");
  accumulate(builder, metrics.loss, batchLoss, "loss");
  accumulate(builder, metrics.correct, total(builder, loss.correct, "right answers"), "correct");
  const mean = builder.add(
    "map",
    { formula: over(argument(0), number(recipe.batch)) },
    [batchLoss],
    noLayer("metrics", "mean loss"),
  );
  builder.update(metrics.lastLoss, mean);
  // loss <= largest float is false for NaN and infinity alike.
  const firstBad = choose("lessEqual", argument(0), number(3e38), number(0), plus(argument(2), number(1)));
  const bad = choose("greater", argument(1), number(0), argument(1), firstBad);
  const badInputs = [batchLoss, builder.state(metrics.firstBadStep), builder.state(control.step)];
  builder.update(
    metrics.firstBadStep,
    builder.add("map", { formula: bad }, badInputs, noLayer("metrics", "first bad step")),
  );
  increment(builder, control.step);
  increment(builder, control.batch);
  return builder.finish();
}

/** The last batch may be short: rows past the end repeat the last one and count nothing. */
function evaluateStep(programs: Programs): Graph {
  const { model, recipe, counts } = programs;
  const builder = createGraphBuilder("evaluateStep");
  const context = contextOf(builder, false, parameterNodes(programs, builder));
  const { images, labels } = readBatch(programs, builder, "test", counts.test);
  const logits = outputOf(model, context, images);
  const loss = crossEntropy(builder, logits, labels, 0);
  const place = plus(times(argument(1), number(recipe.batch)), coordinate(0));
  const counted = choose("less", place, number(counts.test), argument(0), number(0));
  const masked = (node: number, role: string): number =>
    builder.add("map", { formula: counted }, [node, builder.state(control.batch)], noLayer("metrics", role));
  accumulate(
    builder,
    metrics.loss,
    total(builder, masked(loss.perSample, "counted loss"), "loss of the batch"),
    "loss",
  );
  accumulate(
    builder,
    metrics.correct,
    total(builder, masked(loss.correct, "counted answers"), "right answers"),
    "correct",
  );
  increment(builder, control.batch);
  return builder.finish();
}

/** `predict.input` `[N, C, H, W]` of bytes' values 0 to 255 gives `predict.logits` `[N, K]`. */
function predict(programs: Programs): Graph {
  const { model, recipe, image } = programs;
  const builder = createGraphBuilder("predict");
  const context = contextOf(builder, false, parameterNodes(programs, builder));
  const pictures = builder.state({ name: "predict.input", shape: [recipe.batch, ...image], type: "f32" });
  const logits = outputOf(model, context, normalizeImages(builder, recipe, pictures));
  const copy = builder.add("map", { formula: argument(0) }, [logits], noLayer("output", "logits"));
  builder.update({ name: "predict.logits", shape: builder.shapeOf(logits), type: "f32" }, copy);
  return builder.finish();
}

function initialise(programs: Programs): Graph {
  const { model, recipe, places, flat, rates } = programs;
  const builder = createGraphBuilder("initialise");
  const fill = (state: StateTensor, value: number): void => {
    const origin = noLayer(state.name, "initial value");
    builder.update(state, builder.add("map", { formula: number(value), shape: state.shape }, [], origin));
  };
  const parts = places.map(({ parameter: { initial, path, shape } }, i) => {
    const origin = noLayer(path, "initial value");
    const formula = initialValue(initial, shape, i);
    if (initial.kind === "constant" || initial.kind === "values")
      return builder.add("map", { formula, shape }, [], origin);
    // `control.zero` is never written: initial values depend on the seed alone.
    const counters = [builder.state(control.seed), builder.state({ ...control.step, name: "control.zero" })];
    return builder.add("map", { formula, shape }, counters, origin);
  });
  const pack = (state: StateTensor, values: readonly number[]): void => {
    const attributes = { offsets: places.map(({ offset }) => offset), length: flat.shape[0] ?? 0 };
    builder.update(state, builder.add("pack", attributes, values, noLayer(state.name, "initial value")));
  };
  pack(flat, parts);
  if (rates) {
    const constants = places.map(({ parameter }) => {
      const attributes = { formula: number(rateOf(parameter)), shape: parameter.shape };
      return builder.add("map", attributes, [], noLayer(parameter.path, "learning rate"));
    });
    pack(rates, constants);
  }
  for (const state of optimizerStates(recipe.optimizer, flat)) fill(state, 0);
  for (const { path, shape, initial, counted } of model.layers.flatMap((layer) => layer.parameters))
    if (!counted && initial.kind === "constant") fill({ name: path, shape, type: "f32" }, initial.value);
  fill(control.step, 0);
  fill(control.learningRate, recipe.optimizer.learningRate);
  return builder.finish();
}
