/**
 * What the layer catalogue says about a layer, and how an entry is checked.
 *
 * In: a definition (`defineLayer`), typed by the layer's kind, its arguments and its options. Out: an entry whose
 * `check` turns the values of a call into attributes, shape, parameters and work. What holds: every entry is checked
 * for the same limits here, so that a definition states only what is its own.
 */
import {
  shapeElements,
  shapeText,
  type CheckedParameter,
  type LayerAttributes,
  type LayerKind,
  type Pair,
  type Shape,
  type Span,
} from "./checkedProgram.ts";
import type { Reporter } from "./diagnostic.ts";
import { MAXIMUM_COUNT } from "./parameterTypes.ts";
import type { Bound, BoundCall, Parameters, Signature } from "./signature.ts";

/** Where a layer stands: the shape that arrives, and the places of its words. */
export interface Site {
  readonly input: Shape;
  readonly report: Reporter;
  /** The words of an argument or option if it is given, else those of the whole layer. */
  readonly place: (key: string) => Span;
}

/** A parameter without the layer's name. */
export type ParameterOfLayer = Omit<CheckedParameter, "path">;

/** What one output value sees of its input, for the receptive field: a window, one value, or all of it. */
export type Sight = { readonly extent: Pair; readonly stride: Pair } | "one" | "all";

export interface LayerDefinition<K extends LayerKind, A extends Parameters, O extends Parameters> {
  /** `conv`, `pool max` */
  readonly words: string;
  readonly kind: K;
  /** One line for the reference. */
  readonly doc: string;
  readonly example: string;
  readonly arguments: A;
  readonly options: O;
  /** `maps`: a vector (behind `fc` or `flatten`) is refused. */
  readonly takes: "maps" | "anything";
  /** The output has the input's shape whatever the arguments: checking can go on behind a mistake. */
  readonly keepsShape?: boolean;
  /** True if it is computed inside its neighbours, so that training stores no output of it. */
  readonly inlined?: boolean;
  /** All defaults resolved; undefined after a report. */
  readonly attributes: (values: Bound<A> & Bound<O>, site: Site) => LayerAttributes[K] | undefined;
  /** Called only with attributes that were found legal for this input. */
  readonly output: (attributes: LayerAttributes[K], input: Shape) => Shape;
  /** The output where the input is hidden by an earlier error, if it does not depend on it. */
  readonly outputOfAnything?: (values: Bound<A> & Bound<O>) => Shape;
  readonly parameters?: (attributes: LayerAttributes[K], input: Shape) => ParameterOfLayer[];
  readonly multiplyAdds?: (attributes: LayerAttributes[K], input: Shape, output: Shape) => number;
  readonly sight?: (attributes: LayerAttributes[K]) => Sight;
}

interface CheckedKind<K extends LayerKind> {
  readonly kind: K;
  readonly attributes: LayerAttributes[K];
  readonly outputShape: Shape;
  readonly parameters: readonly ParameterOfLayer[];
  readonly multiplyAdds: number;
  readonly sight: Sight;
}

/** What is known of a layer from its call and its input alone. */
export type CheckedCall = { [K in LayerKind]: CheckedKind<K> }[LayerKind];

export interface LayerEntry extends Signature {
  readonly kind: LayerKind;
  readonly doc: string;
  readonly example: string;
  readonly keepsShape: boolean;
  readonly inlined: boolean;
  readonly check: (call: BoundCall, site: Site) => CheckedCall | undefined;
  readonly outputOfAnything: (call: BoundCall) => Shape | undefined;
}

/** Makes an entry of the catalogue. */
export function defineLayer<K extends LayerKind, A extends Parameters, O extends Parameters>(
  definition: LayerDefinition<K, A, O>,
): LayerEntry {
  const { words, kind, doc, example, keepsShape = false, inlined = false } = definition;
  // The signature has read each value with the type of its parameter: this is where that is said to the compiler.
  const valuesOf = (call: BoundCall): Bound<A> & Bound<O> => call.values as Bound<A> & Bound<O>;
  const check = (call: BoundCall, site: Site): CheckedCall | undefined => {
    if (definition.takes === "maps" && site.input.flat) return reportFlat(words, site);
    const attributes = definition.attributes(valuesOf(call), site);
    if (attributes === undefined) return undefined;
    const outputShape = definition.output(attributes, site.input);
    const parameters = definition.parameters?.(attributes, site.input) ?? [];
    if (!isWithinLimits(outputShape, parameters, site)) return undefined;
    const multiplyAdds = definition.multiplyAdds?.(attributes, site.input, outputShape) ?? 0;
    const sight = definition.sight?.(attributes) ?? "one";
    const checked: CheckedKind<K> = { kind, attributes, outputShape, parameters, multiplyAdds, sight };
    return checked as CheckedCall; // one member of the union, for whichever kind K is
  };
  const outputOfAnything = (call: BoundCall): Shape | undefined => definition.outputOfAnything?.(valuesOf(call));
  return {
    words,
    kind,
    doc,
    example,
    keepsShape,
    inlined,
    check,
    outputOfAnything,
    arguments: definition.arguments,
    options: definition.options,
  };
}

function reportFlat(words: string, site: Site): undefined {
  return site.report({
    code: "CNN215",
    message: `\`${words}\` needs maps, but a vector arrives`,
    span: site.place(""),
    label: `${shapeText(site.input)} values without height and width`,
    help: "put it before the first `fc` or `flatten`",
  });
}

/** Tensors of more elements than a 32-bit index reaches are refused before anything multiplies them further. */
function isWithinLimits(output: Shape, parameters: readonly ParameterOfLayer[], site: Site): boolean {
  const limit = MAXIMUM_COUNT.toLocaleString("en-US");
  const parameter = parameters.find(({ shape }) => elements(shape) > MAXIMUM_COUNT);
  if (parameter === undefined && shapeElements(output) <= MAXIMUM_COUNT) return true;
  const count = parameter === undefined ? shapeElements(output) : elements(parameter.shape);
  const what =
    parameter === undefined ? `its output ${shapeText(output)}` : `its ${parameter.name} ${parameter.shape.join("x")}`;
  site.report({
    code: "CNN213",
    message: "the layer is too large",
    span: site.place(""),
    label: `${what} has ${count.toLocaleString("en-US")} elements`,
    help: `a tensor may have at most ${limit}`,
  });
  return false;
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}
