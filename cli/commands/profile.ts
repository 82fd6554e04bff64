/**
 * `cnnc profile`: where the time of a program goes.
 *
 * In: the options. Out: a call of cli/profileProgram.ts, which is loaded only when it runs.
 */
import { type Command, Option } from "commander";
import type { Perform } from "../context.ts";
import { addOptions, type RunFlags, runOptions } from "../options.ts";
import { wholeNumber } from "../values.ts";

const programs = ["trainStep", "evaluateStep", "predict"] as const;
const formats = ["text", "json"] as const;

export interface ProfileFlags extends RunFlags {
  readonly program: (typeof programs)[number];
  readonly format: (typeof formats)[number];
  readonly kernels: number;
  readonly out?: string;
}

const help = `
FLOP are those of the definitions, a multiply-add counts two. Bytes are those of distinct elements. The peak is what a
kernel of multiply-adds alone reaches in the same run. Images are made up: no data set is needed.

Examples:
  cnnc profile examples/lenet.cnn --device cpu
  cnnc profile examples/lenet.cnn --program predict --batch 1 --format json`;

export function defineProfile(program: Command, perform: (work: Perform) => Promise<void>): void {
  const command = program
    .command("profile")
    .summary("time every kernel, and draw a step as a timeline and a roofline")
    .description("Times a program kernel by kernel and shows what each does of what the device can do.")
    .argument("<file>", ".cnn file")
    .addOption(new Option("--program <program>", "what to time").choices(programs).default("trainStep"))
    .addOption(new Option("--format <format>", "how to print the profile").choices(formats).default("text"))
    .option("--kernels <number>", "rows of the text's tables", wholeNumber(1, 100_000), 30)
    .option("-o, --out <folder>", "where profile.svg and profile.png go (default: profiles/ and the model's name)");
  addOptions(command, runOptions)
    .addHelpText("after", help)
    .action((file: string, flags: ProfileFlags) =>
      perform(async (context) => (await import("../profileProgram.ts")).profileFile(file, flags, context)),
    );
}
