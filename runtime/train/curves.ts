/**
 * Draws the curve of a run into its folder.
 *
 * In: the records so far. Out: curve.svg and curve.png. What holds: training never fails for want of a picture.
 */
import type { RunFolder } from "../files/runFolder.ts";
import { curvePng } from "../report/curvePng.ts";
import type { EpochRecord } from "./epochRecord.ts";

/** Writes both pictures, or the SVG alone; returns what to tell the user in that case. */
export async function drawCurves(
  folder: Pick<RunFolder, "writeCurve">,
  records: readonly EpochRecord[],
  options: { readonly title: string; readonly epochs: number },
): Promise<string | undefined> {
  // Loaded when the first epoch is over: it is many files.
  const { curveSvg } = await import("../report/curveSvg.ts");
  const svg = curveSvg(records, options);
  let png: Uint8Array | undefined;
  let warning: string | undefined;
  try {
    png = await curvePng(svg);
  } catch (problem) {
    warning = `curve.png could not be drawn (${problem instanceof Error ? problem.message : String(problem)}); curve.svg has the same picture`;
  }
  await folder.writeCurve(svg, png);
  return warning;
}
