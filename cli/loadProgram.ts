/**
 * From a path to a program that can be compiled: what `compile`, `train` and `explain` begin with.
 *
 * In: a path. Out: one model and its recipe; or, where the program has errors, undefined after showing them.
 */
import { renderDiagnostics } from "../language/index.ts";
import type { CheckedModel, TrainingRecipe } from "../language/index.ts";
import { type CommandContext, exitCode, paletteFor } from "./context.ts";
import { checkFile, type CheckFlags } from "./checkFile.ts";
import { UserError } from "./userError.ts";

export interface LoadedProgram {
  readonly source: string;
  readonly model: CheckedModel;
  readonly recipe: TrainingRecipe;
}

/** Reads and checks; warnings are shown too. Throws a `UserError` where it is not said what to train and on what. */
export async function loadProgram(
  path: string,
  flags: CheckFlags & { readonly model?: string },
  { err, environment }: CommandContext,
): Promise<LoadedProgram | undefined> {
  const { program, diagnostics, source, sources } = await checkFile(path, flags);
  err.write(renderDiagnostics(diagnostics, source, path, { color: paletteFor(err, environment), sources }));
  if (!program) return undefined;
  const { recipe } = program;
  if (!recipe)
    throw new UserError(
      `\`${path}\` does not say how to train`,
      "Add `train { data cifar10 }`, or `train { data shapes }` for data that needs no download.",
      exitCode.program,
    );
  return { source, model: chooseModel(path, program.models, flags.model), recipe };
}

function chooseModel(path: string, models: readonly CheckedModel[], name: string | undefined): CheckedModel {
  if (models.length === 0)
    throw new UserError(
      `\`${path}\` has blocks, but no model`,
      "Name a file that has a model; files of blocks are for `use`.",
      exitCode.program,
    );
  const names = models.map((model) => `\`${model.name}\``).join(", ");
  const found = name === undefined ? models : models.filter((model) => model.name === name);
  const [only] = found;
  if (only === undefined) throw new UserError(`\`${path}\` has no model \`${name}\``, `It has ${names}.`);
  if (found.length > 1)
    throw new UserError(
      `\`${path}\` has several models: ${names}`,
      `Choose one: \`--model ${only.name}\`, for example.`,
    );
  return only;
}
