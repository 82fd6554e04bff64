/** Whole training steps: losses, weights and evaluation against PyTorch; fused = unfused; one seed, the same bits. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../compiler/compile.ts";
import { checkText, type TrainingRecipe } from "../../language/index.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import type { Device } from "../../runtime/device/device.ts";
import { openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { openPlanState, type PlanState } from "../../runtime/train/planState.ts";
import {
  goldenImages,
  goldenLabels,
  initialValues,
  type Measured,
  summarize,
  type TrainingCase,
  trainingCases,
} from "../golden/golden.ts";
import { hasAdapter } from "../runtime/gpuSupport.ts";

interface Outcome {
  readonly losses: readonly number[];
  /** After the steps of `after`, by step and name. */
  readonly tensors: ReadonlyMap<number, Readonly<Record<string, Float32Array>>>;
  readonly evaluationLoss: number;
}

function recipeOf({ recipe, input }: TrainingCase): TrainingRecipe {
  const { batch, mean, std, smoothing, optimizer } = recipe;
  const [channels, height, width] = input;
  const perChannel = (value: number): number[] => Array.from({ length: channels }, () => value);
  return {
    span: { start: 0, end: 0 },
    data: { name: "shapes", classes: 10, image: { channels, height, width, flat: false } },
    normalize: { mean: perChannel(mean), std: perChannel(std) },
    batch,
    epochs: 1,
    loss: { kind: "crossEntropy", smoothing },
    optimizer,
    seed: 1,
  };
}

const upTo = (count: number): Uint32Array => Uint32Array.from({ length: count }, (_, i) => i);

async function readAll(state: PlanState, of: TrainingCase): Promise<Record<string, Float32Array>> {
  const names = Object.keys(of.after[0]?.tensors ?? {});
  const read: Record<string, Float32Array> = {};
  for (const name of names) read[name] = await state.read(name);
  return read;
}

async function run(of: TrainingCase, device: Device, isFused = true, seed = 1): Promise<Outcome> {
  const { steps, batch } = of.recipe;
  const [model] = checkText(of.program, "golden.cnn").program?.models ?? [];
  if (!model) throw new Error(`${of.name}: the program does not check`);
  const counts = { train: steps * batch, test: of.evaluation.count };
  const { plan } = compile(model, recipeOf(of), { counts, target: device.target, fuse: isFused });
  const session = await device.open(plan);
  try {
    const state = openPlanState(session, plan);
    state.set("control.seed", seed);
    await session.run("initialise");
    for (const parameter of of.parameters) state.write(parameter.name, initialValues(parameter));
    state.write("train.images", goldenImages(of, 0, counts.train));
    state.write("train.labels", goldenLabels(of, 0, counts.train));
    state.write("train.order", upTo(counts.train));
    state.write("test.images", goldenImages(of, of.evaluation.start, counts.test));
    state.write("test.labels", goldenLabels(of, of.evaluation.start, counts.test));
    state.write("test.order", upTo(counts.test));
    const losses: number[] = [];
    const tensors = new Map<number, Record<string, Float32Array>>();
    for (let step = 1; step <= steps; step++) {
      await session.run("trainStep");
      losses.push(await state.get("metrics.lastLoss"));
      if (of.after.some((moment) => moment.step === step)) tensors.set(step, await readAll(state, of));
    }
    state.set("control.batch", 0);
    state.set("metrics.loss", 0);
    await session.run("evaluateStep", Math.ceil(counts.test / batch));
    return { losses, tensors, evaluationLoss: (await state.get("metrics.loss")) / counts.test };
  } finally {
    await session.close();
  }
}

/** What the golden README asks for: ten times the drift of float32 and a little; more once some maximum fell otherwise. */
function allowed(drift: number, step: number, scale: number): number {
  return 10 * drift + (step <= 10 ? 1e-6 : 1e-3) * Math.max(1, scale);
}

