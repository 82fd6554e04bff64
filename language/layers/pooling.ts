/** The poolings of the catalogue. Defaults are those of torch.nn.MaxPool2d and AvgPool2d. */
import type { Pair, PoolAttributes, Shape } from "../checkedProgram.ts";
import { defineLayer, type LayerEntry, type Site } from "../layerEntry.ts";
import { onOff, printPair, real, size, sizeOr } from "../parameterTypes.ts";
import { derived, optional, required } from "../signature.ts";
import { evenPadding, outputSides } from "../windows.ts";
import { fits, PADDING, PADDING_DOC, resolvePadding, SQUARE_ONE } from "./slidingWindow.ts";
import { perChannel } from "./weights.ts";

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
  return fits({ ...attributes, dilation: SQUARE_ONE }, site, site.place("window"), true) ? attributes : undefined;
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

function pooled(attributes: PoolAttributes, input: Shape): Shape {
  const [height, width] = outputSides({ ...attributes, dilation: SQUARE_ONE }, input);
  return { ...input, height, width };
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
    output: pooled,
    sight: ({ kernel, stride }) => ({ extent: kernel, stride }),
  });
}

const poolMixed = defineLayer({
  words: "pool mixed",
  kind: "mixedPool",
  doc: "share * maximum + (1 - share) * mean of each window (Lee, Gallagher, Tu 2016).",
  example: "pool mixed 2",
  takes: "maps",
  arguments: POOL_ARGUMENTS,
  options: {
    ...POOL_OPTIONS,
    share: optional(real({ minimum: 0, maximum: 1 }), 0.5, "the maximum's share"),
    learn: optional(onOff, false, "the share is learned, one for the layer"),
  },
  attributes: ({ share, learn, ...values }, site) => {
    const window = poolAttributes(values, site);
    return window && { ...window, share, learn };
  },
  output: pooled,
  parameters: ({ share, learn }) => (learn ? [perChannel("weight", 1, share)] : []),
  sight: ({ kernel, stride }) => ({ extent: kernel, stride }),
});

const poolTo = defineLayer({
  words: "pool avg to",
  kind: "adaptivePool",
  doc: "Means of parts that are as equal as they can be, so that the output has a given size.",
  example: "pool avg to 6x6",
  takes: "maps",
  arguments: { size: required(size(1), "the size of the output") },
  options: {},
  attributes: ({ size: output }, { input }) => ({
    output,
    window: [largestPart(input.height, output[0]), largestPart(input.width, output[1])],
    stride: [input.height / output[0], input.width / output[1]],
  }),
  output: ({ output: [height, width] }, input) => ({ ...input, height, width }),
  sight: ({ window, stride }) => ({ extent: window, stride }),
});

/**
 * The most cells of `from` that one of `to` parts has: part j goes from floor(j·from/to) to ceil((j+1)·from/to). Its start
 * lies r/to before j·from/to, with r a multiple of their common divisor g below `to`: from + to - g is the most of r + from.
 */
function largestPart(from: number, to: number): number {
  return Math.ceil((from + to - commonDivisor(from, to)) / to);
}

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));

export const poolings: readonly LayerEntry[] = [
  pool("pool max", "maxPool", "The largest value of each window."),
  pool("pool avg", "averagePool", "The mean of each window; padding counts as zeros."),
  poolTo,
  poolMixed,
];
