/**
 * The layer catalogue: everything the language knows about each layer, one entry a layer.
 *
 * In: nothing, it is a table. Out: entries that the checker, the reference page, the formatter and completion read.
 * What holds: a layer exists because it has an entry here (and its attributes in `LayerAttributes`); nothing else in
 * language/ names a layer. Defaults and formulas are PyTorch's (torch.nn of the same name).
 */
import type { ActivationName, Pair, PoolAttributes, Shape, Span } from "./checkedProgram.ts";
import { shapeElements } from "./checkedProgram.ts";
import { defineLayer, type LayerEntry, type ParameterOfLayer, type Site } from "./layerEntry.ts";
import { integer, maps, onOff, printPair, real, size, sizeOr } from "./parameterTypes.ts";
import { derived, optional, required, type Parameters } from "./signature.ts";
import { droppedSides, evenPadding, misfit, outputSides, samePadding, type Window } from "./windows.ts";

// ---- convolution ------------------------------------------------------------------------------------------------------

const SQUARE_ONE: Pair = [1, 1];
const PADDING = sizeOr(0, "valid", "same");
const PADDING_DOC = "zeros around the input: `valid` (none), `same` (keeps the size), `1`, or `1x2` (height x width)";

const conv = defineLayer({
  words: "conv",
  kind: "conv",
  doc: "Convolution over all channels of its input.",
  example: "conv 64@3x3 stride 2 pad 1 bias off",
  takes: "maps",
  arguments: { maps: required(maps("6@5x5"), "the number of output maps, and the window") },
  options: {
    stride: optional(size(1), SQUARE_ONE, "cells from one window to the next"),
    pad: optional(PADDING, "valid", PADDING_DOC),
    dilation: optional(size(1), SQUARE_ONE, "cells from one tap of the window to the next"),
    groups: optional(integer(1), 1, "channels are split into so many groups that do not see each other"),
    bias: optional(onOff, true, "adds a learned number to each map"),
  },
  attributes: ({ maps: { count, size: kernel, sizeSpan, countSpan }, stride, pad, dilation, groups, bias }, site) => {
    const padding = resolvePadding(pad, kernel, stride, dilation, site);
    const divided = checkGroups(groups, count, site, countSpan);
    if (padding === undefined || !divided) return undefined;
    const window = { kernel, stride, padding, dilation, ceil: false };
    return fits(window, site, sizeSpan)
      ? { outChannels: count, kernel, stride, padding, dilation, groups, bias }
      : undefined;
  },
  output: (attributes, input) => {
    const [height, width] = outputSides({ ...attributes, ceil: false }, input);
    return { channels: attributes.outChannels, height, width, flat: false };
  },
  parameters: ({ outChannels, kernel, groups, bias }, input) => {
    const shape = [outChannels, input.channels / groups, ...kernel];
    return weightAndBias(shape, (input.channels / groups) * kernel[0] * kernel[1], bias);
  },
  matrix: ({ kernel: [rows, columns], outChannels }) => ({ rows, columns, outputs: outChannels, kind: "window" }),
  multiplyAdds: ({ kernel, groups }, input, output) =>
    shapeElements(output) * (input.channels / groups) * kernel[0] * kernel[1],
  sight: ({ kernel, stride, dilation }) => ({ extent: extentOf(kernel, dilation), stride }),
});

function extentOf(kernel: Pair, dilation: Pair): Pair {
  return [dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1];
}

function resolvePadding(given: Pair | "valid" | "same", kernel: Pair, stride: Pair, dilation: Pair, site: Site) {
  if (given === "valid") return evenPadding([0, 0]);
  if (given !== "same") return evenPadding(given);
  if (stride[0] === 1 && stride[1] === 1) return samePadding(kernel, dilation);
  const span = site.place("pad");
  const half = [Math.floor((dilation[0] * (kernel[0] - 1)) / 2), Math.floor((dilation[1] * (kernel[1] - 1)) / 2)];
  const pad = `pad ${half[0] === half[1] ? half[0] : half.join("x")}`;
  return site.report({
    code: "CNN212",
    message: "`pad same` needs stride 1",
    span,
    label: `the stride is ${stride.join("x")}, so the size cannot stay the same`,
    help: `write the padding as a number: \`${pad}\``,
    edits: [{ span, replacement: pad }],
  });
}

