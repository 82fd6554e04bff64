/** The normalisations of the catalogue. Defaults are torch.nn's. */
import { defineLayer, type LayerEntry, type ParameterOfLayer, type Site } from "../layerEntry.ts";
import { integer, onOff, real } from "../parameterTypes.ts";
import { optional, required } from "../signature.ts";
import { perChannel } from "./weights.ts";

const FROM_ZERO = { minimum: 0, maximum: Number.POSITIVE_INFINITY };
const EPSILON = optional(real({ minimum: 0, maximum: 1 }), 1e-5, "added to the variance");
const AFFINE = {
  scale: optional(onOff, true, "multiplies each channel by a learned number"),
  shift: optional(onOff, true, "adds a learned number to each channel"),
} as const;

interface Affine {
  readonly scale: boolean;
  readonly shift: boolean;
}

const affineParameters = ({ scale, shift }: Affine, channels: number): ParameterOfLayer[] => [
  ...(scale ? [perChannel("weight", channels, 1)] : []),
  ...(shift ? [perChannel("bias", channels, 0)] : []),
];

const bn = defineLayer({
  words: "bn",
  kind: "batchNorm",
  doc: "Batch normalisation of each channel, with running statistics for evaluation.",
  example: "bn eps 0.001 momentum 0.01",
  takes: "anything",
  keepsShape: true,
  arguments: {},
  options: {
    eps: EPSILON,
    momentum: optional(
      real({ minimum: 0, maximum: 1 }),
      0.1,
      "the share of the running statistics that a batch replaces",
    ),
    ...AFFINE,
  },
  attributes: ({ eps, momentum, scale, shift }) => ({ epsilon: eps, momentum, scale, shift }),
  output: (_, input) => input,
  parameters: (attributes, { channels }) => {
    const statistic = { trainable: false, counted: false };
    return [
      ...affineParameters(attributes, channels),
      { ...perChannel("running_mean", channels, 0), ...statistic },
      { ...perChannel("running_var", channels, 1), ...statistic },
    ];
  },
});

const normLayer = defineLayer({
  words: "norm layer",
  kind: "layerNorm",
  doc: "Layer normalisation: over the channels at each position, in training and evaluation alike.",
  example: "norm layer eps 1e-6",
  takes: "anything",
  keepsShape: true,
  arguments: {},
  options: { eps: EPSILON, ...AFFINE },
  attributes: ({ eps, scale, shift }) => ({ epsilon: eps, scale, shift }),
  output: (_, input) => input,
  parameters: (attributes, { channels }) => affineParameters(attributes, channels),
});

const normGroup = defineLayer({
  words: "norm group",
  kind: "groupNorm",
  doc: "Group normalisation: over groups of neighbouring channels of each picture, in training and evaluation alike.",
  example: "norm group 8",
  takes: "anything",
  keepsShape: true,
  arguments: { groups: required(integer(1), "the number of groups; 1 takes all channels together") },
  options: { eps: EPSILON, ...AFFINE },
  attributes: ({ groups, eps, scale, shift }, site) =>
    checkDivides(groups, site) ? { groups, epsilon: eps, scale, shift } : undefined,
  output: (_, input) => input,
  parameters: (attributes, { channels }) => affineParameters(attributes, channels),
});

/** Reports groups that do not divide the channels. */
export function checkDivides(groups: number, site: Site): boolean {
  const { channels } = site.input;
  if (channels % groups === 0) return true;
  site.report({
    code: "CNN211",
    message: "the groups do not divide the channels",
    span: site.place("groups"),
    label: `${channels} channels arrive, and ${channels} / ${groups} is not a whole number`,
    help: `take groups that divide ${channels}`,
  });
  return false;
}

const lrn = defineLayer({
  words: "lrn",
  kind: "localResponseNorm",
  doc: "Local response normalisation: x / (k + alpha / size * sum of x^2 over neighbouring channels)^beta.",
  example: "lrn 5",
  takes: "maps",
  keepsShape: true,
  arguments: { size: required(integer(1), "the number of neighbouring channels, its own included") },
  options: {
    alpha: optional(real(FROM_ZERO), 1e-4, "the factor of the mean of squares"),
    beta: optional(real(FROM_ZERO), 0.75, "the exponent"),
    k: optional(real({ ...FROM_ZERO, above: true }), 1, "added to the mean of squares"),
  },
  attributes: ({ size, alpha, beta, k }) => ({ size, alpha, beta, k }),
  output: (_, input) => input,
});

export const normalisations: readonly LayerEntry[] = [bn, normLayer, normGroup, lrn];
