/**
 * `cnnc train`: trains a model and leaves a run folder.
 *
 * In: the options. Out: a call of cli/trainProgram.ts, which is loaded only when it runs.
 */
import type { Command } from "commander";
import type { Perform } from "../context.ts";
import { addOptions, type RunFlags, runOptions } from "../options.ts";
import { notNegative, wholeNumber } from "../values.ts";

export interface TrainFlags extends RunFlags {
  readonly data?: string;
  readonly epochs?: number;
  readonly lr?: number;
  readonly seed?: number;
  readonly out?: string;
  readonly weights?: string;
  readonly tune?: boolean;
  readonly tuned: boolean;
  readonly schedules?: string;
  readonly fresh?: boolean;
}

export function defineTrain(program: Command, perform: (work: Perform) => Promise<void>): void {
  const command = program
    .command("train")
    .summary("train a model")
    .description("Trains a model as its program says; options take precedence over the program.")
    .argument("<file>", ".cnn file")
    .option("--data <path>", "CIFAR-10: a folder or an archive in its binary layout (default: download it)")
    .option("--epochs <number>", "passes over the training images", wholeNumber(1, 1_000_000))
    .option("--lr <rate>", "learning rate", notNegative)
    .option("--seed <number>", "fixes all random draws", wholeNumber(0, 2 ** 32 - 1))
    .option("-o, --out <folder>", "run folder (default: runs/ and the model's name)")
    .option("--weights <file>", "start from these weights (.safetensors)")
    .option("--tune", "find the fastest schedules first (about a minute; `cnnc tune` has a time limit to set)")
    .option("--no-tuned", "leave out schedules that were tuned earlier")
    .option("--schedules <path>", "the schedules of an earlier run, by its folder: to repeat it to the bit")
    .option("--fresh", "compile anew, although an earlier run has kept the compiled program");
  addOptions(command, runOptions).action((file: string, flags: TrainFlags) =>
    perform(async (context) => (await import("../trainProgram.ts")).trainProgram(file, flags, context)),
  );
}
