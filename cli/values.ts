/**
 * Values of options, read strictly.
 *
 * In: the words after an option. Out: numbers; or commander's error, which shows the option and ends with exit code 2.
 */
import { InvalidArgumentError, Option } from "commander";
import type { DeviceKind } from "../runtime/device/chooseDevice.ts";

/** A parser for whole numbers from `minimum` to `maximum`. */
export function wholeNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value;
    const range = `from ${minimum.toLocaleString("en")} to ${maximum.toLocaleString("en")}`;
    throw new InvalidArgumentError(`It must be a whole number ${range}.`);
  };
}

/** A finite number of at least 0. */
export function notNegative(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError("It must be a number of at least 0, such as 0.01.");
}

const devices: readonly DeviceKind[] = ["auto", "gpu", "cpu"];

/** `--device`, the same for all commands that run programs. */
export function deviceOption(): Option {
  return new Option("--device <device>", "where to compute").choices(devices).default("auto");
}

/** `--threads`, likewise. */
export function threadsOption(): Option {
  return new Option("--threads <number>", "threads of the CPU device").argParser(wholeNumber(1, 256));
}

/** `--set name=value`, any number of times, the same for all commands that read programs. */
export function setOption(): Option {
  return new Option("--set <name=value>", "a value for a parameter of the model (may be repeated)")
    .argParser(setting)
    .default({}, "none");
}

/** Adds one setting to those before it. */
function setting(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const [, name, value] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError("It must be name=value, such as width=32.");
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`\`${name}\` is set twice.`);
  return { ...before, [name]: value };
}
