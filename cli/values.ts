/**
 * Values of options, read strictly.
 *
 * In: the words after an option. Out: numbers; or commander's error, which shows the option and ends with exit code 2.
 */
import { InvalidArgumentError } from "commander";

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
