/**
 * The options that several commands share, each described once.
 *
 * In: a command, the names of options. Out: the command with these, in that order. What holds: an option means the same
 * wherever it is.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { DeviceKind } from "../runtime/device/chooseDevice.ts";
import type { CheckFlags } from "./checkFile.ts";
import { wholeNumber } from "./values.ts";

/** Of commands that compile a model. */
export interface ModelFlags extends CheckFlags {
  readonly model?: string;
  readonly fuse: boolean;
}

/** Of commands that run one. */
export interface RunFlags extends ModelFlags {
  readonly batch?: number;
  readonly device: DeviceKind;
  readonly threads?: number;
}

const devices: readonly DeviceKind[] = ["auto", "gpu", "cpu"];

const shared = {
  model: () => new Option("--model <name>", "which model, where the file has several"),
  set: () =>
    new Option("--set <name=value>", "a value for a parameter of the model (may be repeated)")
      .argParser(setting)
      .default({}, "none"),
  batch: () => new Option("--batch <number>", "images a step").argParser(wholeNumber(1, 65_536)),
  device: () => new Option("--device <device>", "where to compute").choices(devices).default("auto"),
  threads: () => new Option("--threads <number>", "threads of the CPU device").argParser(wholeNumber(1, 256)),
  fuse: () => new Option("--no-fuse", "a kernel for every operator (slower; the same results within rounding)"),
};

type SharedOption = keyof typeof shared;

/** Of a command that runs a model: what `RunFlags` holds. */
export const runOptions: readonly SharedOption[] = ["model", "set", "batch", "device", "threads", "fuse"];

export function addOptions(command: Command, names: readonly SharedOption[]): Command {
  for (const name of names) command.addOption(shared[name]());
  return command;
}

/** Adds one setting to those before it. */
function setting(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const [, name, value] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError("It must be name=value, such as width=32.");
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`\`${name}\` is set twice.`);
  return { ...before, [name]: value };
}
