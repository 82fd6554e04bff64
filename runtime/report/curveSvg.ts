/**
 * The learning curve as SVG.
 *
 * In: the records of a run. Out: test accuracy against epochs, a monotone spline from the first one that was measured through
 * every epoch, and the losses as thin lines on an axis of their own. What holds: both axes share the grid; numbers that are not
 * finite are left out.
 */
import { curveMonotoneX, line } from "d3-shape";
import type { EpochRecord } from "../train/epochRecord.ts";
import { ink, mark, type Point, small, svgDocument, text } from "./svg.ts";

export interface CurveOptions {
  readonly title: string;
  /** Length of the horizontal axis. */
  readonly epochs: number;
}

const width = 720;
const height = 440;
const margin = { top: 76, right: 78, bottom: 58, left: 82 };
const right = width - margin.right;
const bottom = height - margin.bottom;
/** Both vertical axes have this many steps. */
const gridSteps = 5;
/** More epochs than this are a line without marks. */
const mostMarks = 30;
const colours = {
  accuracy: "#1f6feb",
  train: "#b3541e",
  test: "#d99a2b",
};

interface Scales {
  readonly across: (epoch: number) => number;
  readonly accuracy: (share: number) => number;
  readonly loss: (loss: number) => number;
  readonly lossStep: number;
  readonly epochs: number;
}

export function curveSvg(records: readonly EpochRecord[], { title, epochs }: CurveOptions): string {
  const scales = scalesFor(records, Math.max(1, epochs));
  const best = bestOf(records);
  const summary = best ? `best ${percent(best.testAccuracy)} after epoch ${best.epoch}` : "";
  return svgDocument(width, height, [
    text(margin.left, 30, title, `font-size="17" font-weight="bold" fill="${ink.text}"`),
    text(right, 30, summary, `font-size="12" fill="${ink.text}" text-anchor="end"`),
    ...legend(),
    ...axes(scales),
    ...lossCurve(records, scales, (record) => record.trainLoss, colours.train),
    ...lossCurve(records, scales, (record) => record.testLoss, colours.test),
    ...accuracyCurve(records, scales),
    ...labels(records, scales),
  ]);
}

function scalesFor(records: readonly EpochRecord[], epochs: number): Scales {
  const losses = records.flatMap((record) => [record.trainLoss, record.testLoss]).filter(Number.isFinite);
  const lossStep = roundStep(Math.max(0.01, ...losses) / gridSteps);
  const upwards = (share: number): number => bottom - (bottom - margin.top) * share;
  return {
    across: (epoch) => margin.left + ((right - margin.left) * epoch) / epochs,
    accuracy: upwards,
    loss: (loss) => upwards(loss / (lossStep * gridSteps)),
    lossStep,
    epochs,
  };
}

/** The smallest of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 times a power of ten that is not below `least`. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8].find((one) => one * power >= least * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** Epochs between two numbers on the axis: 1, 2 or 5 times a power of ten, such that there are at most twelve. */
export function epochStep(epochs: number): number {
  for (let power = 1; ; power *= 10)
    for (const factor of [1, 2, 5]) if (factor * power * 12 >= epochs) return factor * power;
}

/** `i` steps, with as many decimals as the step has; large ones in short (`20K`). */
function lossText(i: number, step: number): string {
  if (step >= 100) return new Intl.NumberFormat("en", { notation: "compact" }).format(i * step);
  const decimals = [0, 1, 2, 3].find((digits) => Math.abs(step - Number(step.toFixed(digits))) < 1e-6 * step) ?? 4;
  return (i * step).toFixed(decimals);
}

