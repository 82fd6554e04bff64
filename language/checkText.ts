/**
 * Text to a checked program.
 *
 * In: the text of a `.cnn` file and its name. Out: the program if it has no errors, the models as far as they could be
 * checked, and all diagnostics. What holds: it never throws, whatever the text; `program` is undefined exactly if one of
 * the diagnostics is an error.
 */
import type { CheckedModel, CheckedProgram, TrainingRecipe } from "./checkedProgram.ts";
import { checkUnusedBlock } from "./checkBlock.ts";
import { checkBody } from "./checkBody.ts";
import { checkModel, type GivenValues, type ModelSoFar } from "./checkModel.ts";
import { checkFit, checkRecipe } from "./checkRecipe.ts";
import { collectDiagnostics, type Diagnostic, type Reporter } from "./diagnostic.ts";
import { readValues } from "./givenValues.ts";
import { parse } from "./parse.ts";
import { createSourceMap } from "./sourceMap.ts";
import { nearest } from "./suggest.ts";
import type { Call, Declaration, ModelDeclaration, TrainDeclaration } from "./syntaxTree.ts";
import { warnOfUnused } from "./unusedNames.ts";
import { checkParameterNames, visibleBlocks, type ReadFile } from "./usedFiles.ts";
import { createSession, type Blocks, type Session } from "./walk.ts";

export interface CheckResult {
  readonly file: string;
  readonly source: string;
  /** The texts of all files that belong to it, the checked one first, by their names in diagnostics. */
  readonly sources: ReadonlyMap<string, string>;
  readonly program: CheckedProgram | undefined;
  /** In the file's order, each up to the first layer that fails. */
  readonly models: readonly ModelSoFar[];
  /** In the file's order; behind them those of used files. */
  readonly diagnostics: readonly Diagnostic[];
}

export interface CheckOptions {
  /** Values for parameters of the models, by name and in the language's words: `{ width: "32" }`. */
  readonly set?: Readonly<Record<string, string>>;
  /** Reads the files that `use` names; without it they cannot be used. */
  readonly readFile?: ReadFile;
}

/** Checks the text of a file; `file` is its name in messages, and its folder that of the files it uses. */
export function checkText(text: string, file: string, { set = {}, readFile }: CheckOptions = {}): CheckResult {
  const { report, errorCount, diagnostics } = collectDiagnostics();
  const sources = createSourceMap(file, text);
  const session = createSession(sources, report);
  const declarations = withMeantWords(parse(text, report).declarations, report);
  const blocks = visibleBlocks(declarations, file, readFile, session);
  const models = checkModels(declarations, blocks, readValues(set, declarations, report), session);
  checkUnreached(declarations, blocks, session);
  const recipe = checkTrain(declarations, report);
  if (recipe !== undefined) for (const model of models) checkFit(recipe, endsOf(model), report);
  const isLibrary = blocks.size > 0;
  if (models.length === 0 && !isLibrary && errorCount() === 0) reportNoModel(text, report);
  if (errorCount() === 0) warnOfUnused(declarations, session);
  const program = errorCount() > 0 ? undefined : { file, source: text, models: models.map(completeModel), recipe };
  const texts = new Map(sources.files.map((one) => [one.file, one.source.text]));
  return { file, source: text, sources: texts, program, models, diagnostics: diagnostics(sources) };
}

function checkModels(
  declarations: readonly Declaration[],
  blocks: Blocks,
  given: GivenValues,
  session: Session,
): ModelSoFar[] {
  const { report } = session;
  const seen = new Map<string, ModelDeclaration>();
  const models: ModelSoFar[] = [];
  for (const declaration of declarations) {
    if (declaration.kind !== "model") continue;
    const { text, span } = declaration.name;
    const earlier = seen.get(text);
    seen.set(text, earlier ?? declaration);
    checkParameterNames(
      declaration.parameters.map(({ name }) => name),
      report,
    );
    models.push(checkModel(declaration, blocks, given, session));
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

/** Checks what no model has come to, blocks that are not used among it, for what does not depend on values. */
function checkUnreached(declarations: readonly Declaration[], blocks: Blocks, session: Session): void {
  const { reached, unreached } = session;
  const drain = (): void => {
    // A body that is checked may add more of them, which the iteration comes to.
    for (const [body, check] of unreached) {
      unreached.delete(body);
      if (!reached.has(body)) check();
    }
  };
  drain();
  for (const declaration of declarations) {
    if (declaration.kind !== "block" || reached.has(declaration.body)) continue;
    checkUnusedBlock(declaration, blocks, session, checkBody);
    drain();
  }
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
    ...(near === undefined
      ? { help: "a file consists of `model Name { … }`, `block name { … }`, `use` and `train { … }`" }
      : { help: `did you mean \`${near}\`?`, edits: [{ span, replacement: near }] }),
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

function endsOf({ layers, complete, outputId, ...ends }: ModelSoFar) {
  return { ...ends, last: complete ? layers[outputId] : undefined };
}

function completeModel({ name, span, input, layers, outputId, totals }: ModelSoFar): CheckedModel {
  // A model without errors has an input: `checkModel` reports one that has none.
  const shape = input ?? { channels: 0, height: 0, width: 0, flat: false };
  return { name, span, input: shape, layers, output: outputId, totals };
}
