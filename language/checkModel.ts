/**
 * Checking `model { … }`.
 *
 * In: the syntax tree of a model, and the values that its parameters are given from outside. Out: its layers up to the
 * first that fails, and reports. What holds: a report never follows from another one: behind a layer that fails the shape
 * is unknown, and only what does not need it is checked, until a layer such as `fc` makes it known again.
 */
import { checkBody, checkStatement } from "./checkBody.ts";
import { isStatement } from "./checkLayer.ts";
import { shapeElements, type CheckedLayer, type ModelTotals, type Shape, type Span } from "./checkedProgram.ts";
import { evaluate, type Evaluated } from "./expressions.ts";
import { layerCatalogue } from "./layerCatalogue.ts";
import { warnOfLayers } from "./layerWarnings.ts";
import { MAXIMUM_COUNT, maps, type Maps } from "./parameterTypes.ts";
import { bind, required, type Signature } from "./signature.ts";
import { meant } from "./suggest.ts";
import type { Call, ModelDeclaration, Statement } from "./syntaxTree.ts";
import { MAXIMUM_PARAMETERS } from "./usedFiles.ts";
import {
  createWalk,
  headOf,
  layerNames,
  lost,
  namesOf,
  NOWHERE,
  type Blocks,
  type Flow,
  type Place,
  type Session,
  type Variable,
} from "./walk.ts";

/** A model as far as it could be checked. Spans are within the checked file. */
export interface ModelSoFar {
  readonly name: string;
  readonly span: Span;
  readonly input: Shape | undefined;
  readonly inputSpan: Span;
  /** The layers before the first that has an error. */
  readonly layers: readonly CheckedLayer[];
  readonly complete: boolean;
  /** The id of the layer whose output is the model's, or `MODEL_INPUT`. */
  readonly outputId: number;
  readonly output: Shape | undefined;
  readonly outputSpan: Span;
  /** The number of outputs as it is written, if the last layer's first argument is a number: `10` of `fc 10`. */
  readonly classifier: Span | undefined;
  readonly totals: ModelTotals;
}

/** Values for parameters from outside, by the parameter's name. */
export type GivenValues = ReadonlyMap<string, Evaluated>;

/** Checks a model. */
export function checkModel(model: ModelDeclaration, blocks: Blocks, given: GivenValues, session: Session): ModelSoFar {
  const walk = createWalk(session, checkBody);
  const place: Place = {
    walk,
    report: session.report,
    names: namesOf(checkParameters(model, given, session), session),
    blocks,
    naming: layerNames(""),
    within: undefined,
    opened: undefined,
    depth: 0,
  };
  const { statements } = model.body;
  session.reached.add(model.body);
  let flow = NOWHERE;
  for (const [index, statement] of statements.entries()) {
    const isInput = statement.kind === "call" && statement.name.text === "input";
    flow = isInput ? checkInput(statement, index, flow, place) : checkStatement(statement, flow, place);
  }
  if (statements.length === 0) reportEmpty(model, session);
  else if (walk.input === undefined && statements[0]?.kind !== "broken") reportNoInput(model, session);
  else if (walk.layers.length === 0 && walk.whole) reportEmpty(model, session);
  warnOfLayers(walk);
  const last = statements.at(-1);
  const span = model.name.span;
  return {
    name: model.name.text,
    span,
    input: walk.input?.shape,
    inputSpan: walk.input?.span ?? span,
    layers: walk.layers,
    complete: walk.whole && walk.input?.shape !== undefined,
    outputId: flow.id,
    output: flow.sure ? flow.shape : undefined,
    outputSpan: last === undefined ? span : wordsOf(last),
    classifier: last === undefined ? undefined : numberOf(last),
    totals: totalsOf(walk.layers),
  };
}

/** The words of a statement without what stands in its braces. */
function wordsOf(statement: Statement): Span {
  if (statement.kind === "call") return headOf(statement);
  const { start, end } = statement.span;
  return { start, end: statement.kind === "broken" ? end : start + statement.kind.length };
}

function numberOf(statement: Statement): Span | undefined {
  const first = statement.kind === "call" && statement.name.text === "fc" ? statement.groups[0]?.values[0] : undefined;
  return first?.kind === "number" ? first.span : undefined;
}

