/** Layers that choose channels, or give each a factor. */
import { shapeText } from "../checkedProgram.ts";
import { defineLayer, type LayerEntry, type Site } from "../layerEntry.ts";
import { ANY_NUMBER, integer, onOff, real } from "../parameterTypes.ts";
import { optional, required } from "../signature.ts";
import { checkDivides } from "./normalisation.ts";
import { perChannel } from "./weights.ts";

const scale = defineLayer({
  words: "scale",
  kind: "scale",
  doc: "Multiplies by a number; learned, by one for each channel that starts as this number.",
  example: "scale 0.5 learn on",
  takes: "anything",
  keepsShape: true,
  inlined: true,
  arguments: { factor: required(real(ANY_NUMBER), "the factor") },
  options: { learn: optional(onOff, false, "one learned factor a channel") },
  attributes: ({ factor, learn }) => ({ factor, learn }),
  output: (_, input) => input,
  parameters: ({ factor, learn }, { channels }) => (learn ? [perChannel("weight", channels, factor)] : []),
});

const slice = defineLayer({
  words: "slice",
  kind: "slice",
  doc: "Takes some of the channels.",
  example: "slice 0, 8",
  takes: "anything",
  inlined: true,
  arguments: {
    first: required(integer(0), "the first channel, from 0"),
    count: required(integer(1), "the number of channels"),
  },
  options: {},
  attributes: ({ first, count }, site) => (isInside(first, count, site) ? { first, count } : undefined),
  output: ({ count }, input) => ({ ...input, channels: count }),
});

function isInside(first: number, count: number, site: Site): boolean {
  const { channels } = site.input;
  if (first + count <= channels) return true;
  const left = channels - first;
  site.report({
    code: "CNN228",
    message: "the slice ends behind the last channel",
    span: site.place(left <= 0 ? "first" : "count"),
    label: `channels ${first} to ${first + count - 1} of ${shapeText(site.input)}, whose last is ${channels - 1}`,
    help: left <= 0 ? `begin at ${channels - 1} or before` : `there are ${left} from ${first} on`,
    ...(left <= 0 ? {} : { edits: [{ span: site.place("count"), replacement: `${left}` }] }),
  });
  return false;
}

const shuffle = defineLayer({
  words: "shuffle",
  kind: "shuffle",
  doc: "Deals the channels of groups out in turn, the first of each group, then the second (ShuffleNet).",
  example: "shuffle 4",
  takes: "anything",
  keepsShape: true,
  arguments: { groups: required(integer(1), "the number of groups") },
  options: {},
  attributes: ({ groups }, site) => (checkDivides(groups, site) ? { groups } : undefined),
  output: (_, input) => input,
});

export const channelLayers: readonly LayerEntry[] = [scale, slice, shuffle];
