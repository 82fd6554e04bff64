/** The distinct kernels of a program's training step, as tuning sees them. */
import { compile } from "../../compiler/compile.ts";
import type { Target } from "../../compiler/target.ts";
import { type TuningSubject, tuningSubjects } from "../../compiler/tuning/tuning.ts";
import { checkText } from "../../language/index.ts";

/** Data sets of eight images. */
export function subjectsOf(text: string, target: Target): TuningSubject[] {
  const { program, diagnostics } = checkText(text, "tuned.cnn");
  const [model] = program?.models ?? [];
  if (!model || !program?.recipe) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  const options = { counts: { train: 8, test: 8 }, target, separate: true, programs: ["trainStep"] } as const;
  return compile(model, program.recipe, options).programs.flatMap((step) => tuningSubjects(step, target));
}