function checkParameters(
  { parameters }: ModelDeclaration,
  given: GivenValues,
  session: Session,
): ReadonlyMap<string, Variable> {
  const { report } = session;
  const variables = new Map<string, Variable>();
  for (const declaration of parameters.slice(0, MAXIMUM_PARAMETERS)) {
    const { name, default: expression } = declaration;
    const scope = { names: namesOf(variables, session), input: "none", report } as const;
    const value = expression && evaluate(expression, scope);
    variables.set(name.text, { declaration, value: given.get(name.text) ?? value });
    if (expression !== undefined || given.has(name.text)) continue;
    report({
      code: "CNN218",
      message: `the parameter \`${name.text}\` has no value`,
      span: name.span,
      help: `a model's parameters have defaults: \`${name.text} = 16\``,
      edits: [{ span: { start: name.span.end, end: name.span.end }, replacement: " = 16" }],
    });
  }
  return variables;
}

const INPUT: Signature & { arguments: { maps: ReturnType<typeof required<Maps>> } } = {
  words: "input",
  arguments: { maps: required(maps("3@32x32"), "channels, height and width of a picture") },
  options: {},
};

function checkInput(call: Call, index: number, flow: Flow, place: Place): Flow {
  const { walk, names, report } = place;
  const earlier = walk.input?.span;
  if (earlier !== undefined || index > 0) {
    report({
      code: "CNN210",
      message: earlier === undefined ? "`input` comes behind a layer" : "a model has one `input`",
      span: call.span,
      help: earlier === undefined ? "make it the first line of the model" : "keep one of them",
      notes: earlier === undefined ? [] : [{ message: "given here already", span: earlier }],
    });
    walk.input ??= { shape: undefined, span: call.span };
    return lost(place, flow);
  }
  const bound = bind(call, INPUT, { names, input: "none", report }, (word) => isStatement(word, place));
  const { count = 0, size = [0, 0] } = (bound?.values["maps"] ?? {}) as Partial<Maps>;
  const shape: Shape = { channels: count, height: size[0], width: size[1], flat: false };
  const tooLarge = shapeElements(shape) > MAXIMUM_COUNT;
  if (tooLarge) {
    const label = `${shapeElements(shape).toLocaleString("en-US")} values a picture`;
    const help = `a tensor may have at most ${MAXIMUM_COUNT.toLocaleString("en-US")}`;
    report({ code: "CNN213", message: "the input is too large", span: call.span, label, help });
  }
  walk.input = { shape: bound === undefined || tooLarge ? undefined : shape, span: call.span };
  return walk.input.shape === undefined ? lost(place, flow) : { ...flow, shape, sides: size };
}

/** Four bytes a value; the output and its gradient are kept for each layer that is not computed inside another. */
function totalsOf(layers: readonly CheckedLayer[]): ModelTotals {
  const inlined = new Set(layerCatalogue.filter((entry) => entry.inlined).map(({ kind }) => kind));
  const totals = { parameters: 0, trainable: 0, multiplyAdds: 0, activationBytes: 0, parameterBytes: 0 };
  for (const { kind, parameters, multiplyAdds, outputShape } of layers) {
    for (const { shape, counted, trainable } of parameters) {
      const count = shape.reduce((product, side) => product * side, 1);
      if (counted) totals.parameters += count;
      if (trainable) totals.trainable += count;
    }
    totals.multiplyAdds += multiplyAdds;
    if (!inlined.has(kind)) totals.activationBytes += 2 * 4 * shapeElements(outputShape);
  }
  return { ...totals, parameterBytes: 4 * totals.parameters };
}

// ---- reports ----------------------------------------------------------------------------------------------------------

function reportEmpty(model: ModelDeclaration, { report }: Session): void {
  report({
    code: "CNN209",
    message: `the model \`${model.name.text}\` has no layers`,
    span: model.name.span,
    help: "for instance `input 3@32x32`, then `fc 10` on the next line",
  });
}

function reportNoInput(model: ModelDeclaration, { report }: Session): void {
  const first = model.body.statements.find((statement) => statement.kind === "call");
  const misspelt = first?.kind === "call" ? meant(first.name.text, ["input"], first.name.span) : undefined;
  report({
    code: "CNN209",
    message: `the model \`${model.name.text}\` has no input`,
    span: model.name.span,
    ...(misspelt ?? { help: "begin it with a line such as `input 3@32x32`" }),
  });
}
