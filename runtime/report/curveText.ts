/** The learning curve in characters: two by four dots a character (Braille), for the end of a run in a terminal. */
import type { EpochRecord } from "../train/epochRecord.ts";

export interface TextCurveOptions {
  readonly epochs: number;
  /** In characters, without the axis. */
  readonly width?: number;
  readonly height?: number;
}

/** Bits of the dots of a Braille character, by row and column (Unicode block U+2800). */
const dots = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;

/** Accuracy at a fraction of an epoch, in straight lines from (0, 0). */
function accuracyAt(records: readonly EpochRecord[], epoch: number): number | undefined {
  const points = [{ epoch: 0, testAccuracy: 0 }, ...records];
  const after = points.findIndex((point) => point.epoch >= epoch);
  const right = points[after];
  if (!right) return undefined;
  const left = points[Math.max(0, after - 1)] ?? right;
  const share = right.epoch === left.epoch ? 0 : (epoch - left.epoch) / (right.epoch - left.epoch);
  return left.testAccuracy + share * (right.testAccuracy - left.testAccuracy);
}

export function curveText(records: readonly EpochRecord[], options: TextCurveOptions): string {
  const { epochs, width = 60, height = 10 } = options;
  const cells = Array.from({ length: height }, () => Array.from({ length: width }, () => 0));
  for (let x = 0; x < 2 * width; x++) {
    const accuracy = accuracyAt(records, (epochs * x) / (2 * width - 1));
    if (accuracy === undefined) continue;
    const y = Math.min(4 * height - 1, Math.round((1 - accuracy) * (4 * height - 1)));
    const row = cells[Math.floor(y / 4)];
    const column = Math.floor(x / 2);
    if (row) row[column] = (row[column] ?? 0) | (dots[y % 4]?.[x % 2] ?? 0);
  }
  const lines = cells.map((row, i) => {
    const label = i === 0 ? "100 %" : i === Math.floor(height / 2) ? " 50 %" : i === height - 1 ? "  0 %" : "     ";
    return `${label} ┤${row.map((bits) => String.fromCharCode(0x2800 + bits)).join("")}`.trimEnd();
  });
  const last = String(epochs);
  const axis = `      └${"─".repeat(width)}`;
  const numbers = `       0${" ".repeat(Math.max(1, width - 1 - last.length))}${last}`;
  return [...lines, axis, `${numbers}  epochs`].join("\n");
}
