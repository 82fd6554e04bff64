/**
 * The types of arguments and options.
 *
 * In: a written value. Out: a value of the type, or undefined after a report. What holds: a type also prints its values
 * in canonical words and describes itself in one phrase, so that messages, the reference and completion agree.
 */
import type { Pair, Span } from "./checkedProgram.ts";
import { evaluate, evaluateNumber, reportKind, truthOf, type Evaluated, type Scope } from "./expressions.ts";
import { meant } from "./suggest.ts";
import type { Expression, Value, ValueGroup } from "./syntaxTree.ts";

export interface ParameterType<T> {
  /** `a whole number from 1` */
  readonly describe: string;
  /** The words it takes, if it takes words. */
  readonly words: readonly string[];
  /** True for other words that it takes too, such as names of layers. */
  readonly takes?: (word: string) => boolean;
  /** True if it takes several values joined by commas. */
  readonly many: boolean;
  /** `what` names the argument or option in messages: `` `stride` ``. */
  readonly read: (values: ValueGroup["values"], scope: Scope, what: string) => T | undefined;
  /** In canonical words. A method, so that a `ParameterType<number>` is also a `ParameterType<unknown>`. */
  print(value: T): string;
}

/** What a 32-bit index reaches; above any size that fits a device, and well inside exact integers. */
export const MAXIMUM_COUNT = 2 ** 31 - 1;

interface Range {
  readonly minimum: number;
  readonly maximum: number;
  /** The minimum itself is not allowed. */
  readonly above?: boolean;
  /** The maximum itself is not allowed. */
  readonly below?: boolean;
}

/** A whole number from `minimum` to `maximum`. */
export function integer(minimum: number, maximum = MAXIMUM_COUNT): ParameterType<number> {
  const describe =
    maximum === MAXIMUM_COUNT ? `a whole number from ${minimum}` : `a whole number from ${minimum} to ${maximum}`;
  return single(describe, [], String, (value, scope, what) => {
    const found = readNumber(value, scope, describe, what);
    return found === undefined ? undefined : wholeWithin(found, { minimum, maximum }, value.span, what, scope);
  });
}

export const ANY_NUMBER: Range = { minimum: Number.NEGATIVE_INFINITY, maximum: Number.POSITIVE_INFINITY };

/** A number in a range. */
export function real(range: Range): ParameterType<number> {
  const describe = `a number${rangeText(range)}`;
  return single(describe, [], String, (value, scope, what) => {
    const found = readNumber(value, scope, describe, what);
    return found === undefined ? undefined : within(found, range, value.span, what, scope);
  });
}

/** A number in a range, or one of a few words. */
export function realOr<W extends string>(range: Range, ...words: readonly W[]): ParameterType<number | W> {
  const describe = `${words.map((word) => `\`${word}\``).join(", ")} or a number${rangeText(range)}`;
  return single<number | W>(describe, words, String, (value, scope, what) => {
    const word = value.kind === "name" ? words.find((candidate) => candidate === wordOf(value.text, scope)) : undefined;
    if (word !== undefined) return word;
    if (value.kind === "name" && !scope.names.has(value.text))
      return reportWord(value.text, value.span, words, describe, scope, what);
    const found = readNumber(value, scope, describe, what);
    return found === undefined ? undefined : within(found, range, value.span, what, scope);
  });
}

/** Rows of numbers. */
export type Matrix = readonly (readonly number[])[];

/** `[1 0; 0 1]`, or several joined by commas. */
export const matrices: ParameterType<readonly Matrix[]> = {
  describe: "a matrix such as [1 0; 0 1]",
  words: [],
  many: true,
  read: (values, scope, what) => {
    const found = values.map((value) => readMatrix(value, scope, what));
    const all = found.filter((matrix) => matrix !== undefined);
    return all.length < found.length ? undefined : all;
  },
  print: (value) => value.map((rows) => `[${rows.map((row) => row.join(" ")).join("; ")}]`).join(", "),
};

function readMatrix(value: Value, scope: Scope, what: string): Matrix | undefined {
  if (value.kind !== "matrix") {
    const message = `expected a matrix for ${what}`;
    return scope.report({ code: "CNN206", message, span: value.span, help: "for instance `[1 0; 0 1]`" });
  }
  const { rows, span } = value;
  const [first = []] = rows;
  const uneven = rows.find((row) => row.length !== first.length);
  if (uneven !== undefined) {
    const label = `rows of ${first.length} and of ${uneven.length} numbers`;
    return scope.report({ code: "CNN206", message: "the rows of a matrix are equally long", span, label });
  }
  if (rows.every((row) => row.every(Number.isFinite))) return rows;
  return scope.report({
    code: "CNN217",
    message: "the number is too large",
    span,
    label: "beyond 1.8e308",
    help: "take a smaller one",
  });
}

/** Numbers joined by commas. */
export function reals(range: Range): ParameterType<readonly number[]> {
  const one = real(range);
  const read: ParameterType<readonly number[]>["read"] = (values, scope, what) => {
    const found = values.map((value) => one.read([value], scope, what));
    const numbers = found.filter((value) => value !== undefined);
    return numbers.length < found.length ? undefined : numbers;
  };
  return {
    describe: `numbers${rangeText(range)}, joined by commas`,
    words: [],
    many: true,
    read,
    print: (v) => v.join(", "),
  };
}

/** `on` or `off` */
export const onOff: ParameterType<boolean> = single(
  "`on` or `off`",
  ["on", "off"],
  (value) => (value ? "on" : "off"),
  (value, scope, what) => {
    const word = readWord(value, ["on", "off"], scope, what);
    return word === undefined ? undefined : word === "on";
  },
);

/** One of a few words. */
export function choice<W extends string>(...words: readonly W[]): ParameterType<W> {
  const describe = words.map((word) => `\`${word}\``).join(" or ");
  return single<W>(describe, words, String, (value, scope, what) => readWord(value, words, scope, what));
}

