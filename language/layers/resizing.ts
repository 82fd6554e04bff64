/** Layers that give maps another size without a window. */
import type { PaddingMode, Padding } from "../checkedProgram.ts";
import { defineLayer, type LayerEntry, type Site } from "../layerEntry.ts";
import { choice, size } from "../parameterTypes.ts";
import { optional, required } from "../signature.ts";
import { evenPadding } from "../windows.ts";

export const MODE = optional(
  choice("zeros", "reflect", "replicate"),
  "zeros",
  "what stands in the padding: zeros, the mirrored map (its edge once), or the nearest cell",
);

/** Reports a reflection that reaches beyond the map. */
export function checkMode(mode: PaddingMode, { top, bottom, left, right }: Padding, site: Site): boolean {
  const { height, width } = site.input;
  if (mode !== "reflect" || (Math.max(top, bottom) < height && Math.max(left, right) < width)) return true;
  site.report({
    code: "CNN229",
    message: "the reflection reaches beyond the map",
    span: site.place("mode"),
    label: `a map of ${height}x${width} mirrors at most ${height - 1}x${width - 1} cells`,
    help: "take a smaller padding, or `mode replicate`",
  });
  return false;
}

const pad = defineLayer({
  words: "pad",
  kind: "pad",
  doc: "Puts cells around the map.",
  example: "pad 2 mode reflect",
  takes: "maps",
  arguments: { cells: required(size(0), "the cells on each side: `2`, or `1x2` (above and below x left and right)") },
  options: { mode: MODE },
  attributes: ({ cells, mode }, site) => {
    const padding = evenPadding(cells);
    return checkMode(mode, padding, site) ? { padding, mode } : undefined;
  },
  output: ({ padding: { top, bottom, left, right } }, input) => ({
    ...input,
    height: top + input.height + bottom,
    width: left + input.width + right,
  }),
});

const upsample = defineLayer({
  words: "upsample",
  kind: "upsample",
  doc: "Makes maps larger by whole factors.",
  example: "upsample 2",
  takes: "maps",
  arguments: { factor: required(size(1), "how many times as high and wide: `2`, or `1x2`") },
  options: {
    mode: optional(
      choice("nearest", "bilinear"),
      "nearest",
      "repeats each cell, or blends neighbours as PyTorch does without `align_corners`",
    ),
  },
  attributes: ({ factor, mode }) => ({ factor, mode }),
  output: ({ factor: [rows, columns] }, input) => ({
    ...input,
    height: input.height * rows,
    width: input.width * columns,
  }),
  sight: ({ factor: [rows, columns], mode }) => ({
    extent: mode === "nearest" ? [1, 1] : [2, 2],
    stride: [1 / rows, 1 / columns],
  }),
});

export const resizings: readonly LayerEntry[] = [pad, upsample];