function checkGroups(groups: number, outputs: number, site: Site, countSpan: { start: number; end: number }): boolean {
  const inputs = site.input.channels;
  const odd = [inputs, outputs].find((channels) => channels % groups !== 0);
  if (odd === undefined) return true;
  const arrives = odd === inputs;
  site.report({
    code: "CNN211",
    message: "the groups do not divide the channels",
    span: arrives ? site.place("groups") : countSpan,
    label: `${odd} ${arrives ? "channels arrive" : "maps"}, and ${odd} / ${groups} is not a whole number`,
    help: `${arrives ? "take" : "with these groups, take"} ${arrives ? `groups that divide ${inputs}` : `a multiple of ${groups}`}`,
  });
  return false;
}

/** Reports a window that does not fit, and warns of one that drops cells. */
function fits(window: Window, site: Site, place: { start: number; end: number }): boolean {
  const { input } = site;
  const label = misfit(window, input);
  if (label !== undefined) {
    site.report({
      code: "CNN204",
      message: "the window is larger than its input",
      span: place,
      label,
      ...smallerWindow(window, site, place),
    });
    return false;
  }
  const [rows, columns] = droppedSides(window, input);
  if (rows + columns > 0) warnOfDropped(window, site, rows, columns);
  return true;
}

/** The way out: padding that keeps the size, where the stride allows it, or the largest window that fits. */
function smallerWindow({ stride, padding, dilation }: Window, { input, place }: Site, words: Span) {
  const side = (cells: number, step: number): number => Math.max(1, Math.floor((cells - 1) / step) + 1);
  const height = side(input.height + padding.top + padding.bottom, dilation[0]);
  const width = side(input.width + padding.left + padding.right, dilation[1]);
  const most = `take a window of at most ${height}x${width}`;
  if (stride[0] !== 1 || stride[1] !== 1)
    return { help: most, edits: [{ span: words, replacement: `${height}x${width}` }] };
  const [layer, pad] = [place(""), place("pad")];
  const behind = { start: layer.end, end: layer.end };
  const isGiven = pad.start !== layer.start;
  return {
    help: `\`pad same\` keeps ${input.height}x${input.width}, or ${most}`,
    edits: [isGiven ? { span: pad, replacement: "pad same" } : { span: behind, replacement: " pad same" }],
  };
}

function warnOfDropped(window: Window, site: Site, rows: number, columns: number): void {
  const parts = [rows > 0 ? count(rows, "row") : "", columns > 0 ? count(columns, "column") : ""].filter(
    (part) => part !== "",
  );
  const { input } = site;
  site.report({
    code: "CNN251",
    message: "the stride drops pixels",
    span: site.place(""),
    label: `the last ${parts.join(" and ")} of ${input.height}x${input.width} ${rows + columns === 1 ? "is" : "are"} in no window`,
    help:
      window.padding.top + window.padding.left > 0 ? "choose another padding or stride" : "`pad` would bring them in",
  });
}

const count = (number: number, word: string): string => (number === 1 ? word : `${number} ${word}s`);

/** torch.nn's default: both uniform over plus and minus one over the square root of the inputs of one output. */
function weightAndBias(shape: readonly number[], fanIn: number, bias: boolean): ParameterOfLayer[] {
  const initial = { kind: "uniform", bound: 1 / Math.sqrt(fanIn) } as const;
  const weight: ParameterOfLayer = { name: "weight", shape, trainable: true, counted: true, initial };
  return bias ? [weight, { ...weight, name: "bias", shape: shape.slice(0, 1) }] : [weight];
}

// ---- pooling ----------------------------------------------------------------------------------------------------------

const POOL_ARGUMENTS = { window: required(sizeOr(1, "global"), "the window, or `global` for the whole map") };
const POOL_OPTIONS = {
  stride: derived(size(1), "the window", "cells from one window to the next"),
  pad: optional(PADDING, "valid", `${PADDING_DOC}; at most half the window`),
  ceil: optional(onOff, false, "rounds the output's size up: windows may hang over the end"),
};

