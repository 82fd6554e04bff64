/**
 * Checking one layer.
 *
 * In: a call whose name is no block's and no merge's, and what arrives. Out: what leaves it; the layer is added to the
 * model if everything before it has been understood. What holds: where something is wrong, exactly that is reported, and
 * checking goes on with the shape unknown, or with the one that any arguments would give.
 */
import { findEntry, indexCatalogue } from "./catalogue.ts";
import type { CheckedLayer, Shape, Span } from "./checkedProgram.ts";
import { placeIn } from "./checkRecipe.ts";
import { printEvaluated } from "./expressions.ts";
import { layerCatalogue } from "./layerCatalogue.ts";
import type { CheckedCall } from "./layerEntry.ts";
import { isMerge, mergeWords } from "./merges.ts";
import { seen } from "./receptiveField.ts";
import { bind, type BoundCall } from "./signature.ts";
import { meant, nearest } from "./suggest.ts";
import type { Call } from "./syntaxTree.ts";
import { lost, MAXIMUM_LAYERS, nextName, spend, whereIs, type Flow, type Place } from "./walk.ts";

const catalogue = indexCatalogue(layerCatalogue);

/** True for a word that begins a layer of the catalogue. */
export function isLayer(word: string): boolean {
  return catalogue.byWord.has(word);
}

/** True for a layer that is complete without arguments, `relu`: its name may be the value of a parameter. */
export function isPlainLayer(word: string): boolean {
  const entry = catalogue.byWord.get(word)?.get("");
  return entry !== undefined && Object.values(entry.arguments).every(({ required }) => !required);
}

/** True for a word that begins a statement: a layer, a merge, a block, a branch, a parameter that stands for a layer. */
export function isStatement(word: string, { blocks, names }: Place): boolean {
  if (isLayer(word) || isMerge(word) || blocks.has(word)) return true;
  const value = names.get(word);
  return word === "branch" || word === "skip" || (value?.kind === "word" && isPlainLayer(value.text));
}

/** Checks a layer, and adds it to the model. */
export function checkLayer(call: Call, flow: Flow, place: Place): Flow {
  const { report, names } = place;
  const { text } = call.name;
  if (!isLayer(text)) return names.has(text) ? checkNamed(call, flow, place) : reportUnknownLayer(call, flow, place);
  const entry = findEntry(catalogue, call, report);
  if (entry === undefined) return lost(place, flow);
  const guess = entry.keepsShape ? flow.shape : undefined;
  const bound = bind(call, entry, { names, input: flow.shape, report }, (word) => isStatement(word, place));
  if (bound === undefined) return lost(place, flow, guess);
  const { shape } = flow;
  const sureShape = shape === undefined ? entry.outputOfAnything(bound) : undefined;
  if (shape === undefined) return { ...lost(place, flow, sureShape), sure: sureShape !== undefined };
  const words = placeIn(call, bound);
  const checked = entry.check(bound, { input: shape, report, place: words });
  if (checked === undefined) return lost(place, flow);
  const sides = checked.outputShape.flat && checked.sight === "one" ? flow.sides : sidesOf(checked.outputShape);
  const { sight, ...rest } = checked;
  const field = seen(sight, flow.field, flow.sides);
  const added = { ...rest, inputs: [flow], receptiveField: field, text: bound.text, span: words("") };
  const id = addLayer(added, call.name.text, bound, place);
  return id === undefined ? lost(place, flow) : { id, shape: checked.outputShape, sure: true, field, sides };
}

/** Checks the layer whose name is the value of a parameter: `activation`, where that is `relu`. */
function checkNamed(call: Call, flow: Flow, place: Place): Flow {
  const { text, span } = call.name;
  const value = place.names.get(text);
  if (value?.kind === "word" && isPlainLayer(value.text)) {
    return checkLayer({ ...call, name: { text: value.text, span } }, flow, place);
  }
  if (value !== undefined) {
    const given = printEvaluated(value);
    const label = `its value is \`${given}\`, which ${isLayer(given) ? "needs arguments" : "is no layer"}`;
    const help = "a parameter stands for a layer if its value is the name of one that needs no arguments: `relu`";
    place.report({ code: "CNN201", message: `there is no layer \`${text}\``, span, label, help });
  }
  return lost(place, flow);
}

const sidesOf = ({ height, width }: Shape): readonly [number, number] => [height, width];

