/**
 * The command line: a table of commands, and one place where everything thrown becomes a message and an exit code.
 *
 * In: arguments and streams. Out: the exit code. What holds: a command loads what it needs when it runs, so that starting
 * costs little.
 */
import { Command } from "commander";
import { defineCheck } from "./commands/check.ts";
import { defineCompile } from "./commands/compile.ts";
import { defineDoctor } from "./commands/doctor.ts";
import { defineExplain } from "./commands/explain.ts";
import { defineFmt } from "./commands/fmt.ts";
import { defineProfile } from "./commands/profile.ts";
import { defineTrain } from "./commands/train.ts";
import { defineTune } from "./commands/tune.ts";
import { type CommandContext, exitCode, type Perform } from "./context.ts";
import { reportProblem } from "./reportProblem.ts";
import { version } from "./version.ts";

/** In the order of the help. */
const commands = [
  defineCheck,
  defineFmt,
  defineTrain,
  defineCompile,
  defineExplain,
  defineProfile,
  defineTune,
  defineDoctor,
];

const examples = `
Examples:
  cnnc check examples/lenet.cnn
  cnnc train examples/lenet.cnn --epochs 2 --seed 1
  cnnc explain examples/lenet.cnn --stage kernels
  cnnc explain CNN204

Exit codes: 0 all is well, 1 the program has errors, 2 wrong usage,
3 device, data, files or training failed, 130 stopped with Ctrl-C.`;

/** Runs one command line. */
export async function run(context: CommandContext): Promise<number> {
  let code: number = exitCode.fine;
  const perform = async (work: Perform): Promise<void> => {
    code = await work(context);
  };
  const program = new Command("cnnc")
    .description("Trains convolutional networks that are written in a small language.")
    .version(version(), "-V, --version", "print the version")
    .addHelpText("after", examples)
    .showSuggestionAfterError()
    .showHelpAfterError("(`cnnc --help` shows what there is)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.out.write(text),
      writeErr: (text) => void context.err.write(text),
    });
  // Commands made with `command()` inherit exitOverride and configureOutput, so these come first.
  for (const define of commands) define(program, perform);
  for (const command of program.commands)
    command.showHelpAfterError(`(\`cnnc ${command.name()} --help\` shows what there is)`);
  try {
    await program.parseAsync([...context.arguments], { from: "user" });
    return code;
  } catch (problem) {
    return reportProblem(problem, context);
  }
}