interface PoolValues {
  readonly window: Pair | "global";
  readonly stride: Pair | undefined;
  readonly pad: Pair | "valid" | "same";
  readonly ceil: boolean;
}

function poolAttributes(values: PoolValues, site: Site): PoolAttributes | undefined {
  const { window, ceil, pad } = values;
  if (window === "global") return globalPool(values, site);
  const stride = values.stride ?? window;
  const padding = resolvePadding(pad, window, stride, SQUARE_ONE, site);
  if (padding === undefined) return undefined;
  if (padding.bottom > window[0] / 2 || padding.right > window[1] / 2) {
    return site.report({
      code: "CNN214",
      message: "the padding is more than half the window",
      span: site.place("pad"),
      label: "a window could lie in the padding alone",
      edits: [
        {
          span: site.place("pad"),
          replacement: `pad ${printPair([Math.floor(window[0] / 2), Math.floor(window[1] / 2)])}`,
        },
      ],
      help: `at most ${Math.floor(window[0] / 2)}x${Math.floor(window[1] / 2)} here`,
    });
  }
  const attributes = { kernel: window, stride, padding, ceil };
  return fits({ ...attributes, dilation: SQUARE_ONE }, site, site.place("window")) ? attributes : undefined;
}

function globalPool({ stride, pad, ceil }: PoolValues, site: Site): PoolAttributes | undefined {
  const given = [stride !== undefined && "stride", pad !== "valid" && "pad", ceil && "ceil"].find(
    (key) => key !== false,
  );
  if (given !== undefined) {
    return site.report({
      code: "CNN219",
      message: `a global pool has no \`${given}\``,
      span: site.place(given),
      label: "its window is the whole map",
      help: "leave it out",
      edits: [{ span: site.place(given), replacement: "" }],
    });
  }
  const whole: Pair = [site.input.height, site.input.width];
  return { kernel: whole, stride: whole, padding: evenPadding([0, 0]), ceil: false };
}

function pool(words: string, kind: "maxPool" | "averagePool", doc: string): LayerEntry {
  return defineLayer({
    words,
    kind,
    doc,
    example: `${words} 3x3 stride 2 pad 1`,
    takes: "maps",
    arguments: POOL_ARGUMENTS,
    options: POOL_OPTIONS,
    attributes: poolAttributes,
    output: (attributes, input) => {
      const [height, width] = outputSides({ ...attributes, dilation: SQUARE_ONE }, input);
      return { ...input, height, width };
    },
    sight: ({ kernel, stride }) => ({ extent: kernel, stride }),
  });
}

// ---- normalisation ----------------------------------------------------------------------------------------------------

const bn = defineLayer({
  words: "bn",
  kind: "batchNorm",
  doc: "Batch normalisation of each channel, with running statistics for evaluation.",
  example: "bn eps 0.001 momentum 0.01",
  takes: "anything",
  keepsShape: true,
  arguments: {},
  options: {
    eps: optional(real({ minimum: 0, maximum: 1 }), 1e-5, "added to the variance"),
    momentum: optional(
      real({ minimum: 0, maximum: 1 }),
      0.1,
      "the share of the running statistics that a batch replaces",
    ),
    scale: optional(onOff, true, "multiplies each channel by a learned number"),
    shift: optional(onOff, true, "adds a learned number to each channel"),
  },
  attributes: ({ eps, momentum, scale, shift }) => ({ epsilon: eps, momentum, scale, shift }),
  output: (_, input) => input,
  parameters: ({ scale, shift }, { channels }) => {
    const one = (name: ParameterOfLayer["name"], value: number, learned: boolean): ParameterOfLayer => ({
      name,
      shape: [channels],
      trainable: learned,
      counted: learned,
      initial: { kind: "constant", value },
    });
    return [
      ...(scale ? [one("weight", 1, true)] : []),
      ...(shift ? [one("bias", 0, true)] : []),
      one("running_mean", 0, false),
      one("running_var", 1, false),
    ];
  },
});

// ---- activations ------------------------------------------------------------------------------------------------------