/** A layer before it has its number and name. */
type NewLayer = Omit<CheckedCall, "sight"> & {
  readonly inputs: readonly Flow[];
  readonly receptiveField: CheckedLayer["receptiveField"];
  readonly text: string;
  readonly span: Span;
};

/** Adds a layer behind those that are there; returns its id, or undefined if the model has too many. */
export function addLayer(
  { inputs, span, parameters, ...rest }: NewLayer,
  word: string,
  bound: BoundCall | undefined,
  place: Place,
  name = nextName(place.naming, word),
): number | undefined {
  const { walk } = place;
  const { layers, session } = walk;
  const id = layers.length;
  if (!walk.whole) return id;
  if (id >= MAXIMUM_LAYERS) return reportTooMany(span, place);
  if (!spend(place, span, true)) return undefined;
  const layer = {
    ...rest,
    id,
    name,
    inputs: inputs.map((flow) => flow.id),
    inputShapes: inputs.map(({ shape }) => shape),
    parameters: parameters.map((parameter) => ({ ...parameter, path: `${name}.${parameter.name}` })),
    within: place.within,
    ...whereIs(span, session),
  };
  layers.push(layer as CheckedLayer); // `rest` pairs kind and attributes, spreading loses that
  if (bound !== undefined && bound.spans.size > 0) walk.words.set(id, bound.spans);
  return id;
}

const MAXIMUM_SUGGESTIONS = 200;

// ---- reports ----------------------------------------------------------------------------------------------------------

/** Reports the first layer that is too many. */
function reportTooMany(span: Span, { walk, report }: Place): undefined {
  walk.session.stopped = true;
  return report({
    code: "CNN213",
    message: "the model has too many layers",
    span,
    label: `layer ${MAXIMUM_LAYERS + 1}`,
    help: `a model may have at most ${MAXIMUM_LAYERS.toLocaleString("en-US")}`,
  });
}

function reportUnknownLayer(call: Call, flow: Flow, place: Place): Flow {
  const { report, walk } = place;
  const { text, span } = call.name;
  const { unknown } = walk.session;
  if (unknown.has(call)) return lost(place, flow, shapeBehind(unknown.get(call), flow));
  // Beyond what is ever shown, no time is spent on suggestions.
  if (unknown.size > MAXIMUM_SUGGESTIONS) {
    report({ code: "CNN201", message: `there is no layer \`${text}\``, span });
    return lost(place, flow);
  }
  const known = [...place.blocks.keys(), ...catalogue.words, ...mergeWords, "input"];
  const own = synonym(text);
  const mend = own === undefined ? meant(text, known, span) : own;
  const near = own === undefined ? nearest(text, known) : undefined;
  const help = `there are ${[...place.blocks.keys(), ...catalogue.words, ...mergeWords].slice(0, 40).join(", ")}`;
  report({ code: "CNN201", message: `there is no layer \`${text}\``, span, ...(mend ?? { help }) });
  if (near === "input") walk.input ??= { shape: undefined, span: call.span };
  unknown.set(call, near);
  return lost(place, flow, shapeBehind(near, flow));
}

/** The shape behind the layer that was most likely meant, if any arguments would give the same. */
function shapeBehind(word: string | undefined, { shape }: Flow): Shape | undefined {
  const layer = word === undefined ? undefined : catalogue.byWord.get(word)?.get("");
  return layer?.keepsShape === true ? shape : undefined;
}

/** Other frameworks' words for our layers. */
const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ["conv2d", "conv"],
  ["convolution", "conv"],
  ["linear", "fc"],
  ["dense", "fc"],
  ["batchnorm", "bn"],
  ["batchnorm2d", "bn"],
  ["batch_norm", "bn"],
  ["maxpool", "pool max"],
  ["maxpool2d", "pool max"],
  ["max_pool", "pool max"],
  ["avgpool", "pool avg"],
  ["avgpool2d", "pool avg"],
  ["avg_pool", "pool avg"],
  ["swish", "silu"],
  ["leakyrelu", "leaky_relu"],
  ["residual", "add { branch { … } skip }"],
  ["identity", "skip"],
  ["cat", "concat"],
]);

function synonym(word: string): { help: string } | undefined {
  const known = SYNONYMS.get(word.toLowerCase());
  return known === undefined ? undefined : { help: `it is called \`${known}\` here` };
}
