/**
 * Values of a model's parameters from outside: `--set width=32`.
 *
 * In: names and texts. Out: values, after reports of texts that are none and of names that no model has.
 */
import type { GivenValues } from "./checkModel.ts";
import type { Span } from "./checkedProgram.ts";
import type { Reporter } from "./diagnostic.ts";
import type { Evaluated } from "./expressions.ts";
import { didYouMean } from "./suggest.ts";
import type { Declaration } from "./syntaxTree.ts";

const NUMBER = /^[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const SIZE = /^(\d{1,9})x(\d{1,9})$/;
const WORD = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Reads the values, each for the models that have a parameter of its name. */
export function readValues(
  set: Readonly<Record<string, string>>,
  declarations: readonly Declaration[],
  report: Reporter,
): GivenValues {
  const models = declarations.filter((declaration) => declaration.kind === "model");
  const known = models.flatMap(({ parameters }) => parameters.map(({ name }) => name.text));
  const span = models[0]?.name.span ?? { start: 0, end: 0 };
  const values = new Map<string, Evaluated>();
  for (const [name, text] of Object.entries(set)) {
    const value = known.includes(name) ? readValue(text.trim()) : undefined;
    if (value !== undefined) values.set(name, value);
    else if (known.includes(name)) reportValue(name, text, span, report);
    else reportName(name, known, span, report);
  }
  return values;
}

function readValue(text: string): Evaluated | undefined {
  if (NUMBER.test(text)) return Number.isFinite(Number(text)) ? { kind: "number", value: Number(text) } : undefined;
  const size = SIZE.exec(text);
  if (size !== null) return { kind: "size", height: Number(size[1]), width: Number(size[2]) };
  return WORD.test(text) ? { kind: "word", text } : undefined;
}

function reportValue(name: string, text: string, span: Span, report: Reporter): void {
  report({
    code: "CNN226",
    message: `\`${text}\` is no value for \`${name}\``,
    span,
    help: "give a number, a size such as 3x5, or a word such as `on`",
  });
}

function reportName(name: string, known: readonly string[], span: Span, report: Reporter): void {
  const list = known.map((word) => `\`${word}\``).join(", ");
  report({
    code: "CNN226",
    message: `no model has a parameter \`${name}\``,
    span,
    help:
      didYouMean(name, known) ?? (known.length === 0 ? "write `model Name(width = 16) { … }`" : `there are ${list}`),
  });
}
