/**
 * The training loop.
 *
 * In: a model, its recipe, data, a device, a run folder. Out: a record for each epoch, files in the folder. What holds:
 * the same seed on the same device gives the same bits; a checkpoint holds finite numbers only and is replaced whole.
 *
 * An epoch has floor(count / batch) steps: what is left over of the shuffled images (16 of CIFAR-10's 50,000 at batch 64)
 * waits for the next epoch and its other order. Kernels thus have one batch size.
 */
import type { CheckedModel, TrainingRecipe } from "../../language/checkedProgram.ts";
import { compile } from "../../compiler/compile.ts";
import type { Schedule } from "../../compiler/schedule/schedule.ts";
import { seedCounter } from "../../compiler/nest/random.ts";
import type { DataSet } from "../data/dataSet.ts";
import type { Device } from "../device/device.ts";
import { reach } from "../milestones.ts";
import type { RunFolder } from "../files/runFolder.ts";
import type { Progress } from "../report/progress.ts";
import { createBurstRunner, type BurstRunner } from "./bursts.ts";
import { encodeCheckpoint, loadCheckpoint } from "./checkpoint.ts";
import { drawCurves } from "./curves.ts";
import { epochOrder, stepsPerEpoch } from "./epochOrder.ts";
import type { EpochRecord } from "./epochRecord.ts";
import { createEvaluator, type Evaluator, imagesByBuffer, restart, upload } from "./evaluator.ts";
import { checkFit, checkImages } from "./fit.ts";
import { lossFailure } from "./lossFailure.ts";
import { obtainPlan } from "./obtainPlan.ts";
import { openPlanState, type PlanState } from "./planState.ts";
import type { PlanInputs, PlanStore } from "./planStore.ts";

export interface TrainingOptions {
  readonly model: CheckedModel;
  readonly recipe: TrainingRecipe;
  readonly data: DataSet;
  readonly device: Device;
  readonly folder: RunFolder;
  readonly progress: Progress;
  /** Off: every operator is a kernel of its own. */
  readonly fuse?: boolean;
  /** Tuned schedules by the keys of kernels. */
  readonly schedules?: ReadonlyMap<string, Schedule>;
  /** Told which of them are used: before the first step, and again where evaluation uses more. */
  readonly onSchedules?: (used: ReadonlyMap<string, Schedule>) => Promise<void>;
  /** Plans of earlier runs. */
  readonly store?: PlanStore;
  /** Finishes the burst, saves `last.safetensors` if there was a step, and returns. */
  readonly signal?: AbortSignal;
  /** Starts from these weights (safetensors) instead of random ones. */
  readonly weights?: { readonly bytes: Uint8Array; readonly name: string };
}

export interface TrainingResult {
  readonly status: "finished" | "interrupted";
  readonly records: readonly EpochRecord[];
  readonly best: EpochRecord | undefined;
  /** Steps trained in all. */
  readonly steps: number;
  /** What went wrong without harm, for people: the picture of the curve could not be drawn, say. */
  readonly warnings: readonly string[];
}

interface Run extends TrainingOptions {
  readonly state: PlanState;
  readonly bursts: BurstRunner;
  readonly stepsPerEpoch: number;
  readonly evaluator: Evaluator;
  /** What waits until the device is at work. */
  readonly later: () => void;
}

/**
 * Trains for the recipe's epochs. Throws a `RuntimeFailure`: "data" where there is less than one batch, "training" where
 * the loss is no longer finite, "device" where the model does not fit, "device" and "files" from below.
 */
export async function train(options: TrainingOptions): Promise<TrainingResult> {
  const { model, recipe, data, device, store, fuse = true, schedules = new Map<string, Schedule>() } = options;
  checkImages(recipe.batch, data.name, data.train.count);
  const counts = { train: data.train.count, test: data.test.count };
  const { target } = device;
  const inputs: PlanInputs = { model, recipe, counts, target, fuse, schedules, programs: ["initialise", "trainStep"] };
  const { plan, used, keep } = await obtainPlan(inputs, device, store);
  reach("compiled");
  checkFit(device, plan, recipe.batch, (batch) => compile(model, { ...recipe, batch }, inputs).plan);
  await data.whole;
  reach("data read");
  await options.onSchedules?.(used);
  const session = await device.open(plan, imagesByBuffer(plan, "train", data.train));
  reach("plan opened");
  const onSchedules = async (more: ReadonlyMap<string, Schedule>): Promise<void> => {
    if ([...more.keys()].some((key) => !used.has(key))) await options.onSchedules?.(new Map([...used, ...more]));
  };
  const { signal } = options;
  const evaluator = createEvaluator({ ...inputs, data, device, store, onSchedules, signal });
  let isKept: Promise<void> | undefined;
  const later = (): void => {
    isKept ??= keep().then(() => reach("plan kept"));
    evaluator.prepare();
  };
  try {
    const run: Run = {
      ...options,
      state: openPlanState(session, plan),
      bursts: createBurstRunner(session, options.signal),
      evaluator,
      later,
      stepsPerEpoch: stepsPerEpoch(counts.train, recipe.batch),
    };
    // A program whose weights are all written down draws nothing.
    if (plan.tensors["control.seed"]) run.state.set("control.seed", seedCounter(recipe.seed));
    await session.run("initialise");
    if (options.weights) loadCheckpoint(model, run.state, options.weights.bytes, options.weights.name);
    upload(run.state, "train", data.train);
    reach("initialised");
    return await trainEpochs(run);
  } finally {
    await isKept;
    await evaluator.close();
    await session.close();
  }
}

