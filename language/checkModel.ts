/**
 * Checking `model { … }`.
 *
 * In: the syntax tree of a model. Out: its layers up to the first that fails, and reports. What holds: a report never
 * follows from another one: behind a layer that fails the shape is unknown, and only what does not need it is checked,
 * until a layer such as `fc` makes it known again.
 */
import { findEntry, indexCatalogue, reportLater } from "./catalogue.ts";
import { placeIn } from "./checkRecipe.ts";
import {
  MODEL_INPUT,
  shapeElements,
  type CheckedLayer,
  type ModelTotals,
  type ReceptiveField,
  type Shape,
  type Span,
} from "./checkedProgram.ts";
import type { Reporter } from "./diagnostic.ts";
import { evaluate, type Evaluated, type Scope } from "./expressions.ts";
import { layerCatalogue } from "./layerCatalogue.ts";
import type { CheckedCall, LayerEntry, Sight } from "./layerEntry.ts";
import { laterLayers, laterOptions } from "./laterWords.ts";
import { MAXIMUM_COUNT, maps, type Maps } from "./parameterTypes.ts";
import { bareName, bind, required, type BoundCall, type Signature } from "./signature.ts";
import type { SourceText } from "./sourceText.ts";
import { didYouMean, nearest } from "./suggest.ts";
import type { Call, ModelDeclaration, Statement } from "./syntaxTree.ts";

const catalogue = indexCatalogue(layerCatalogue);

/** The deepest networks of the literature have some thousands; each costs the compiler time and memory. */
const MAXIMUM_LAYERS = 10_000;

/** What arrives at a layer: the layer it comes from, its shape, and what one value of it sees of the model's input. */
interface Flow {
  readonly id: number;
  /** Undefined behind an error. */
  readonly shape: Shape | undefined;
  readonly field: ReceptiveField;
  /** Height and width that a vector had as maps: a layer that sees all of it sees all of those. */
  readonly sides: readonly [number, number];
}

const NOWHERE: Flow = { id: MODEL_INPUT, shape: undefined, field: { size: [1, 1], jump: [1, 1] }, sides: [1, 1] };

/** What `checkModel` keeps while it goes through a model. */
interface State {
  readonly source: SourceText;
  readonly report: Reporter;
  readonly names: ReadonlyMap<string, Evaluated>;
  readonly layers: CheckedLayer[];
  readonly counts: Map<string, number>;
  /** True as long as every statement has become a layer. */
  whole: boolean;
  input: { readonly shape: Shape | undefined; readonly span: Span } | undefined;
  /** The layer before: its words, those of its bias if somebody wrote `bias on`, and whether its words had a meaning. */
  previous: { readonly span: Span; readonly bias: Span | undefined; readonly understood: boolean } | undefined;
}

/** A model as far as it could be checked. */
export interface ModelSoFar {
  readonly name: string;
  readonly span: Span;
  readonly input: Shape | undefined;
  readonly inputSpan: Span;
  /** The layers before the first that has an error. */
  readonly layers: readonly CheckedLayer[];
  readonly complete: boolean;
  readonly output: Shape | undefined;
  readonly outputSpan: Span;
  readonly totals: ModelTotals;
}

/** Checks a model. */
export function checkModel(model: ModelDeclaration, source: SourceText, report: Reporter): ModelSoFar {
  const names = checkParameters(model, report);
  const layers: CheckedLayer[] = [];
  const state: State = {
    source,
    report,
    names,
    layers,
    counts: new Map(),
    whole: true,
    input: undefined,
    previous: undefined,
  };
  let flow = NOWHERE;
  for (const statement of model.body.statements) flow = checkStatement(statement, flow, state);
  const { statements } = model.body;
  if (statements.length === 0) reportEmpty(model, report);
  else if (state.input === undefined && statements[0]?.kind !== "broken") reportNoInput(model, report);
  else if (statements.length === 1 && state.whole) reportEmpty(model, report);
  return {
    name: model.name.text,
    span: model.name.span,
    input: state.input?.shape,
    inputSpan: state.input?.span ?? model.name.span,
    layers,
    complete: state.whole && state.input?.shape !== undefined,
    output: state.previous?.understood === true ? flow.shape : undefined,
    outputSpan: state.previous?.span ?? model.name.span,
    totals: totalsOf(layers),
  };
}

function checkParameters(model: ModelDeclaration, report: Reporter): ReadonlyMap<string, Evaluated> {
  const names = new Map<string, Evaluated>();
  for (const { name, default: expression } of model.parameters) {
    const value = expression && evaluate(expression, { names, input: undefined, report });
    if (value !== undefined) names.set(name.text, value);
    if (expression !== undefined) continue;
    report({
      code: "CNN218",
      message: `the parameter \`${name.text}\` has no value`,
      span: name.span,
      help: `a model's parameters have defaults: \`${name.text} = 16\``,
    });
  }
  return names;
}

