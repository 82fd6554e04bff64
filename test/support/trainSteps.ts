/**
 * Training steps of a model on a device, without data files and run folders.
 *
 * In: a model, a device, an optimizer, and pictures. Out: the losses, and the parameters that have not moved. What holds: every
 * step sees the same batch, which a network learns by heart.
 */
import { compile } from "../../compiler/compile.ts";
import { pcg3d } from "../../compiler/nest/random.ts";
import {
  checkText,
  shapeElements,
  type CheckedModel,
  type OptimizerRecipe,
  type TrainingRecipe,
} from "../../language/index.ts";
import type { Device } from "../../runtime/device/device.ts";
import { openPlanState } from "../../runtime/train/planState.ts";

export interface Steps {
  readonly steps: number;
  readonly batch: number;
  readonly optimizer: OptimizerRecipe;
}

export interface Outcome {
  readonly losses: readonly number[];
  /** Trainable parameters that are still as they started. */
  readonly still: readonly string[];
}

/** The only model of a program; throws what is wrong with it. */
export function modelOf(source: string): CheckedModel {
  const { program, diagnostics } = checkText(source, "layer.cnn");
  const [model] = program?.models ?? [];
  if (!model) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return model;
}

function recipeOf({ input, layers, output }: CheckedModel, { batch, optimizer }: Steps): TrainingRecipe {
  const half = Array.from({ length: input.channels }, () => 0.5);
  return {
    span: { start: 0, end: 0 },
    data: { name: "shapes", classes: shapeElements(layers[output]?.outputShape ?? input), image: input },
    normalize: { mean: half, std: half },
    batch,
    epochs: 1,
    loss: { kind: "crossEntropy", smoothing: 0 },
    optimizer,
    seed: 1,
  };
}

/** Pictures of noise; the label of picture n is n modulo ten. */
export async function train(model: CheckedModel, device: Device, given: Steps): Promise<Outcome> {
  const { batch, steps } = given;
  const { plan } = compile(model, recipeOf(model, given), {
    counts: { train: batch, test: batch },
    target: device.target,
  });
  const session = await device.open(plan);
  try {
    const state = openPlanState(session, plan);
    if (plan.tensors["control.seed"]) state.set("control.seed", 1);
    await session.run("initialise");
    const size = batch * shapeElements(model.input);
    const images = Uint8Array.from({ length: size }, (_, i) => pcg3d(i, 1, 2)[0] >>> 24);
    state.write("train.images", images);
    const samples = Array.from({ length: batch }, (_, n) => n);
    const labels = samples.map((n) => n % 10);
    state.write("train.labels", Uint8Array.from(labels));
    state.write("train.order", Uint32Array.from(samples));
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
