/**
 * Text to a checked program.
 *
 * In: the text of a `.cnn` file and its name. Out: the program if it has no errors, the models as far as they could be
 * checked, and all diagnostics. What holds: it never throws, whatever the text; `program` is undefined exactly if one of
 * the diagnostics is an error.
 */
import type { CheckedModel, CheckedProgram, TrainingRecipe } from "./checkedProgram.ts";
import { reportLater } from "./catalogue.ts";
import { checkModel, type ModelSoFar } from "./checkModel.ts";
import { checkFit, checkRecipe } from "./checkRecipe.ts";
import { collectDiagnostics, type Diagnostic, type Reporter } from "./diagnostic.ts";
import { laterLayers } from "./laterWords.ts";
import { parse } from "./parse.ts";
import { sourceText, type SourceText } from "./sourceText.ts";
import { nearest } from "./suggest.ts";
import type { Call, Declaration, ModelDeclaration, TrainDeclaration } from "./syntaxTree.ts";

export interface CheckResult {
  readonly file: string;
  readonly source: string;
  readonly program: CheckedProgram | undefined;
  /** In the file's order, each up to the first layer that fails. */
  readonly models: readonly ModelSoFar[];
  /** In the file's order. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Checks the text of a file; `file` is its name in messages. */
export function checkText(text: string, file: string): CheckResult {
  const { report, errorCount, diagnostics } = collectDiagnostics();
  const source = sourceText(text);
  const declarations = withMeantWords(parse(text, report).declarations, report);
  const models = checkModels(declarations, source, report);
  const recipe = checkTrain(declarations, report);
  if (recipe !== undefined) for (const model of models) checkFit(recipe, endsOf(model), report);
  if (models.length === 0 && errorCount() === 0) reportNoModel(text, report);
  const program = errorCount() > 0 ? undefined : { file, source: text, models: models.map(completeModel), recipe };
  return { file, source: text, program, models, diagnostics: diagnostics() };
}

function checkModels(declarations: readonly Declaration[], source: SourceText, report: Reporter): ModelSoFar[] {
  const seen = new Map<string, ModelDeclaration>();
  const models: ModelSoFar[] = [];
  for (const declaration of declarations) {
    if (declaration.kind !== "model") continue;
    const { text, span } = declaration.name;
    const earlier = seen.get(text);
    seen.set(text, earlier ?? declaration);
    models.push(checkModel(declaration, source, report));
    const nameless = span.start === declaration.span.start; // reported by the parser
    if (earlier === undefined || nameless) continue;
    report({
      code: "CNN105",
      message: `there are two models \`${text}\``,
      span,
      help: "give one of them another name",
      notes: [{ message: "the first one", span: earlier.name.span }],
    });
  }
  return models;
}

function checkTrain(declarations: readonly Declaration[], report: Reporter): TrainingRecipe | undefined {
  const [first, ...others] = declarations.filter((declaration) => declaration.kind === "train");
  for (const other of others) {
    report({
      code: "CNN106",
      message: "a file has one `train`",
      span: other.keyword,
      help: "keep one of them, or put the other one into a file of its own",
      notes: first === undefined ? [] : [{ message: "the first one", span: first.keyword }],
    });
  }
  return first && checkRecipe(first, report);
}

/** Declarations of known kinds; reports the others, and takes `modle Name { … }` for what was meant. */
function withMeantWords(declarations: readonly Declaration[], report: Reporter): Declaration[] {
  const known: Declaration[] = [];
  let quiet = false;
  for (const declaration of declarations) {
    if (declaration.kind === "block" || declaration.kind === "use") {
      const span = { start: declaration.span.start, end: declaration.span.start + declaration.kind.length };
      reportLater(declaration.kind, span, laterLayers.get(declaration.kind) ?? "", report);
    }
    // Lines outside of a model come many at a time (its head is missing or broken): one report for them is enough.
    const line = declaration.kind === "call" && declaration.body === undefined;
    if (declaration.kind !== "call") known.push(declaration);
    else if (!line || !quiet) known.push(...meant(declaration, report));
    quiet = line || declaration.kind === "broken";
  }
  return known;
}

function meant(call: Call, report: Reporter): (ModelDeclaration | TrainDeclaration)[] {
  const { text, span } = call.name;
  const near = call.body === undefined ? undefined : nearest(text, ["model", "train", "block"]);
  report({
    code: "CNN103",
    message: call.body === undefined ? `\`${text}\` stands outside of a model` : `there is no declaration \`${text}\``,
    span,
    help: near === undefined ? "a file consists of `model Name { … }` and `train { … }`" : `did you mean \`${near}\`?`,
  });
  if (call.body === undefined) return [];
  if (near === "train") return [{ kind: "train", keyword: span, body: call.body, span: call.span }];
  const value = call.groups[0]?.values[0];
  if (near !== "model" || value?.kind !== "name") return [];
  return [{ kind: "model", name: value, parameters: [], body: call.body, span: call.span }];
}

function reportNoModel(text: string, report: Reporter): void {
  const blank = text.trim() === "";
  report({
    code: "CNN002",
    message: blank ? "the file is empty" : "the file has no model",
    span: { start: 0, end: 0 },
    help: "a model is written `model Name { input 3@32x32 -> fc 10 }`",
  });
}

function endsOf({ input, inputSpan, output, outputSpan, layers, complete }: ModelSoFar) {
  return { input, inputSpan, output, outputSpan, last: complete ? layers.at(-1) : undefined };
}

function completeModel({ name, span, input, layers, totals }: ModelSoFar): CheckedModel {
  // A model without errors has an input: `checkModel` reports one that has none.
  const shape = input ?? { channels: 0, height: 0, width: 0, flat: false };
  return { name, span, input: shape, layers, output: layers.length - 1, totals };
}
