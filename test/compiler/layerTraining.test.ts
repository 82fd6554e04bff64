/**
 * Every layer of the catalogue trains: its example stands in a small network, so that no layer can be without a test.
 *
 * On the CPU device each by itself: the loss falls, and the layer's parameters move. On the GPU device all (but for the
 * activations) in one network: the losses are those of the CPU device.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../compiler/compile.ts";
import { pcg3d } from "../../compiler/nest/random.ts";
import {
  checkText,
  layerCatalogue,
  type CheckedModel,
  type OptimizerRecipe,
  type TrainingRecipe,
} from "../../language/index.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import type { Device } from "../../runtime/device/device.ts";
import { openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { openPlanState } from "../../runtime/train/planState.ts";
import { hasAdapter } from "../runtime/gpuSupport.ts";

const BATCH = 8;

function modelOf(source: string): CheckedModel {
  const { program, diagnostics } = checkText(source, "layer.cnn");
  const [model] = program?.models ?? [];
  if (!model) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return model;
}

const adam = { kind: "adam", learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0 } as const;
/** Gradients as they are: Adam would make full steps of the rounding of those that are almost zero. */
const sgd = { kind: "sgd", learningRate: 0.02, momentum: 0, nesterov: false, decay: 0 } as const;

const recipeOf = ({ input }: CheckedModel, optimizer: OptimizerRecipe): TrainingRecipe => ({
  span: { start: 0, end: 0 },
  data: { name: "shapes", classes: 10, image: input },
  normalize: {
    mean: Array.from({ length: input.channels }, () => 0.5),
    std: Array.from({ length: input.channels }, () => 0.5),
  },
  batch: BATCH,
  epochs: 1,
  loss: { kind: "crossEntropy", smoothing: 0 },
  optimizer,
  seed: 1,
});

interface Outcome {
  readonly losses: readonly number[];
  /** Trainable parameters that are still as they started. */
  readonly still: readonly string[];
}

/** Steps on one batch of noise, which a network learns by heart. */
async function train(model: CheckedModel, device: Device, steps: number, optimizer: OptimizerRecipe): Promise<Outcome> {
  const counts = { train: BATCH, test: BATCH };
  const { plan } = compile(model, recipeOf(model, optimizer), { counts, target: device.target });
  const session = await device.open(plan);
  try {
    const state = openPlanState(session, plan);
    state.set("control.seed", 1);
    await session.run("initialise");
    const { channels, height, width } = model.input;
    const bytes = Uint8Array.from({ length: BATCH * channels * height * width }, (_, i) => pcg3d(i, 1, 2)[0] >>> 24);
    state.write("train.images", bytes);
    state.write(
      "train.labels",
      Uint8Array.from({ length: BATCH }, (_, n) => n % 10),
    );
    state.write(
      "train.order",
      Uint32Array.from({ length: BATCH }, (_, n) => n),
    );
    const names = model.layers.flatMap(({ parameters }) =>
      parameters.flatMap(({ trainable, path }) => (trainable ? [path] : [])),
    );
    const before = new Map<string, Float32Array>();
    for (const name of names) before.set(name, Float32Array.from(await state.read(name)));
    const losses: number[] = [];
    for (let step = 0; step < steps; step++) {
      state.set("control.batch", 0);
      await session.run("trainStep");
      losses.push(await state.get("metrics.lastLoss"));
    }
    const still: string[] = [];
    for (const name of names) {
      const after = await state.read(name);
      if (before.get(name)?.every((value, i) => value === after[i]) ?? true) still.push(name);
    }
    return { losses, still };
  } finally {
    await session.close();
  }
}

const alone = (example: string): CheckedModel =>
  modelOf(`model Layer {\n  input 3@8x8\n  conv 16@3x3 pad 1 bias off\n  ${example}\n  fc 10\n}\n`);

/** Layers that keep the shape stand side by side, the others one behind the other, those that make vectors last. */
function together(): CheckedModel {
  const makesVector = ({ example }: { example: string }): boolean =>
    alone(example).layers.at(-2)?.outputShape.flat ?? false;
  const sliding = layerCatalogue.filter((entry) => !entry.keepsShape && !makesVector(entry));
  // Activations are formulas of one operator, and each has golden values there: a kernel for each would only take time.
  const keeping = layerCatalogue.filter(({ keepsShape, kind }) => keepsShape && kind !== "activation");
  const lines = [
    ...sliding.map(({ example }) => example),
    "concat {",
    ...keeping.map(({ example }) => `branch { ${example} }`),
    "}",
    "pool avg 7",
    ...layerCatalogue.filter((entry) => !entry.keepsShape && makesVector(entry)).map(({ example }) => example),
    "fc 10",
  ];
  return modelOf(`model Layers {\n  input 3@24x24\n  ${lines.join("\n  ")}\n}\n`);
}

const devices: Device[] = [];
beforeAll(async () => {
  devices.push(await openCpuDevice({ threads: 2 }));
  if (await hasAdapter()) devices.push(await openGpuDevice({ allowSoftware: true }));
});
afterAll(() => Promise.all(devices.map((device) => device.close())));
const device = (at: number): Device => {
  const found = devices[at];
  if (!found) throw new Error("no device");
  return found;
};

describe("on the CPU device", () => {
  it.each(layerCatalogue.map(({ example }) => [example]))("`%s` trains", async (example) => {
    const { losses, still } = await train(alone(example), device(0), 30, adam);
    expect(losses.every(Number.isFinite)).toBe(true);
    expect(losses.at(-1)).toBeLessThan(0.9 * (losses[0] ?? 0));
    expect(still).toEqual([]);
  });
});

describe.runIf(await hasAdapter())("on the GPU device", () => {
  it("all layers together train as on the CPU device", { timeout: 300_000 }, async () => {
    const model = together();
    const [cpu, gpu] = [await train(model, device(0), 3, sgd), await train(model, device(1), 3, sgd)];
    expect(cpu.losses.every(Number.isFinite)).toBe(true);
    gpu.losses.forEach((loss, i) =>
      expect(Math.abs(loss - (cpu.losses[i] ?? NaN)), `step ${i + 1}`).toBeLessThan(1e-4),
    );
    expect(gpu.still).toEqual(cpu.still);
  });
});
