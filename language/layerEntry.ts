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
} from "./checkedProgram.ts";
import { MAXIMUM_COUNT } from "./parameterTypes.ts";
import type { Bound, BoundCall, Parameters, Signature } from "./signature.ts";
import type { Site } from "./site.ts";
import {
  applyWeightOptions,
  matrixOptions,
  parameterOptions,
  type ParameterOfLayer,
  type WeightMatrix,
} from "./weightOptions.ts";

export type { Site } from "./site.ts";
export type { ParameterOfLayer } from "./weightOptions.ts";

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
  /** What `weights` takes, for a layer whose `weight` can be written as a matrix. */
  readonly matrix?: (attributes: LayerAttributes[K], input: Shape) => WeightMatrix;
  readonly multiplyAdds?: (attributes: LayerAttributes[K], input: Shape, output: Shape) => number;
  readonly sight?: (attributes: LayerAttributes[K]) => Sight;
}

interface CheckedKind<K extends LayerKind> {
  readonly kind: K;
  readonly attributes: LayerAttributes[K];
  readonly outputShape: Shape;
  readonly parameters: readonly Omit<CheckedParameter, "path">[];
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

type Values<A extends Parameters, O extends Parameters> = Bound<A> &
  Bound<O> &
  Bound<typeof parameterOptions> &
  Bound<typeof matrixOptions>;

/** Makes an entry of the catalogue. A layer with parameters takes `freeze`, `lr` and `init` besides its own options. */
export function defineLayer<K extends LayerKind, A extends Parameters, O extends Parameters>(
  definition: LayerDefinition<K, A, O>,
): LayerEntry {
  const { words, kind, doc, example, keepsShape = false, inlined = false } = definition;
  // The signature has read each value with the type of its parameter: this is where that is said to the compiler.
  const valuesOf = (call: BoundCall): Values<A, O> => call.values as Values<A, O>;
  const check = (call: BoundCall, site: Site): CheckedCall | undefined => {
    if (definition.takes === "maps" && site.input.flat) return reportFlat(words, site);
    const attributes = definition.attributes(valuesOf(call), site);
    if (attributes === undefined) return undefined;
    const outputShape = definition.output(attributes, site.input);
    const defined = definition.parameters?.(attributes, site.input) ?? [];
    if (!isWithinLimits(outputShape, defined, site)) return undefined;
    const matrix = definition.matrix?.(attributes, site.input);
    const parameters = applyWeightOptions(defined, valuesOf(call), matrix, site);
    if (parameters === undefined) return undefined;
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
    options: {
      ...definition.options,
      ...(definition.matrix === undefined ? {} : matrixOptions),
      ...(definition.parameters === undefined ? {} : parameterOptions),
    },
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

/** Float32 parameters of 2 GiB: no device binds more at once. */
const MAXIMUM_PARAMETERS = 2 ** 29;

/** Tensors of more elements than a 32-bit index reaches are refused before anything multiplies them further. */
function isWithinLimits(output: Shape, parameters: readonly ParameterOfLayer[], site: Site): boolean {
  const counts = parameters.map(({ shape }) => elements(shape));
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total > MAXIMUM_PARAMETERS) {
    const largest = parameters[counts.indexOf(Math.max(...counts))];
    const label = `its ${largest?.name} ${largest?.shape.join("x")} has ${grouped(Math.max(...counts))} elements`;
    return reportTooLarge(label, `a layer may have at most ${grouped(MAXIMUM_PARAMETERS)} parameters`, site);
  }
  const count = shapeElements(output);
  if (count <= MAXIMUM_COUNT) return true;
  const label = `its output ${shapeText(output)} has ${grouped(count)} elements`;
  return reportTooLarge(label, `a tensor may have at most ${grouped(MAXIMUM_COUNT)}`, site);
}

function reportTooLarge(label: string, help: string, site: Site): false {
  site.report({ code: "CNN213", message: "the layer is too large", span: site.place(""), label, help });
  return false;
}

const grouped = (value: number): string => value.toLocaleString("en-US");

function elements(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}
