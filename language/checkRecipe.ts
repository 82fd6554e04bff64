/**
 * Checking `train { … }`.
 *
 * In: the syntax tree of the block, and the models of the file. Out: a recipe, or undefined if it has no data. What
 * holds: each line is read by its entry of the recipe catalogue; a recipe that comes out without a report is complete.
 */
import { findEntry, indexCatalogue, reportLater } from "./catalogue.ts";
import {
  shapeElements,
  shapeText,
  type CheckedLayer,
  type Shape,
  type Span,
  type TrainingRecipe,
} from "./checkedProgram.ts";
import type { Reporter } from "./diagnostic.ts";
import { noNames, type Scope } from "./expressions.ts";
import { laterRecipe } from "./laterWords.ts";
import { defaultRecipe, recipeCatalogue, type RecipeParts } from "./recipeCatalogue.ts";
import { bareName, bind, type BoundCall } from "./signature.ts";
import { meant } from "./suggest.ts";
import type { Call, Statement, TrainDeclaration } from "./syntaxTree.ts";

const catalogue = indexCatalogue(recipeCatalogue);

/** Checks the lines of a recipe. */
export function checkRecipe(train: TrainDeclaration, report: Reporter): TrainingRecipe | undefined {
  const places = new Map<string, Span>();
  let parts: RecipeParts = defaultRecipe;
  const { statements, joined } = train.body;
  // What an arrow adds to a line (`augment flip -> crop pad 4`) belongs to a line that has been reported.
  const lines = statements.filter((_, index) => joined[index] !== true || isKnown(statements[index - 1]));
  for (const statement of lines) parts = { ...parts, ...checkLine(statement, places, report) };
  const { data } = parts;
  if (data === undefined) {
    const broken = train.body.statements.some(({ kind }) => kind === "broken");
    if (!places.has("data") && !broken) reportNoData(train, report);
    return undefined;
  }
  const { normalize } = parts;
  const place = places.get("normalize") ?? train.keyword;
  const mean = widen("mean", normalize.mean, data.image.channels, place, report);
  const std = widen("std", normalize.std, data.image.channels, place, report);
  return { ...parts, span: train.span, data, normalize: { mean, std } };
}

function isKnown(statement: Statement | undefined): boolean {
  return statement?.kind === "call" && catalogue.byWord.has(statement.name.text);
}

function checkLine(
  statement: Statement,
  places: Map<string, Span>,
  report: Reporter,
): Partial<RecipeParts> | undefined {
  if (statement.kind === "broken") return undefined;
  if (statement.kind !== "call") {
    const word = statement.kind;
    return report({
      code: "CNN301",
      message: `\`${word}\` does not stand in \`train\``,
      span: { start: statement.span.start, end: statement.span.start + word.length },
      help: "a recipe is a list of plain lines",
    });
  }
  const word = statement.name.text;
  if (!catalogue.byWord.has(word)) return reportUnknownLine(statement, report);
  const earlier = places.get(word);
  if (earlier !== undefined) return reportTwice(statement, earlier, report);
  places.set(word, statement.span);
  const entry = findEntry(catalogue, statement, report);
  const scope: Scope = { names: noNames, input: "none", report };
  const bound = entry && bind(statement, entry, scope, (name) => catalogue.byWord.has(name));
  return bound && entry?.part(bound, { report, place: placeIn(statement, bound) });
}

/** The words of an argument or option if it is given, else those of the whole call. */
export function placeIn(call: Call, bound: BoundCall): (key: string) => Span {
  const head: Span = { start: call.name.span.start, end: call.groups.at(-1)?.span.end ?? call.name.span.end };
  return (key) => bound.spans.get(key) ?? head;
}