function axes({ across, accuracy, lossStep, epochs }: Scales): string[] {
  const parts: string[] = [];
  for (let i = 0; i <= gridSteps; i++) {
    const y = accuracy(i / gridSteps);
    const colour = i === 0 ? ink.axis : ink.grid;
    parts.push(`<line x1="${margin.left}" x2="${right}" y1="${y}" y2="${y}" stroke="${colour}"/>`);
    parts.push(text(margin.left - 10, y + 4, `${(100 * i) / gridSteps} %`, `${small} text-anchor="end"`));
    parts.push(text(right + 10, y + 4, lossText(i, lossStep), small));
  }
  for (let epoch = 0; epoch <= epochs; epoch += epochStep(epochs)) {
    const x = across(epoch).toFixed(1);
    parts.push(`<line x1="${x}" x2="${x}" y1="${bottom}" y2="${bottom + 5}" stroke="${ink.axis}"/>`);
    parts.push(text(across(epoch), bottom + 21, String(epoch), `${small} text-anchor="middle"`));
  }
  parts.push(text((margin.left + right) / 2, height - 14, "epoch", `${small} text-anchor="middle"`));
  const middle = (margin.top + bottom) / 2;
  for (const [x, label] of [
    [22, "test accuracy"],
    [width - 14, "loss"],
  ] as const)
    parts.push(text(x, middle, label, `${small} text-anchor="middle" transform="rotate(-90 ${x} ${middle})"`));
  return parts;
}

function legend(): string[] {
  const entries = [
    ["test accuracy", colours.accuracy, 3],
    ["training loss", colours.train, 1.5],
    ["test loss", colours.test, 1.5],
  ] as const;
  return entries.flatMap(([label, colour, stroke], i) => {
    const x = margin.left + i * 132;
    return [
      `<line x1="${x}" x2="${x + 22}" y1="50" y2="50" stroke="${colour}" stroke-width="${stroke}"/>`,
      text(x + 28, 54, label, `font-size="12" fill="${ink.text}"`),
    ];
  });
}

function lossCurve(
  records: readonly EpochRecord[],
  { across, loss }: Scales,
  of: (record: EpochRecord) => number,
  colour: string,
): string[] {
  const points = records
    .filter((record) => Number.isFinite(of(record)))
    .map((record): Point => [across(record.epoch), loss(of(record))]);
  const [only] = points;
  if (!only) return [];
  // One point makes no line.
  if (points.length === 1) return [mark(only, 3, `fill="${colour}"`)];
  return [`<path d="${spline(points)}" fill="none" stroke="${colour}" stroke-width="1.5"/>`];
}

function accuracyCurve(records: readonly EpochRecord[], { across, accuracy }: Scales): string[] {
  if (records.length === 0) return [];
  const points = records.map((record): Point => [across(record.epoch), accuracy(record.testAccuracy)]);
  const isDense = records.length > mostMarks;
  const stroke = isDense ? 2 : 3;
  const style = `fill="none" stroke="${colours.accuracy}" stroke-width="${stroke}" stroke-linejoin="round"`;
  return [
    // One point makes no line.
    ...(points.length > 1 ? [`<path d="${spline(points)}" ${style}/>`] : []),
    ...(isDense ? [] : points).map((point) =>
      mark(point, 3.5, `fill="#ffffff" stroke="${colours.accuracy}" stroke-width="2"`),
    ),
  ];
}

/** The accuracy of the best epoch and, where there is room for it, of the last one. */
function labels(records: readonly EpochRecord[], { across, accuracy }: Scales): string[] {
  const [best, last] = [bestOf(records), records.at(-1)];
  if (!best || !last) return [];
  const hasRoom = across(last.epoch) - across(best.epoch) > 80;
  return (hasRoom ? [best, last] : [best]).map((record) => {
    const [x, y] = [across(record.epoch), accuracy(record.testAccuracy)];
    const place = y < margin.top + 26 ? y + 24 : y - 12;
    const anchor = x > right - 40 ? "end" : "middle";
    // A white rim keeps the number readable where lines cross it.
    const rim = `paint-order="stroke" stroke="#ffffff" stroke-width="4" stroke-linejoin="round"`;
    const style = `font-size="13" font-weight="bold" fill="${colours.accuracy}" text-anchor="${anchor}" ${rim}`;
    return `${mark([x, y], 3.5, `fill="${colours.accuracy}"`)}\n${text(x, place, percent(record.testAccuracy), style)}`;
  });
}

function bestOf(records: readonly EpochRecord[]): EpochRecord | undefined {
  return records.reduce<EpochRecord | undefined>(
    (best, record) => (best && best.testAccuracy >= record.testAccuracy ? best : record),
    undefined,
  );
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function spline(points: readonly Point[]): string {
  const path = line<Point>()
    .x(([x]) => x)
    .y(([, y]) => y)
    .curve(curveMonotoneX);
  return path([...points]) ?? "";
}
