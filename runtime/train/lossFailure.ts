/**
 * What to say when the loss is no longer a finite number.
 *
 * In: the first step where it was not, and the state of the plan. Out: a `RuntimeFailure` that names the step, the first
 * layer that holds a number that is not finite, and ways out.
 */
import type { CheckedModel, TrainingRecipe } from "../../language/checkedProgram.ts";
import { RuntimeFailure } from "../errors.ts";
import type { RunFolder } from "../files/runFolder.ts";
import type { PlanState } from "./planState.ts";

export interface LossFailureInput {
  readonly model: CheckedModel;
  readonly recipe: TrainingRecipe;
  readonly state: PlanState;
  /** Where the weights of earlier epochs are, if they are kept. */
  readonly folder?: Pick<RunFolder, "path">;
  readonly epoch: number;
  /** From 1, counted over all epochs. */
  readonly step: number;
}

export async function lossFailure(input: LossFailureInput): Promise<RuntimeFailure> {
  const { recipe, epoch, step, folder } = input;
  const where = (await firstBadLayer(input)) ?? "all weights are still finite: it is the loss itself that overflows";
  const kept =
    folder && epoch > 1 ? ` The weights after epoch ${epoch - 1} are in ${folder.path}/last.safetensors.` : "";
  return new RuntimeFailure(
    "training",
    `the loss is not a finite number from step ${step} (epoch ${epoch}) on; ${where}`,
    `Lower the learning rate (now ${recipe.optimizer.learningRate}), or add \`bn\` after the convolutions.${kept}`,
  );
}

/** `conv1 (line 4) has weights that are not finite`, for the first such layer. */
async function firstBadLayer({ model, state }: LossFailureInput): Promise<string | undefined> {
  for (const { name, line, parameters } of model.layers)
    for (const { path, counted } of parameters) {
      const values = await state.read(path);
      if (values.every(Number.isFinite)) continue;
      const what = counted ? "weights" : "running statistics";
      return `the first layer with ${what} that are not finite is ${name} (line ${line}): \`${path}\``;
    }
  return undefined;
}