/** `3` (square) or `3x5` (height, width), each side from `minimum`. */
export function size(minimum: number): ParameterType<Pair> {
  const describe = minimum === 0 ? "a size such as 1 or 1x2" : "a size such as 3 or 3x5";
  return single(describe, [], printPair, (value, scope, what) => readSize(value, minimum, describe, scope, what));
}

/** A size, or one of a few words. */
export function sizeOr<W extends string>(minimum: number, ...words: readonly W[]): ParameterType<Pair | W> {
  const describe = `${words.map((word) => `\`${word}\``).join(", ")} or a size such as ${minimum === 0 ? "1 or 1x2" : "3 or 3x5"}`;
  const print = (value: Pair | W): string => (typeof value === "string" ? value : printPair(value));
  return single(describe, words, print, (value, scope, what) => {
    const word = value.kind === "name" ? words.find((candidate) => candidate === wordOf(value.text, scope)) : undefined;
    if (word !== undefined) return word;
    if (value.kind === "name" && !scope.names.has(value.text))
      return reportWord(value.text, value.span, words, describe, scope, what);
    return readSize(value, minimum, describe, scope, what);
  });
}

export interface Maps {
  readonly count: number;
  readonly size: Pair;
  readonly countSpan: Span;
  readonly sizeSpan: Span;
}

/** `6@5x5`: a number of maps, and a size. */
export function maps(example: string): ParameterType<Maps> {
  const describe = `maps such as ${example}`;
  const print = (value: Maps): string => `${value.count}@${value.size[0]}x${value.size[1]}`;
  return single(describe, [], print, (value, scope, what) => {
    if (value.kind !== "maps") return reportNoMaps(value, scope, describe, what, example);
    const count = evaluateNumber(value.count, scope, "a number of maps");
    const found = readSize(value.size, 1, "a size such as 3 or 3x5", scope, what);
    const range = { minimum: 1, maximum: MAXIMUM_COUNT };
    const whole =
      count === undefined ? undefined : wholeWithin(count, range, value.count.span, "the number of maps", scope);
    if (whole === undefined || found === undefined) return undefined;
    return { count: whole, size: found, countSpan: value.count.span, sizeSpan: value.size.span };
  });
}

// ---- reading ----------------------------------------------------------------------------------------------------------

function single<T>(
  describe: string,
  words: readonly string[],
  print: (value: T) => string,
  readOne: (value: Value, scope: Scope, what: string) => T | undefined,
): ParameterType<T> {
  const read: ParameterType<T>["read"] = ([value], scope, what) => readOne(value, scope, what);
  return { describe, words, many: false, read, print };
}

function reportNoMaps(value: Value, scope: Scope, describe: string, what: string, example: string): undefined {
  const [count, side] = example.split("@");
  const isSize = value.kind === "size";
  return scope.report({
    code: "CNN206",
    message: `expected ${describe} for ${what}`,
    span: value.span,
    label: isSize ? "this is a size; the number of maps is missing" : "the size of a map is missing",
    help: isSize ? `write \`${count}@\` in front of it` : `write \`@${side}\` behind the number of maps`,
  });
}

function isExpression(value: Value): value is Expression {
  return value.kind !== "string" && value.kind !== "matrix" && value.kind !== "maps";
}

const LITERAL_NAMES = { string: "a string", matrix: "a matrix", maps: "maps with a size" } as const;

function readEvaluated(value: Value, scope: Scope, describe: string, what: string): Evaluated | undefined {
  if (isExpression(value)) return evaluate(value, scope);
  return scope.report({
    code: "CNN206",
    message: `expected ${describe} for ${what}`,
    span: value.span,
    label: `this is ${LITERAL_NAMES[value.kind]}`,
  });
}

