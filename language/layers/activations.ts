/** The activations of the catalogue: functions of one value each. Defaults are torch.nn's. */
import type { ActivationName } from "../checkedProgram.ts";
import { defineLayer, type LayerEntry } from "../layerEntry.ts";
import { ANY_NUMBER, onOff, real } from "../parameterTypes.ts";
import { optional, type Parameters } from "../signature.ts";
import { perChannel } from "./weights.ts";

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

const prelu = defineLayer({
  words: "prelu",
  kind: "prelu",
  doc: "x above 0, slope * x below, with a learned slope.",
  example: "prelu",
  takes: "anything",
  keepsShape: true,
  arguments: { slope: optional(real(ANY_NUMBER), 0.25, "the slope below 0 as it starts") },
  options: { shared: optional(onOff, true, "one slope for all channels; `off`: one each") },
  attributes: ({ slope, shared }) => ({ slope, shared }),
  output: (_, input) => input,
  parameters: ({ slope, shared }, { channels }) => [perChannel("weight", shared ? 1 : channels, slope)],
});

const softmax = defineLayer({
  words: "softmax",
  kind: "softmax",
  doc: "exp(x) over the sum of exp(x) of all channels, at each position. `loss cross_entropy` contains one.",
  example: "softmax",
  takes: "anything",
  keepsShape: true,
  arguments: {},
  options: {},
  attributes: () => ({}),
  output: (_, input) => input,
});

export const activations: readonly LayerEntry[] = [
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
  prelu,
  softmax,
];