// ---- statements -------------------------------------------------------------------------------------------------------

/** Behind an error: what follows is checked without knowing the shape. */
function lost(state: State, flow: Flow, shape?: Shape): Flow {
  state.whole = false;
  return { ...flow, shape };
}

function checkStatement(statement: Statement, flow: Flow, state: State): Flow {
  if (statement.kind === "broken") {
    state.previous = { span: statement.span, bias: undefined, understood: false };
    return lost(state, flow);
  }
  if (statement.kind !== "call") {
    const span = { start: statement.span.start, end: statement.span.start + statement.kind.length };
    reportLater(statement.kind, span, laterLayers.get(statement.kind) ?? "", state.report);
    state.previous = { span, bias: undefined, understood: false };
    return lost(state, flow);
  }
  return statement.name.text === "input" ? checkInput(statement, flow, state) : checkLayer(statement, flow, state);
}

const INPUT: Signature & { arguments: { maps: ReturnType<typeof required<Maps>> } } = {
  words: "input",
  arguments: { maps: required(maps("3@32x32"), "channels, height and width of a picture") },
  options: {},
};

function checkInput(call: Call, flow: Flow, state: State): Flow {
  const { report, names } = state;
  const earlier = state.input?.span;
  if (earlier !== undefined || state.previous !== undefined) {
    report({
      code: "CNN210",
      message: earlier === undefined ? "`input` comes behind a layer" : "a model has one `input`",
      span: call.span,
      help: earlier === undefined ? "make it the first line of the model" : "keep one of them",
      notes: earlier === undefined ? [] : [{ message: "given here already", span: earlier }],
    });
    state.input ??= { shape: undefined, span: call.span };
    return lost(state, flow);
  }
  const bound = bind(call, INPUT, { names, input: undefined, report }, isStatement);
  const { count = 0, size = [0, 0] } = (bound?.values["maps"] ?? {}) as Partial<Maps>;
  const shape: Shape = { channels: count, height: size[0], width: size[1], flat: false };
  const tooLarge = shapeElements(shape) > MAXIMUM_COUNT;
  if (tooLarge) {
    const label = `${shapeElements(shape).toLocaleString("en-US")} values a picture`;
    const help = `a tensor may have at most ${MAXIMUM_COUNT.toLocaleString("en-US")}`;
    report({ code: "CNN213", message: "the input is too large", span: call.span, label, help });
  }
  state.input = { shape: bound === undefined || tooLarge ? undefined : shape, span: call.span };
  return state.input.shape === undefined ? lost(state, flow) : { ...flow, shape, sides: size };
}

function isStatement(word: string): boolean {
  return catalogue.byWord.has(word) || (laterLayers.has(word) && !laterOptions.has(word));
}

function checkLayer(call: Call, flow: Flow, state: State): Flow {
  const { report, names } = state;
  const before = state.previous;
  state.previous = { span: call.span, bias: undefined, understood: false };
  if (!catalogue.byWord.has(call.name.text)) return reportUnknownLayer(call, flow, state);
  const entry = findEntry(catalogue, call, report);
  if (entry === undefined) return lost(state, flow);
  if (reportLaterOption(call, entry, report)) return lost(state, flow, entry.keepsShape ? flow.shape : undefined);
  const scope: Scope = { names, input: flow.shape, report };
  const bound = bind(call, entry, scope, isStatement);
  if (bound === undefined) return lost(state, flow, entry.keepsShape ? flow.shape : undefined);
  const place = placeIn(call, bound);
  const bias = bound.values["bias"] === true ? bound.spans.get("bias") : undefined;
  state.previous = { span: place(""), bias, understood: true };
  if (entry.kind === "batchNorm") warnOfBias(before?.bias, report);
  if (flow.shape === undefined) return lost(state, flow, entry.outputOfAnything(bound));
  const checked = entry.check(bound, { input: flow.shape, report, place });
  if (checked === undefined) return lost(state, flow);
  if (state.layers.length >= MAXIMUM_LAYERS) return reportTooMany(place(""), flow, state);
  return addLayer(checked, { call, bound, entry, span: place("") }, { ...flow, shape: flow.shape }, state);
}