/** The word that a name stands for: its value's, where it is a parameter that has a word as its value, else itself. */
function wordOf(name: string, scope: Scope): string | undefined {
  if (!scope.names.has(name)) return name;
  const found = scope.names.get(name);
  return found?.kind === "word" ? found.text : undefined;
}

function readNumber(value: Value, scope: Scope, describe: string, what: string): number | undefined {
  const found = readEvaluated(value, scope, describe, what);
  if (found === undefined || found.kind === "number") return found?.value;
  return reportKind(found, value.span, `${describe} for ${what}`, scope);
}

function readSize(value: Value, minimum: number, describe: string, scope: Scope, what: string): Pair | undefined {
  const found = readEvaluated(value, scope, describe, what);
  if (found === undefined) return undefined;
  if (found.kind !== "number" && found.kind !== "size")
    return reportKind(found, value.span, `${describe} for ${what}`, scope);
  const [height, width] = found.kind === "number" ? [found.value, found.value] : [found.height, found.width];
  const range = { minimum, maximum: MAXIMUM_COUNT };
  const first = wholeWithin(height, range, value.span, what, scope);
  const second = first === undefined || height === width ? first : wholeWithin(width, range, value.span, what, scope);
  return first === undefined || second === undefined ? undefined : [first, second];
}

function readWord<W extends string>(value: Value, words: readonly W[], scope: Scope, what: string): W | undefined {
  const describe = words.map((word) => `\`${word}\``).join(" or ");
  if (value.kind === "name" && !scope.names.has(value.text)) {
    const found = words.find((word) => word === value.text);
    return found ?? reportWord(value.text, value.span, words, describe, scope, what);
  }
  const found = readEvaluated(value, scope, describe, what);
  if (found === undefined) return undefined;
  const truth = truthOf(found);
  const text = truth === undefined ? wordText(found) : truth ? "on" : "off";
  const word = words.find((candidate) => candidate === text);
  if (word !== undefined) return word;
  const help =
    words.includes("on" as W) && found.kind === "number" ? `write \`${found.value === 0 ? "off" : "on"}\`` : undefined;
  return scope.report({ code: "CNN206", message: `expected ${describe} for ${what}`, span: value.span, help });
}

const wordText = (value: Evaluated): string | undefined => (value.kind === "word" ? value.text : undefined);

function reportWord(
  text: string,
  span: Span,
  words: readonly string[],
  describe: string,
  scope: Scope,
  what: string,
): undefined {
  const synonyms: Readonly<Record<string, string>> = { true: "on", false: "off", yes: "on", no: "off" };
  const synonym = Object.hasOwn(synonyms, text) ? synonyms[text] : undefined;
  const mend =
    synonym !== undefined && words.includes(synonym)
      ? { help: `write \`${synonym}\``, edits: [{ span, replacement: synonym }] }
      : meant(text, [...words, ...scope.names.keys()], span);
  return scope.report({
    code: "CNN206",
    message: `expected ${describe} for ${what}`,
    span,
    label: `this is \`${text}\``,
    ...mend,
  });
}

// ---- ranges -----------------------------------------------------------------------------------------------------------

function wholeWithin(value: number, range: Range, span: Span, what: string, scope: Scope): number | undefined {
  if (Number.isInteger(value)) return within(value, range, span, what, scope);
  return scope.report({
    code: "CNN207",
    message: `expected a whole number for ${what}`,
    span,
    label: `this is ${value}`,
    help: `for instance ${Math.max(range.minimum, Math.floor(value))}`,
  });
}

function within(value: number, range: Range, span: Span, what: string, scope: Scope): number | undefined {
  const { minimum, maximum, above = false, below = false } = range;
  const tooSmall = above ? value <= minimum : value < minimum;
  const tooLarge = below ? value >= maximum : value > maximum;
  if (!tooSmall && !tooLarge) return value;
  const bound = tooSmall
    ? `${above ? "above" : "at least"} ${minimum}`
    : `${below ? "below" : "at most"} ${maximum.toLocaleString("en-US")}`;
  return scope.report({
    code: "CNN207",
    message: `too ${tooSmall ? "small" : "large"} for ${what}`,
    span,
    label: `this is ${value}`,
    help: `it must be ${bound}`,
  });
}

function rangeText({ minimum, maximum, above = false, below = false }: Range): string {
  const least = Number.isFinite(minimum) ? ` ${above ? "above" : "from"} ${minimum}` : "";
  const most = Number.isFinite(maximum) ? ` ${below ? "and below" : "to"} ${maximum}` : "";
  return least + most;
}

/** `3x5`, or `3` for a square. */
export function printPair([height, width]: Pair): string {
  return height === width ? `${height}` : `${height}x${width}`;
}