async function trainEpochs(run: Run): Promise<TrainingResult> {
  const { recipe, folder, progress } = run;
  const records: EpochRecord[] = [];
  const warnings = new Set<string>();
  let best: EpochRecord | undefined;
  let steps = 0;
  const result = (status: TrainingResult["status"]): TrainingResult => ({
    status,
    records,
    best,
    steps,
    warnings: [...warnings],
  });
  await folder.startMetrics();
  for (let epoch = 1; epoch <= recipe.epochs; epoch++) {
    const trained = await trainEpoch(run, epoch, steps);
    steps += trained.steps;
    const tested = run.signal?.aborted ? undefined : await run.evaluator.evaluate(run.state);
    if (!tested) {
      // Before the first step there is nothing that is worth replacing an earlier file.
      if (steps > 0) await folder.writeCheckpoint("last", await checkpoint(run, epoch - 1, steps, records.at(-1)));
      return result("interrupted");
    }
    const record: EpochRecord = { epoch, ...trained.record, ...tested };
    records.push(record);
    const bytes = await checkpoint(run, epoch, steps, record);
    if (!best || record.testAccuracy > best.testAccuracy) {
      best = record;
      await folder.writeCheckpoint("best", bytes);
    }
    await folder.writeCheckpoint("last", bytes);
    await folder.appendMetrics(record);
    const warning = await drawCurves(folder, records, { title: run.model.name, epochs: recipe.epochs });
    if (warning !== undefined) warnings.add(warning);
    progress.endEpoch(record);
  }
  return result("finished");
}

function checkpoint(run: Run, epoch: number, step: number, record: EpochRecord | undefined): Promise<Uint8Array> {
  return encodeCheckpoint(run.model, run.state, {
    model: run.model.name,
    data: run.data.name,
    seed: String(run.recipe.seed),
    epoch: String(epoch),
    step: String(step),
    ...(record ? { accuracy: String(record.testAccuracy) } : {}),
  });
}

interface EpochOutcome {
  readonly steps: number;
  readonly record: Pick<EpochRecord, "trainLoss" | "seconds" | "imagesPerSecond">;
}

async function trainEpoch(run: Run, epoch: number, stepsBefore: number): Promise<EpochOutcome> {
  const { state, recipe, data, progress } = run;
  state.write("train.order", epochOrder(recipe.seed, epoch, data.train.count));
  restart(state);
  progress.startEpoch(epoch);
  const start = performance.now();
  const meter = createMeter(stepsBefore === 0);
  let loss = 0;
  const steps = await run.bursts.run("trainStep", run.stepsPerEpoch, async (done) => {
    const [lossSum, correct, badStep] = await readMetrics(state);
    if (badStep > 0) throw await lossFailure({ ...run, epoch, step: badStep });
    if (stepsBefore === 0) reach("first step");
    // The device is at work from here on: there is time for what the end of the epoch needs, and the next run.
    run.later();
    const images = done * recipe.batch;
    loss = lossSum / images;
    const stepsPerSecond = meter(done);
    progress.update({
      step: done,
      loss,
      accuracy: correct / images,
      imagesPerSecond: stepsPerSecond * recipe.batch,
      secondsLeft: (recipe.epochs * run.stepsPerEpoch - stepsBefore - done) / stepsPerSecond,
    });
  });
  const seconds = (performance.now() - start) / 1000;
  return { steps, record: { trainLoss: loss, seconds, imagesPerSecond: (steps * recipe.batch) / seconds } };
}

/** Steps a second of an epoch so far; the very first burst, in which drivers still compile, does not count once there are others. */
function createMeter(isFirst: boolean): (done: number) => number {
  let start = performance.now();
  let before = 0;
  return (done) => {
    const now = performance.now();
    const rate = ((done - before) * 1000) / Math.max(0.001, now - start);
    if (isFirst && before === 0) {
      start = now;
      before = done;
    }
    return rate;
  };
}

/** Sums over the samples since `restart`, and the number of the first step with a loss that is not finite. */
async function readMetrics(state: PlanState): Promise<readonly [number, number, number]> {
  const [loss, correct, badStep] = await Promise.all([
    state.get("metrics.loss"),
    state.get("metrics.correct"),
    state.get("metrics.firstBadStep"),
  ]);
  return [loss, correct, badStep];
}