function reportUnknownLine(call: Call, report: Reporter): undefined {
  const later = laterRecipe.get(call.name.text);
  if (later !== undefined) return reportLater(call.name.text, call.name.span, later, report);
  return report({
    code: "CNN301",
    message: `there is no \`${call.name.text}\` in \`train\``,
    span: call.name.span,
    ...(meant(call.name.text, [...catalogue.words, ...laterRecipe.keys()], call.name.span) ?? {
      help: synonym(call.name.text) ?? `there are ${catalogue.words.map((word) => `\`${word}\``).join(", ")}`,
    }),
  });
}

function synonym(word: string): string | undefined {
  const known: ReadonlyMap<string, string> = new Map([
    ["lr", "the learning rate belongs to the optimizer: `optimizer adam lr 0.01`"],
    ["learning_rate", "the learning rate belongs to the optimizer: `optimizer adam lr 0.01`"],
    ["momentum", "it belongs to the optimizer: `optimizer sgd momentum 0.9`"],
    ["adam", "write `optimizer adam`"],
    ["sgd", "write `optimizer sgd`"],
    ["dataset", "write `data`"],
    ["mean", "write `normalize mean … std …`"],
  ]);
  return known.get(word);
}

function reportTwice(call: Call, earlier: Span, report: Reporter): undefined {
  const kind = bareName(call.groups[0]);
  return report({
    code: "CNN307",
    message: `\`${call.name.text}\` stands in \`train\` twice`,
    span: call.name.span,
    help: kind === undefined ? "keep one of them" : `keep one of them: this is \`${call.name.text} ${kind}\``,
    notes: [{ message: "given here already", span: earlier }],
  });
}

function reportNoData(train: TrainDeclaration, report: Reporter): void {
  const choices = [...(catalogue.byWord.get("data")?.keys() ?? [])].map((name) => `\`data ${name}\``);
  report({
    code: "CNN302",
    message: "the recipe has no data",
    span: train.keyword,
    label: "nothing to train on",
    help: `add a line ${choices.join(" or ")}`,
  });
}

/** One number for each channel. */
function widen(
  name: string,
  numbers: readonly number[],
  channels: number,
  span: Span,
  report: Reporter,
): readonly number[] {
  const [first = 0, ...others] = numbers;
  if (others.length === 0) return Array.from({ length: channels }, () => first);
  if (numbers.length !== channels) {
    report({
      code: "CNN305",
      message: `\`${name}\` does not fit the data's channels`,
      span,
      label: `${numbers.length} numbers for ${channels} channels`,
      help: `give one number, or ${channels} joined by commas`,
    });
  }
  return numbers;
}

/** What `checkFit` needs to know of a model; undefined where an error hides it. */
export interface ModelEnds {
  readonly input: Shape | undefined;
  readonly inputSpan: Span;
  readonly output: Shape | undefined;
  readonly outputSpan: Span;
  /** The number of outputs as it is written, if it is a number: `10` of `fc 10`. */
  readonly classifier: Span | undefined;
  readonly last: CheckedLayer | undefined;
}

/** Reports where a model does not take the data's pictures or does not end in their classes. */
export function checkFit({ data }: TrainingRecipe, ends: ModelEnds, report: Reporter): void {
  const { input, output, last } = ends;
  const { image, classes, name } = data;
  if (input !== undefined && shapeText(input) !== shapeText(image)) {
    report({
      code: "CNN303",
      message: "the input does not fit the data",
      span: ends.inputSpan,
      label: `\`${name}\` gives ${shapeText(image)}`,
      help: `write \`input ${shapeText(image)}\``,
      edits: [{ span: ends.inputSpan, replacement: `input ${shapeText(image)}` }],
    });
  }
  if (output !== undefined && shapeElements(output) !== classes) {
    report({
      code: "CNN304",
      message: "the last layer does not fit the data's classes",
      span: ends.outputSpan,
      label: `this gives ${shapeText(output)}, and \`${name}\` has ${classes} classes`,
      help: `end the model with \`fc ${classes}\``,
      ...(ends.classifier === undefined ? {} : { edits: [{ span: ends.classifier, replacement: `${classes}` }] }),
    });
  } else if (last !== undefined && isFinalNonlinearity(last)) {
    const isSoftmax = wordOf(last) === "softmax";
    report({
      code: "CNN253",
      message: isSoftmax ? "a softmax before the loss" : "an activation before the loss",
      span: ends.outputSpan,
      label: isSoftmax
        ? "`cross_entropy` takes the softmax itself, and of these the gradients almost vanish"
        : "the softmax of `cross_entropy` expects any numbers, not these",
      help: "end the model with the layer before it",
    });
  }
}

const wordOf = (layer: CheckedLayer): string => layer.text.split(" ", 1)[0] ?? "";

/** What takes the freedom from the outputs that cross-entropy wants of them. */
function isFinalNonlinearity(last: CheckedLayer): boolean {
  return last.kind === "activation" || wordOf(last) === "softmax";
}