function addLayer(
  checked: CheckedCall,
  from: { readonly call: Call; readonly bound: BoundCall; readonly entry: LayerEntry; readonly span: Span },
  flow: Flow & { readonly shape: Shape },
  state: State,
): Flow {
  const word = from.call.name.text;
  const number = (state.counts.get(word) ?? 0) + 1;
  state.counts.set(word, number);
  const name = `${word}${number}`;
  const { sight, parameters, ...rest } = checked;
  const field = seen(sight, flow);
  const id = state.layers.length;
  if (state.whole) {
    const layer = {
      ...rest,
      id,
      name,
      inputs: [flow.id],
      inputShapes: [flow.shape],
      receptiveField: field,
      parameters: parameters.map((parameter) => ({ ...parameter, path: `${name}.${parameter.name}` })),
      span: from.span,
      line: state.source.position(from.span.start).line,
      text: from.bound.text,
    };
    state.layers.push(layer as CheckedLayer); // `rest` pairs kind and attributes, spreading loses that
  }
  const { outputShape } = checked;
  const keepsSides = outputShape.flat && sight === "one";
  return { id, shape: outputShape, field, sides: keepsSides ? flow.sides : [outputShape.height, outputShape.width] };
}

/**
 * What one value behind a layer sees of the model's input (Araujo, Norris, Sim, "Computing receptive fields of
 * convolutional neural networks", 2019): the extent grows by `(extent - 1) * jump`, the jump by the stride.
 */
function seen(sight: Sight, { field, sides }: Flow): ReceptiveField {
  if (sight === "one") return field;
  const { extent, stride } = sight === "all" ? { extent: sides, stride: [1, 1] as const } : sight;
  const { size, jump } = field;
  return {
    size: [size[0] + (extent[0] - 1) * jump[0], size[1] + (extent[1] - 1) * jump[1]],
    jump: [jump[0] * stride[0], jump[1] * stride[1]],
  };
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

/** Reports the first layer that is too many. */
function reportTooMany(span: Span, flow: Flow, state: State): Flow {
  if (!state.whole) return lost(state, flow);
  state.report({
    code: "CNN213",
    message: "the model has too many layers",
    span,
    label: `layer ${MAXIMUM_LAYERS + 1}`,
    help: `a model may have at most ${MAXIMUM_LAYERS.toLocaleString("en-US")}`,
  });
  return lost(state, flow);
}

function reportUnknownLayer(call: Call, flow: Flow, state: State): Flow {
  const { report } = state;
  const { text, span } = call.name;
  const later = laterLayers.get(text);
  if (later !== undefined) {
    reportLater(text, span, later, report);
    return lost(state, flow);
  }
  const near = nearest(text, [...catalogue.words, "input", ...laterLayers.keys()]);
  report({
    code: "CNN201",
    message: `there is no layer \`${text}\``,
    span,
    help:
      synonym(text) ?? (near === undefined ? `there are ${catalogue.words.join(", ")}` : `did you mean \`${near}\`?`),
  });
  if (near === "input") state.input ??= { shape: undefined, span: call.span };
  const meant = near === undefined ? undefined : catalogue.byWord.get(near)?.get("");
  return lost(state, flow, meant?.keepsShape === true ? flow.shape : undefined);
}

/** Other frameworks' words for our layers. */
function synonym(word: string): string | undefined {
  const known: Readonly<Record<string, string>> = {
    conv2d: "conv",
    convolution: "conv",
    linear: "fc",
    dense: "fc",
    batchnorm: "bn",
    batchnorm2d: "bn",
    batch_norm: "bn",
    maxpool: "pool max",
    maxpool2d: "pool max",
    max_pool: "pool max",
    avgpool: "pool avg",
    avgpool2d: "pool avg",
    avg_pool: "pool avg",
    swish: "silu",
    leakyrelu: "leaky_relu",
  };
  const lower = word.toLowerCase();
  return Object.hasOwn(known, lower) ? `it is called \`${known[lower]}\` here` : undefined;
}

function reportLaterOption(call: Call, entry: LayerEntry, report: Reporter): boolean {
  for (const [index, group] of call.groups.entries()) {
    const name = bareName(group);
    const help = name === undefined || name in entry.options ? undefined : laterOptions.get(name);
    if (name === undefined || help === undefined || index === 0) continue;
    reportLater(name, group.span, help, report);
    return true;
  }
  return false;
}

function warnOfBias(bias: Span | undefined, report: Reporter): void {
  if (bias === undefined) return;
  report({
    code: "CNN252",
    message: "a bias before `bn` has no effect",
    span: bias,
    label: "`bn` takes the mean off, and the bias with it",
    help: "write `bias off`",
  });
}

function reportEmpty(model: ModelDeclaration, report: Reporter): void {
  report({
    code: "CNN209",
    message: `the model \`${model.name.text}\` has no layers`,
    span: model.name.span,
    help: "for instance `input 3@32x32`, then `fc 10` on the next line",
  });
}

function reportNoInput(model: ModelDeclaration, report: Reporter): void {
  const misspelt = model.body.statements.find((statement) => statement.kind === "call");
  report({
    code: "CNN209",
    message: `the model \`${model.name.text}\` has no input`,
    span: model.name.span,
    help:
      (misspelt?.kind === "call" ? didYouMean(misspelt.name.text, ["input"]) : undefined) ??
      "begin it with a line such as `input 3@32x32`",
  });
}
