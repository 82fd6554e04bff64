/**
 * Everything that can be thrown, as words for the user and an exit code.
 *
 * In: a thrown value. Out: text on the error stream. What holds: only a fault of cnnc itself shows a stack trace.
 */
import { CommanderError } from "commander";
import { RuntimeFailure } from "../runtime/errors.ts";
import { type CommandContext, exitCode, paletteFor } from "./context.ts";
import { UserError } from "./userError.ts";

/** Says what went wrong; returns the exit code. */
export function reportProblem(problem: unknown, { err, environment }: CommandContext): number {
  // Commander has already said what is wrong; help and version are no errors.
  if (problem instanceof CommanderError) return problem.exitCode === 0 ? exitCode.fine : exitCode.usage;
  const palette = paletteFor(err, environment);
  const say = (message: string, remedy: string): void => {
    err.write(`${palette.error("error")}${palette.strong(`: ${message}`)}\n`);
    if (remedy !== "") err.write(`  ${palette.strong("help:")} ${remedy}\n`);
  };
  if (problem instanceof UserError || problem instanceof RuntimeFailure) {
    say(problem.message, problem.remedy);
    return problem instanceof UserError ? problem.code : exitCode.failure;
  }
  const stack = problem instanceof Error ? (problem.stack ?? problem.message) : String(problem);
  err.write(
    `${palette.error("this is a bug of cnnc")}: please report it with your program and what follows.\n${stack}\n`,
  );
  return exitCode.bug;
}
