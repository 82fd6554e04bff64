/**
 * What every stack is given, as plain data and files: a network, its first weights, pictures, and what to do with them.
 *
 * In: a workload. Out: a folder with `task.json`, `weights.safetensors` (PyTorch's names and layouts), `images.u8` and
 * `labels.u8`. What holds: stacks that can start from these weights take the same batches in the same order, so that their
 * losses must agree: step `s` takes the pictures `s·batch` to `s·batch + batch - 1`, counted around the end.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { compile } from "../compiler/index.ts";
import { seedCounter } from "../compiler/nest/random.ts";
import type { CheckedModel, TrainingRecipe } from "../language/index.ts";
import { openCpuDevice, type Split } from "../runtime/index.ts";
import { encodeCheckpoint } from "../runtime/train/checkpoint.ts";
import { openPlanState } from "../runtime/train/planState.ts";
import type { Workload } from "./workloads.ts";

export type Mode = "train" | "predict";

export interface Task {
  readonly mode: Mode;
  readonly model: CheckedModel;
  readonly recipe: TrainingRecipe;
  readonly threads: number;
  /** Pictures in the folder; a multiple of every batch that is measured. */
  readonly count: number;
  /** Of the variant of a stack: `{ layout: "channels_last" }`. */
  readonly options: Readonly<Record<string, string>>;
}

export const files = {
  task: "task.json",
  weights: "weights.safetensors",
  images: "images.u8",
  labels: "labels.u8",
} as const;

/** The largest batch measured divides it. */
const pictures = 9_984;

/** Writes pictures and weights, which all tasks of a workload share. */
export async function writeData(folder: string, { model, recipe }: Workload, { images, labels }: Split): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, files.images), images.subarray(0, pictures * elementsOf(model)));
  await writeFile(join(folder, files.labels), labels.subarray(0, pictures));
  await writeFile(join(folder, files.weights), await firstWeights(model, recipe));
}

export async function writeTask(folder: string, task: Omit<Task, "threads" | "count">): Promise<void> {
  const whole: Task = { ...task, threads: availableParallelism(), count: pictures };
  await writeFile(join(folder, files.task), JSON.stringify(whole));
}

export async function readTask(folder: string): Promise<Task> {
  return JSON.parse(await readFile(join(folder, files.task), "utf8")) as Task;
}

function elementsOf({ input: { channels, height, width } }: CheckedModel): number {
  return channels * height * width;
}

/** As `cnnc train` would start. */
async function firstWeights(model: CheckedModel, recipe: TrainingRecipe): Promise<Uint8Array> {
  const device = await openCpuDevice();
  try {
    const counts = { train: recipe.batch, test: recipe.batch };
    const { plan } = compile(model, recipe, { counts, target: device.target });
    const session = await device.open(plan);
    const state = openPlanState(session, plan);
    state.set("control.seed", seedCounter(1));
    await session.run("initialise");
    const bytes = await encodeCheckpoint(model, state, {});
    await session.close();
    return bytes;
  } finally {
    await device.close();
  }
}