/** An activation; `parameter` is its only argument, if it has one. */
function activation(words: ActivationName, doc: string, parameter: Parameters = {}): LayerEntry {
  const [key = ""] = Object.keys(parameter);
  return defineLayer({
    words,
    kind: "activation",
    doc,
    example: words,
    takes: "anything",
    keepsShape: true,
    inlined: true,
    arguments: parameter as Readonly<Record<string, ReturnType<typeof optional<number>>>>,
    options: {},
    attributes: (values) => ({ function: words, parameter: values[key] ?? 0 }),
    output: (_, input) => input,
  });
}

const SLOPE = { slope: optional(real({ minimum: 0, maximum: Number.POSITIVE_INFINITY }), 0.01, "the slope below 0") };
const ALPHA = {
  alpha: optional(real({ minimum: 0, maximum: Number.POSITIVE_INFINITY }), 1, "the limit below 0, without its sign"),
};

const activations: LayerEntry[] = [
  activation("relu", "max(x, 0)"),
  activation("relu6", "min(max(x, 0), 6)"),
  activation("leaky_relu", "x above 0, slope * x below", SLOPE),
  activation("elu", "x above 0, alpha * (exp(x) - 1) below", ALPHA),
  activation("selu", "elu with the self-normalising scale 1.0507 and alpha 1.6733"),
  activation("gelu", "x * Phi(x), with the normal distribution's exact Phi"),
  activation("silu", "x * sigmoid(x)"),
  activation("mish", "x * tanh(softplus(x))"),
  activation("hardswish", "x * min(max(x + 3, 0), 6) / 6"),
  activation("hardsigmoid", "min(max(x + 3, 0), 6) / 6"),
  activation("sigmoid", "1 / (1 + exp(-x))"),
  activation("tanh", "the hyperbolic tangent"),
  activation("softplus", "log(1 + exp(x))"),
];

// ---- vectors ----------------------------------------------------------------------------------------------------------

const vector = (channels: number): Shape => ({ channels, height: 1, width: 1, flat: true });

const fc = defineLayer({
  words: "fc",
  kind: "fc",
  doc: "Fully connected: each output sees every value; it flattens what it is given.",
  example: "fc 120 bias off",
  takes: "anything",
  arguments: { outputs: required(integer(1), "the number of outputs") },
  options: { bias: optional(onOff, true, "adds a learned number to each output") },
  attributes: ({ outputs, bias }) => ({ outFeatures: outputs, bias }),
  output: ({ outFeatures }) => vector(outFeatures),
  outputOfAnything: ({ outputs }) => vector(outputs),
  parameters: ({ outFeatures, bias }, input) =>
    weightAndBias([outFeatures, shapeElements(input)], shapeElements(input), bias),
  matrix: ({ outFeatures }, input) => ({ rows: outFeatures, columns: shapeElements(input), outputs: 1, kind: "whole" }),
  multiplyAdds: ({ outFeatures }, input) => outFeatures * shapeElements(input),
  sight: () => "all",
});

const flatten = defineLayer({
  words: "flatten",
  kind: "flatten",
  doc: "Makes a vector of the maps, channel after channel (`fc` does that by itself).",
  example: "flatten",
  takes: "anything",
  inlined: true,
  arguments: {},
  options: {},
  attributes: () => ({}),
  output: (_, input) => vector(shapeElements(input)),
});

const dropout = defineLayer({
  words: "dropout",
  kind: "dropout",
  doc: "In training, sets values to 0 at random and scales the others up by 1 / (1 - probability).",
  example: "dropout 0.5",
  takes: "anything",
  keepsShape: true,
  inlined: true,
  arguments: { probability: required(real({ minimum: 0, maximum: 1, below: true }), "the share of values set to 0") },
  options: {},
  attributes: ({ probability }) => ({ probability }),
  output: (_, input) => input,
});

/** Every layer, in the order of the reference page. */
export const layerCatalogue: readonly LayerEntry[] = [
  conv,
  pool("pool max", "maxPool", "The largest value of each window."),
  pool("pool avg", "averagePool", "The mean of each window; padding counts as zeros."),
  bn,
  ...activations,
  fc,
  flatten,
  dropout,
];