function checkTensor(name: string, step: number, measured: Measured, values: Float32Array): void {
  const ours = summarize(values);
  const { float64, drift } = measured;
  const scale = float64.norm;
  expect(Math.abs(ours.norm - float64.norm), `norm of ${name} after step ${step}`).toBeLessThan(
    allowed(drift.norm, step, scale),
  );
  float64.first.forEach((want, i) =>
    expect(Math.abs((ours.first[i] ?? NaN) - want), `${name}[${i}] after step ${step}`).toBeLessThan(
      allowed(drift.element, step, 1),
    ),
  );
}

function check(of: TrainingCase, { losses, tensors, evaluationLoss }: Outcome): void {
  of.losses.float64.forEach((want, i) =>
    expect(Math.abs((losses[i] ?? NaN) - want), `loss of step ${i + 1}`).toBeLessThan(
      allowed(of.losses.drift[i] ?? 0, i + 1, 1),
    ),
  );
  for (const { step, tensors: golden } of of.after)
    for (const [name, measured] of Object.entries(golden))
      if (!of.undetermined.includes(name))
        checkTensor(name, step, measured, tensors.get(step)?.[name] ?? new Float32Array());
  // Ours is the plain loss in evaluation mode; PyTorch's values are of the loss that was trained with.
  const [want = NaN] = of.evaluation.loss.float64;
  if (of.recipe.smoothing === 0)
    expect(Math.abs(evaluationLoss - want), "loss in evaluation mode").toBeLessThan(
      allowed(of.evaluation.loss.drift[0] ?? 0, of.recipe.steps, 1),
    );
}

function largestDifference(a: Outcome, b: Outcome): number {
  return Math.max(...a.losses.map((loss, i) => Math.abs(loss - (b.losses[i] ?? NaN))));
}

function named(name: string): TrainingCase {
  const found = trainingCases().find((one) => one.name === name);
  if (!found) throw new Error(`no training case ${name}`);
  return found;
}

const names = trainingCases().map(({ name }) => name);

describe("training on the CPU device", () => {
  const devices: Device[] = [];
  beforeAll(async () => {
    devices.push(await openCpuDevice({ threads: 2 }), await openCpuDevice({ threads: 1 }));
  });
  afterAll(() => Promise.all(devices.map((device) => device.close())));
  const device = (at: number): Device => {
    const found = devices[at];
    if (!found) throw new Error("no device");
    return found;
  };

  it.each(names)("%s agrees with PyTorch", async (name) => check(named(name), await run(named(name), device(0))));

  it("unfused agrees with PyTorch, and with fused", async () => {
    const of = named("lenet-sgd");
    const unfused = await run(of, device(0), false);
    check(of, unfused);
    const early = (outcome: Outcome): Outcome => ({ ...outcome, losses: outcome.losses.slice(0, 10) });
    expect(largestDifference(early(unfused), early(await run(of, device(0))))).toBeLessThan(2e-6);
  });

  it("gives the same bits with one thread and with two", async () => {
    const of = named("lenet");
    const [one, two] = [await run(of, device(1)), await run(of, device(0))];
    expect(one.losses).toEqual(two.losses);
    for (const [step, tensors] of one.tensors) expect(two.tensors.get(step), `step ${step}`).toEqual(tensors);
  });
});

describe.runIf(await hasAdapter())("training on the GPU device", () => {
  const devices: Device[] = [];
  beforeAll(async () => {
    devices.push(await openGpuDevice({ allowSoftware: true }));
  });
  afterAll(() => Promise.all(devices.map((device) => device.close())));

  it("lenet-sgd agrees with PyTorch, and gives the same bits twice", { timeout: 300_000 }, async () => {
    const [device] = devices;
    if (!device) throw new Error("no device");
    const of = named("lenet-sgd");
    const first = await run(of, device);
    check(of, first);
    expect(await run(of, device)).toEqual(first);
  });

  it("strided agrees with PyTorch", { timeout: 300_000 }, async () => {
    const [device] = devices;
    if (!device) throw new Error("no device");
    const of = named("strided");
    check(of, await run(of, device));
  });
});
