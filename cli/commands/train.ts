/**
 * `cnnc train`: trains a model and leaves a run folder.
 *
 * In: the options. Out: a call of cli/trainProgram.ts, which is loaded only when it runs.
 */
import type { Command } from "commander";
import type { DeviceKind } from "../../runtime/device/chooseDevice.ts";
import type { Perform } from "../context.ts";
import type { CheckFlags } from "../checkFile.ts";
import { deviceOption, notNegative, setOption, threadsOption, wholeNumber } from "../values.ts";

export interface TrainFlags extends CheckFlags {
  readonly model?: string;
  readonly data?: string;
  readonly epochs?: number;
  readonly batch?: number;
  readonly lr?: number;
  readonly seed?: number;
  readonly out?: string;
  readonly weights?: string;
  readonly device: DeviceKind;
  readonly threads?: number;
  readonly fuse: boolean;
  readonly tune?: boolean;
  readonly tuned: boolean;
  readonly schedules?: string;
  readonly fresh?: boolean;
}

export function defineTrain(program: Command, perform: (work: Perform) => Promise<void>): void {
  program
    .command("train")
    .summary("train a model")
    .description("Trains a model as its program says; options take precedence over the program.")
    .argument("<file>", ".cnn file")
    .option("--data <path>", "CIFAR-10: a folder or an archive in its binary layout (default: download it)")
    .option("--epochs <number>", "passes over the training images", wholeNumber(1, 1_000_000))
    .option("--batch <number>", "images a step", wholeNumber(1, 65_536))
    .option("--lr <rate>", "learning rate", notNegative)
    .option("--seed <number>", "fixes all random draws", wholeNumber(0, 2 ** 32 - 1))
    .option("-o, --out <folder>", "run folder (default: runs/ and the model's name)")
    .option("--weights <file>", "start from these weights (.safetensors)")
    .option("--model <name>", "which model, where the file has several")
    .addOption(setOption())
    .addOption(deviceOption())
    .addOption(threadsOption())
    .option("--no-fuse", "a kernel for every operator (slower; the same results within rounding)")
    .option("--tune", "find the fastest schedules first (up to a minute; `cnnc tune` has a time limit to set)")
    .option("--no-tuned", "leave out schedules that were tuned earlier")
    .option("--schedules <path>", "the schedules of an earlier run, by its folder: to repeat it to the bit")
    .option("--fresh", "compile anew, although an earlier run has kept the compiled program")
    .action((file: string, flags: TrainFlags) =>
      perform(async (context) => (await import("../trainProgram.ts")).trainProgram(file, flags, context)),
    );
}
