/**
 * The table of workloads: a network each, as a `.cnn` file.
 *
 * In: a name. Out: its checked model and recipe, with the batch that is asked for.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CheckedModel, checkText, type TrainingRecipe } from "../language/index.ts";
import { benchFolder } from "./folders.ts";

export interface Workload {
  readonly model: CheckedModel;
  readonly recipe: TrainingRecipe;
}

/** What is measured of each workload: training at the batch of its recipe, and inference at these batches. */
export const workloadNames = ["lenet", "conv3", "resnet20"] as const;
export type WorkloadName = (typeof workloadNames)[number];
export const inferenceBatches = [1, 64] as const;

export function loadWorkload(name: WorkloadName, batch?: number): Workload {
  const { model, recipe } = loadProgram(join(benchFolder, "workloads", `${name}.cnn`));
  return { model, recipe: { ...recipe, batch: batch ?? recipe.batch } };
}

/** The one model of a file and its recipe, with values for the model's parameters. */
export function loadProgram(file: string, set: Readonly<Record<string, string>> = {}): Workload {
  const { program, diagnostics } = checkText(readFileSync(file, "utf8"), file, { set });
  const [model] = program?.models ?? [];
  if (!model || !program?.recipe)
    throw new Error(`${file}: ${diagnostics.map(({ message }) => message).join("; ") || "no model to train"}`);
  return { model, recipe: program.recipe };
}
