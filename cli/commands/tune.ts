/**
 * `cnnc tune`: finds the fastest schedules for a device.
 *
 * In: the options. Out: a call of cli/tuneProgram.ts, which is loaded only when it runs.
 */
import type { Command } from "commander";
import type { Perform } from "../context.ts";
import { addOptions, type RunFlags, runOptions } from "../options.ts";
import { wholeNumber } from "../values.ts";

export interface TuneFlags extends RunFlags {
  readonly seconds: number;
}

const help = `
Every candidate is checked against the default schedule before it is timed. What is faster is kept in the cache folder, by
adapter, driver and version, and \`cnnc train\` uses it. Ctrl-C ends early and keeps what was found.

Examples:
  cnnc tune examples/lenet.cnn --seconds 30
  cnnc train examples/lenet.cnn --tune`;

export function defineTune(program: Command, perform: (work: Perform) => Promise<void>): void {
  const command = program
    .command("tune")
    .summary("measure schedules on this machine; `train` uses the fastest")
    .description("Measures several schedules for each kernel of a training step and keeps the fastest.")
    .argument("<file>", ".cnn file")
    .option(
      "--seconds <number>",
      "time limit (about: half of it at least goes into measuring)",
      wholeNumber(1, 86_400),
      60,
    );
  addOptions(command, runOptions)
    .addHelpText("after", help)
    .action((file: string, flags: TuneFlags) =>
      perform(async (context) => (await import("../tuneProgram.ts")).tuneFile(file, flags, context)),
    );
}
