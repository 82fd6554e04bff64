/**
 * The learning curve as SVG: test accuracy against epochs, a monotone spline from (0, 0) through every epoch, and the
 * losses as thin lines on an axis of their own.
 */
import { curveMonotoneX, line } from "d3-shape";
import type { EpochRecord } from "../train/epochRecord.ts";

export interface CurveOptions {
  readonly title: string;
  /** Length of the horizontal axis. */
  readonly epochs: number;
}

const width = 720;
const height = 440;
const margin = { top: 64, right: 64, bottom: 56, left: 64 };
const colours = {
  accuracy: "#1f6feb",
  train: "#b3541e",
  test: "#e0a03c",
  text: "#24292f",
  faint: "#6e7781",
  grid: "#e6e8eb",
};

type Point = readonly [number, number];

const across = (epoch: number, epochs: number): number =>
  margin.left + ((width - margin.left - margin.right) * epoch) / Math.max(1, epochs);
const upwards = (share: number): number => height - margin.bottom - (height - margin.top - margin.bottom) * share;

function spline(points: readonly Point[]): string {
  const path = line<Point>()
    .x(([x]) => x)
    .y(([, y]) => y)
    .curve(curveMonotoneX);
  return path([...points]) ?? "";
}

function text(x: number, y: number, content: string, attributes: string): string {
  const safe = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${safe}</text>`;
}

/** A step of 1, 2 or 5 times a power of ten that gives at most `most` ticks. */
export function tickStep(extent: number, most: number): number {
  const raw = extent / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  return ([1, 2, 5, 10].find((step) => step * power >= raw) ?? 10) * power;
}

function axes(epochs: number, largestLoss: number): string[] {
  const parts: string[] = [];
  const small = `font-size="12" fill="${colours.faint}"`;
  for (let percent = 0; percent <= 100; percent += 20) {
    const y = upwards(percent / 100);
    parts.push(`<line x1="${margin.left}" x2="${width - margin.right}" y1="${y}" y2="${y}" stroke="${colours.grid}"/>`);
    parts.push(text(margin.left - 10, y + 4, `${percent} %`, `${small} text-anchor="end"`));
  }
  const step = Math.max(1, tickStep(epochs, 12));
  for (let epoch = 0; epoch <= epochs; epoch += step)
    parts.push(
      text(across(epoch, epochs), height - margin.bottom + 22, String(epoch), `${small} text-anchor="middle"`),
    );
  const lossStep = tickStep(largestLoss, 5);
  for (let loss = 0; loss <= largestLoss * 1.001; loss += lossStep)
    parts.push(text(width - margin.right + 10, upwards(loss / largestLoss) + 4, loss.toPrecision(2), small));
  parts.push(text((margin.left + width - margin.right) / 2, height - 14, "epoch", `${small} text-anchor="middle"`));
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
      `<line x1="${x}" x2="${x + 22}" y1="48" y2="48" stroke="${colour}" stroke-width="${stroke}"/>`,
      text(x + 28, 52, label, `font-size="12" fill="${colours.text}"`),
    ];
  });
}

function labelled(records: readonly EpochRecord[], epochs: number): string[] {
  const last = records.at(-1);
  if (!last) return [];
  const best = records.reduce((a, b) => (b.testAccuracy > a.testAccuracy ? b : a));
  return [...new Set([best, last])].map((record) =>
    text(
      across(record.epoch, epochs),
      upwards(record.testAccuracy) - 12,
      `${(100 * record.testAccuracy).toFixed(1)} %`,
      `font-size="13" font-weight="bold" fill="${colours.accuracy}" text-anchor="${record.epoch === epochs ? "end" : "middle"}"`,
    ),
  );
}

export function curveSvg(records: readonly EpochRecord[], { title, epochs }: CurveOptions): string {
  const losses = records
    .flatMap((record) => [record.trainLoss, record.testLoss])
    .filter((loss) => Number.isFinite(loss));
  const largestLoss = Math.max(0.1, ...losses) * 1.1;
  const accuracy: Point[] = [
    [across(0, epochs), upwards(0)],
    ...records.map((record): Point => [across(record.epoch, epochs), upwards(record.testAccuracy)]),
  ];
  const lossLine = (of: (record: EpochRecord) => number, colour: string): string => {
    const finite = records.filter((record) => Number.isFinite(of(record)));
    const points = finite.map((record): Point => [across(record.epoch, epochs), upwards(of(record) / largestLoss)]);
    return `<path d="${spline(points)}" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
  };
  const markers = accuracy
    .slice(1)
    .map(
      ([x, y]) =>
        `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="4" fill="#fff" stroke="${colours.accuracy}" stroke-width="2.5"/>`,
    );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(margin.left, 28, title, `font-size="17" font-weight="bold" fill="${colours.text}"`),
    ...legend(),
    ...axes(epochs, largestLoss),
    text(width - margin.right + 10, margin.top - 12, "loss", `font-size="12" fill="${colours.faint}"`),
    lossLine((record) => record.trainLoss, colours.train),
    lossLine((record) => record.testLoss, colours.test),
    `<path d="${spline(accuracy)}" fill="none" stroke="${colours.accuracy}" stroke-width="3"/>`,
    ...markers,
    ...labelled(records, epochs),
    "</svg>",
    "",
  ].join("\n");
}
