/**
 * Training step by step, for callers who have a page to keep: no files, no epochs' ends.
 *
 * In: a model, its recipe, data, a device. Out: steps and their loss, the test images' loss, logits, weights. What holds:
 * after so many steps the weights are those of `cnnc train` on the same device, to the bit; calls take effect in the order in
 * which they are made.
 */
import { size } from "../../compiler/graph/graph.ts";
import { programNames } from "../../compiler/model/lowerModel.ts";
import { seedCounter } from "../../compiler/nest/random.ts";
import type { RunnablePlan } from "../../compiler/plan/plan.ts";
import type { CheckedModel, TrainingRecipe } from "../../language/checkedProgram.ts";
import type { DataSet } from "../data/dataSet.ts";
import type { Device, Session } from "../device/device.ts";
import { createOperationQueue } from "../device/operationQueue.ts";
import { RuntimeFailure } from "../errors.ts";
import { encodeCheckpoint, loadCheckpoint } from "../train/checkpoint.ts";
import { epochOrder, stepsPerEpoch } from "../train/epochOrder.ts";
import { restart, upload } from "../train/evaluator.ts";
import { checkImages } from "../train/fit.ts";
import { lossFailure } from "../train/lossFailure.ts";
import { obtainPlan } from "../train/obtainPlan.ts";
import { openPlanState, type PlanState } from "../train/planState.ts";

export interface TrainingOptions {
  readonly model: CheckedModel;
  readonly recipe: TrainingRecipe;
  readonly data: DataSet;
  readonly device: Device;
  /** Starts from these weights (safetensors) instead of random ones; `name` is for messages. */
  readonly weights?: { readonly bytes: Uint8Array; readonly name: string };
}

export interface Score {
  /** The mean of the images. */
  readonly loss: number;
  /** The share of right answers, 0 to 1. */
  readonly accuracy: number;
}

export interface Training {
  /** What the recipe's epoch has. */
  readonly stepsPerEpoch: number;
  /** All named tensors of the plan, `conv1.weight` for one. */
  readonly state: PlanState;
  /**
   * Trains on so many batches, at least one, epoch after epoch. Gives what the model said of their images before it learned from
   * each. Throws a `RuntimeFailure` of kind "training" where the loss is no longer finite.
   */
  train(steps: number): Promise<Score>;
  /** Of all test images. */
  test(): Promise<Score>;
  /** Pictures `[N, C, H, W]` of bytes; gives logits `[N, classes]`. Throws a `RuntimeFailure` ("data") for half a picture. */
  predict(pictures: Uint8Array): Promise<Float32Array>;
  /** A safetensors file with PyTorch's names. */
  weights(): Promise<Uint8Array>;
  close(): Promise<void>;
}

interface Opened extends TrainingOptions {
  readonly session: Session;
  readonly state: PlanState;
  /** Trained so far. */
  steps: number;
}

/**
 * Compiles the model for the device and sets its weights. Throws a `RuntimeFailure`: "data" where the data set is not one for
 * the model, "files" for weights of another, "device" where it does not fit.
 */
export async function openTraining(options: TrainingOptions): Promise<Training> {
  const { model, recipe, data, device } = options;
  checkData(options);
  await data.whole;
  const counts = { train: data.train.count, test: data.test.count };
  const inputs = { model, recipe, counts, target: device.target, programs: programNames };
  const { plan } = await obtainPlan({ ...inputs, fuse: true, schedules: new Map() }, device, undefined);
  const session = await device.open(plan);
  const opened: Opened = { ...options, session, state: openPlanState(session, plan), steps: 0 };
  try {
    await begin(opened, plan);
  } catch (problem) {
    await session.close();
    throw problem;
  }
  return trainingOf(opened);
}

