/**
 * What the layers that slide a window over a map have in common: padding, windows that do not fit, dropped cells.
 *
 * In: a window and the shape that arrives. Out: padding on all four sides, or undefined after a report.
 */
import type { Pair, Span } from "../checkedProgram.ts";
import type { Edit } from "../diagnostic.ts";
import type { Site } from "../layerEntry.ts";
import { printPair, sizeOr } from "../parameterTypes.ts";
import { droppedSides, evenPadding, misfit, reachingPadding, samePadding, type Window } from "../windows.ts";

export const SQUARE_ONE: Pair = [1, 1];
export const PADDING = sizeOr(0, "valid", "same");
export const PADDING_DOC =
  "cells around the input: `valid` (none), `same` (keeps the size), `1`, or `1x2` (height x width)";

/** The cells from the first to the last tap, by axis. */
export function extentOf(kernel: Pair, dilation: Pair): Pair {
  return [dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1];
}

/** The zeros around the map; undefined after a report. */
export function resolvePadding(given: Pair | "valid" | "same", kernel: Pair, stride: Pair, dilation: Pair, site: Site) {
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

/** Reports a window that does not fit, and warns of one that drops cells, which `ceil on` brings in where there is `ceil`. */
export function fits(window: Window, site: Site, place: Span, takesCeil = false): boolean {
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
  if (rows + columns > 0) warnOfDropped(window, site, [rows, columns], takesCeil);
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
  const help = `\`pad same\` keeps ${input.height}x${input.width}, or ${most}`;
  return { help, edits: [editOf("pad", "pad same", place)] };
}

/** Puts an option in the place of the one that is given, or behind the layer. */
function editOf(key: string, replacement: string, place: Site["place"]): Edit {
  const [layer, given] = [place(""), place(key)];
  const behind = { start: layer.end, end: layer.end };
  return given.start === layer.start ? { span: behind, replacement: ` ${replacement}` } : { span: given, replacement };
}

function warnOfDropped(window: Window, site: Site, [rows, columns]: Pair, takesCeil: boolean): void {
  const parts = [rows > 0 ? count(rows, "row") : "", columns > 0 ? count(columns, "column") : ""].filter(
    (part) => part !== "",
  );
  const { input, place } = site;
  const pad = takesCeil ? undefined : reachingPadding(window, input);
  const mend = takesCeil ? "ceil on" : pad && `pad ${printPair(pad)}`;
  site.report({
    code: "CNN251",
    message: "the stride drops pixels",
    span: place(""),
    label: `the last ${parts.join(" and ")} of ${input.height}x${input.width} ${rows + columns === 1 ? "is" : "are"} in no window`,
    help: mend === undefined ? "another stride or window brings them in" : `\`${mend}\` brings them in`,
    edits: mend === undefined ? [] : [editOf(takesCeil ? "ceil" : "pad", mend, place)],
  });
}

const count = (number: number, word: string): string => (number === 1 ? word : `${number} ${word}s`);
