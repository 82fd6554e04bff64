/** The convolutions of the catalogue. Defaults are those of torch.nn.Conv2d. */
import { shapeElements, type LayerAttributes, type Pair, type Shape } from "../checkedProgram.ts";
import { defineLayer, type LayerEntry, type Site } from "../layerEntry.ts";
import { integer, maps, onOff, size } from "../parameterTypes.ts";
import { optional, required, type Bound } from "../signature.ts";
import { outputSides } from "../windows.ts";
import { extentOf, fits, PADDING, PADDING_DOC, resolvePadding, SQUARE_ONE } from "./slidingWindow.ts";
import { checkMode, MODE } from "./resizing.ts";
import { weightAndBias } from "./weights.ts";

const SLIDING = {
  stride: optional(size(1), SQUARE_ONE, "cells from one window to the next"),
  pad: optional(PADDING, "valid", PADDING_DOC),
  dilation: optional(size(1), SQUARE_ONE, "cells from one tap of the window to the next"),
  mode: MODE,
} as const;
const BIAS = optional(onOff, true, "adds a learned number to each map");

/** What follows from the attributes: the same for every convolution. */
const CONVOLUTION = {
  kind: "conv",
  takes: "maps",
  output: (attributes: LayerAttributes["conv"], input: Shape): Shape => {
    const [height, width] = outputSides({ ...attributes, ceil: false }, input);
    return { channels: attributes.outChannels, height, width, flat: false };
  },
  parameters: ({ outChannels, kernel, groups, bias }: LayerAttributes["conv"], input: Shape) => {
    const shape = [outChannels, input.channels / groups, ...kernel];
    return weightAndBias(shape, (input.channels / groups) * kernel[0] * kernel[1], bias);
  },
  matrix: ({ kernel: [rows, columns], outChannels }: LayerAttributes["conv"]) =>
    ({ rows, columns, outputs: outChannels, kind: "window" }) as const,
  multiplyAdds: ({ kernel, groups }: LayerAttributes["conv"], input: Shape, output: Shape) =>
    shapeElements(output) * (input.channels / groups) * kernel[0] * kernel[1],
  sight: ({ kernel, stride, dilation }: LayerAttributes["conv"]) => ({ extent: extentOf(kernel, dilation), stride }),
} as const;

const conv = defineLayer({
  ...CONVOLUTION,
  words: "conv",
  doc: "Convolution over all channels of its input.",
  example: "conv 64@3x3 stride 2 pad 1 bias off",
  arguments: { maps: required(maps("6@5x5"), "the number of output maps, and the window") },
  options: {
    ...SLIDING,
    groups: optional(integer(1), 1, "channels are split into so many groups that do not see each other"),
    bias: BIAS,
  },
  attributes: ({ maps: { count, size: kernel, sizeSpan, countSpan }, groups, bias, ...sliding }, site) => {
    const window = slidingWindow(kernel, sliding, site);
    const divided = checkGroups(groups, count, site, countSpan);
    if (window === undefined || !divided || !fits({ ...window, ceil: false }, site, sizeSpan)) return undefined;
    return { ...window, outChannels: count, groups, bias };
  },
});

const depthwise = defineLayer({
  ...CONVOLUTION,
  words: "depthwise",
  doc: "Convolution of each channel by itself, with filters of its own: a `conv` with as many groups as channels.",
  example: "depthwise 3x3 stride 2 pad 1",
  arguments: { window: required(size(1), "the window") },
  options: { ...SLIDING, multiplier: optional(integer(1), 1, "the number of maps made of each channel"), bias: BIAS },
  attributes: ({ window: kernel, multiplier, bias, ...sliding }, site) => {
    const { channels } = site.input;
    const window = slidingWindow(kernel, sliding, site);
    if (window === undefined || !fits({ ...window, ceil: false }, site, site.place("window"))) return undefined;
    return { ...window, outChannels: channels * multiplier, groups: channels, bias };
  },
});

type Sliding = Bound<typeof SLIDING>;

function slidingWindow(kernel: Pair, { stride, pad, dilation, mode }: Sliding, site: Site) {
  const padding = resolvePadding(pad, kernel, stride, dilation, site);
  if (padding === undefined || !checkMode(mode, padding, site)) return undefined;
  return { kernel, stride, padding, mode, dilation };
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

export const convolutions: readonly LayerEntry[] = [conv, depthwise];