function checkData({ model, recipe, data }: TrainingOptions): void {
  const { channels, height, width } = model.input;
  const wanted = [channels, height, width];
  if (data.image.join() !== wanted.join())
    throw new RuntimeFailure(
      "data",
      `the pictures of ${data.name} are ${data.image.join("x")}, and ${model.name} takes ${wanted.join("x")}`,
      "Give the model's `input` the size of the pictures.",
    );
  checkImages(recipe.batch, data.name, data.train.count);
  if (data.test.count < 1)
    throw new RuntimeFailure("data", `${data.name} has no test images`, "Keep some of the images for testing.");
}

async function begin({ model, recipe, data, weights, session, state }: Opened, plan: RunnablePlan): Promise<void> {
  // A program whose weights are all written down draws nothing.
  if (plan.tensors["control.seed"]) state.set("control.seed", seedCounter(recipe.seed));
  await session.run("initialise");
  if (weights) loadCheckpoint(model, state, weights.bytes, weights.name);
  upload(state, "train", data.train);
  upload(state, "test", data.test);
  const inOrder = Uint32Array.from({ length: data.test.count }, (_, i) => i);
  state.write("test.order", inOrder);
}

function trainingOf(opened: Opened): Training {
  const { model, recipe, data, session, state } = opened;
  const queue = createOperationQueue();
  return {
    stepsPerEpoch: stepsPerEpoch(data.train.count, recipe.batch),
    state,
    train: (steps) => queue.after(() => train(opened, steps)),
    test: () => queue.after(() => test(opened)),
    predict: (pictures) => queue.after(() => predict(opened, pictures)),
    weights: () =>
      queue.after(() =>
        encodeCheckpoint(model, state, { model: model.name, data: data.name, step: String(opened.steps) }),
      ),
    close: () => queue.after(() => session.close()),
  };
}

async function score(state: PlanState, images: number): Promise<Score> {
  const [loss, correct] = await Promise.all([state.get("metrics.loss"), state.get("metrics.correct")]);
  return { loss: loss / images, accuracy: correct / images };
}

async function train(opened: Opened, steps: number): Promise<Score> {
  const { recipe, data, session, state } = opened;
  const ofEpoch = stepsPerEpoch(data.train.count, recipe.batch);
  restart(state);
  for (let left = steps; left > 0;) {
    const place = opened.steps % ofEpoch;
    const epoch = 1 + Math.floor(opened.steps / ofEpoch);
    if (place === 0) state.write("train.order", epochOrder(recipe.seed, epoch, data.train.count));
    state.set("control.batch", place);
    const part = Math.min(left, ofEpoch - place);
    await session.run("trainStep", part);
    opened.steps += part;
    left -= part;
  }
  const badStep = await state.get("metrics.firstBadStep");
  if (badStep > 0)
    throw await lossFailure({ ...opened, epoch: 1 + Math.floor((badStep - 1) / ofEpoch), step: badStep });
  return score(state, steps * recipe.batch);
}

async function test({ recipe, data, session, state }: Opened): Promise<Score> {
  restart(state);
  await session.run("evaluateStep", Math.ceil(data.test.count / recipe.batch));
  return score(state, data.test.count);
}

/** Batch by batch; what is missing of the last batch are pictures that stood there before. */
async function predict({ session, state }: Opened, pictures: Uint8Array): Promise<Float32Array> {
  const [batch = 1, ...image] = state.shapeOf("predict.input");
  const classes = state.shapeOf("predict.logits")[1] ?? 1;
  const [pixels, input] = [size(image), new Float32Array(batch * size(image))];
  if (pictures.length % pixels !== 0)
    throw new RuntimeFailure(
      "data",
      `${pictures.length} bytes are no whole number of pictures of ${image.join("x")}`,
      `Give ${pixels} bytes for each picture.`,
    );
  const logits = new Float32Array((pictures.length / pixels) * classes);
  for (let done = 0; done * pixels < pictures.length; done += batch) {
    input.set(pictures.subarray(done * pixels, (done + batch) * pixels));
    state.write("predict.input", input);
    await session.run("predict");
    const found = await state.read("predict.logits");
    logits.set(found.subarray(0, logits.length - done * classes), done * classes);
  }
  return logits;
}
