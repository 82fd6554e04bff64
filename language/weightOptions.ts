/**
 * The options of every layer with parameters: `freeze`, `lr`, `init`, and `weights` where the weight has a shape that a
 * matrix can be written for.
 *
 * In: the values of these options, and a layer's parameters as its definition gives them. Out: the parameters as they are
 * trained and as they start. What holds: `init` and `weights` change the parameter called `weight`, and no other.
 * Formulas: torch.nn.init (kaiming_normal_, xavier_uniform_), LeCun et al. 1998.
 */
import type { CheckedParameter, Initial } from "./checkedProgram.ts";
import { choice, matrices, real, realOr, type Matrix } from "./parameterTypes.ts";
import { derived, optional, type Bound, type Parameters } from "./signature.ts";
import type { Site } from "./site.ts";

/** A parameter as its layer defines it: without the layer's name, and before these options change it. */
export type ParameterOfLayer = Omit<CheckedParameter, "path" | "learningRate">;

/** What `weights` takes: matrices of this size, one for each output or one for the whole layer. */
export interface WeightMatrix {
  readonly rows: number;
  readonly columns: number;
  /** How many matrices there may be, if not one for all. */
  readonly outputs: number;
  /** `window`: a matrix is the filter of an output, the same for each channel that arrives. `whole`: it is the weight. */
  readonly kind: "window" | "whole";
}

const NOT_NEGATIVE = { minimum: 0, maximum: Number.POSITIVE_INFINITY };

/** For every layer with parameters. */
export const parameterOptions = {
  freeze: optional(
    choice("off", "on", "weight", "bias"),
    "off",
    "keeps all parameters, or the weight or the bias alone, as they start",
  ),
  lr: optional(real(NOT_NEGATIVE), 1, "multiplies the learning rate of its parameters"),
  init: derived(
    realOr({ ...NOT_NEGATIVE, above: true }, "he", "he_out", "xavier", "lecun", "zeros", "ones"),
    "PyTorch's",
    "how the weight starts: normal for `he` (by inputs), `he_out` (by outputs), `lecun` and a number (its standard deviation), uniform for `xavier`",
  ),
} as const satisfies Parameters;

/** For layers whose weight a matrix can be written for. */
export const matrixOptions = {
  weights: derived(
    matrices,
    "random",
    "the weight as it starts, in numbers: `[1 0; 0 1]`; of a convolution one matrix for all maps, or one for each, joined by commas",
  ),
} as const satisfies Parameters;

type Values = Bound<typeof parameterOptions> & Partial<Bound<typeof matrixOptions>>;

/** The parameters as these options leave them; undefined after a report. */
export function applyWeightOptions(
  parameters: readonly ParameterOfLayer[],
  { freeze, lr, init, weights }: Values,
  matrix: WeightMatrix | undefined,
  site: Site,
): Omit<CheckedParameter, "path">[] | undefined {
  if (parameters.length === 0 && reportUseless(site)) return undefined;
  const weight = parameters.find(({ name }) => name === "weight");
  const started = startOf(weight, { freeze, lr, init, weights }, matrix, site);
  if (started === "wrong") return undefined;
  return parameters.map((parameter) => {
    const frozen = freeze === "on" || freeze === parameter.name;
    return {
      ...parameter,
      trainable: parameter.trainable && !frozen,
      learningRate: lr,
      initial: parameter === weight && started !== undefined ? started : parameter.initial,
    };
  });
}

function startOf(
  weight: ParameterOfLayer | undefined,
  { init, weights }: Values,
  matrix: WeightMatrix | undefined,
  site: Site,
): Initial | undefined | "wrong" {
  const given = weights !== undefined ? "weights" : init !== undefined ? "init" : undefined;
  if (given === undefined) return undefined;
  if (weight === undefined) return reportInit("the layer has no weight", given, site);
  if (weights === undefined) return init === undefined ? undefined : drawn(init, weight.shape, site);
  if (init !== undefined) return reportInit("`weights` says how the weight starts", "init", site);
  return matrix === undefined ? "wrong" : written(weights, matrix, site);
}

/** Reports an option of parameters where there are none: `scale 2 freeze on`. */
function reportUseless(site: Site): boolean {
  const layer = site.place("");
  const given = Object.keys({ ...parameterOptions, ...matrixOptions }).find((key) => site.place(key) !== layer);
  if (given !== undefined) reportInit("the layer has no parameters", given, site);
  return given !== undefined;
}

function reportInit(label: string, key: string, site: Site): "wrong" {
  const span = site.place(key);
  site.report({
    code: "CNN225",
    message: `there is nothing for \`${key}\` to do`,
    span,
    label,
    help: "leave it out",
    edits: [{ span, replacement: "" }],
  });
  return "wrong";
}

type InitWord = Exclude<NonNullable<Values["init"]>, number>;

/** From the inputs and outputs of one value, as torch.nn.init counts them. */
const DRAWS: Readonly<Record<InitWord, (inputs: number, outputs: number) => Initial>> = {
  he: (inputs) => ({ kind: "normal", deviation: Math.sqrt(2 / inputs) }),
  he_out: (_, outputs) => ({ kind: "normal", deviation: Math.sqrt(2 / outputs) }),
  lecun: (inputs) => ({ kind: "normal", deviation: Math.sqrt(1 / inputs) }),
  xavier: (inputs, outputs) => ({ kind: "uniform", bound: Math.sqrt(6 / (inputs + outputs)) }),
  zeros: () => ({ kind: "constant", value: 0 }),
  ones: () => ({ kind: "constant", value: 1 }),
};

function drawn(init: InitWord | number, shape: readonly number[], site: Site): Initial | "wrong" {
  if (typeof init === "number") return { kind: "normal", deviation: init };
  if (shape.length < 2 && init !== "zeros" && init !== "ones") {
    const span = site.place("init");
    site.report({
      code: "CNN225",
      message: `\`init ${init}\` needs a weight between several inputs and outputs`,
      span,
      label: "this layer has one number a channel",
      help: "`init zeros`, `init ones` and a standard deviation are possible here",
    });
    return "wrong";
  }
  const [outputs = 1, inputs = 1, ...window] = shape;
  const cells = window.reduce((product, side) => product * side, 1);
  return DRAWS[init](inputs * cells, outputs * cells);
}

function written(given: readonly Matrix[], wanted: WeightMatrix, site: Site): Initial | "wrong" {
  const { rows, columns, outputs, kind } = wanted;
  const sizes = given.map((matrix) => `${matrix.length}x${matrix[0]?.length ?? 0}`);
  const odd = sizes.find((size) => size !== `${rows}x${columns}`);
  if (odd === undefined && (given.length === 1 || given.length === outputs)) {
    const [first = []] = given;
    return { kind: "values", rows: kind === "whole" ? first : given.map((matrix) => matrix.flat()) };
  }
  const number = outputs === 1 ? "one" : `one, or ${outputs}`;
  site.report({
    code: "CNN224",
    message: "the matrix does not fit the layer's weight",
    span: site.place("weights"),
    label: odd === undefined ? `${given.length} matrices` : `this is ${odd}`,
    help: `write ${number} of ${rows}x${columns}: rows are separated by \`;\``,
  });
  return "wrong";
}
