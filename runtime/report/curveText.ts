/**
 * The learning curve in characters, two by four dots each (Braille), for the end of a run in a terminal.
 *
 * In: the records of a run. Out: lines of text. What holds: no line is longer than `width` + 7 characters, and none has a
 * control character.
 */
import type { EpochRecord } from "../train/epochRecord.ts";

export interface TextCurveOptions {
  readonly epochs: number;
  /** In characters, without the axis: 16 at least, 60 if left out. */
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

export function curveText(records: readonly EpochRecord[], options: TextCurveOptions): string {
  const { epochs } = options;
  const width = Math.max(16, Math.floor(options.width ?? 60));
  const height = Math.max(3, Math.floor(options.height ?? 10));
  const cells = drawDots(records, epochs, width, height);
  const lines = cells.map((row, i) => {
    const label = i === 0 ? "100 %" : i === Math.floor(height / 2) ? " 50 %" : i === height - 1 ? "  0 %" : "     ";
    // Some fonts draw the character without dots as eight circles.
    const curve = row.map((bits) => (bits === 0 ? " " : String.fromCharCode(0x2800 + bits))).join("");
    return `${label} ┤${curve}`.trimEnd();
  });
  const last = `${epochs} ${epochs === 1 ? "epoch" : "epochs"}`;
  const axis = `      └${"─".repeat(width)}`;
  const numbers = `       0${last.padStart(width - 1)}`;
  return [...lines, axis, numbers].join("\n");
}

/** The bits of every character, row by row: the curve as a line without gaps. */
function drawDots(records: readonly EpochRecord[], epochs: number, width: number, height: number): number[][] {
  const cells = Array.from({ length: height }, () => Array.from({ length: width }, () => 0));
  const [first, last] = [records[0], records.at(-1)];
  if (!first || !last) return cells;
  const lowest = 4 * height - 1;
  const columnOf = ({ epoch }: EpochRecord): number => Math.round(((2 * width - 1) * epoch) / epochs);
  let before: number | undefined;
  for (let x = columnOf(first); x <= columnOf(last); x++) {
    const accuracy = accuracyAt(records, (epochs * x) / (2 * width - 1));
    const y = Math.round((1 - Math.min(1, Math.max(0, accuracy))) * lowest);
    // From the dot after the last one, so that a steep line has no gaps and a flat one one dot a column.
    const start = before === undefined || before === y ? y : before + Math.sign(y - before);
    for (let dot = Math.min(start, y); dot <= Math.max(start, y); dot++) {
      const row = cells[Math.floor(dot / 4)];
      const column = Math.floor(x / 2);
      if (row) row[column] = (row[column] ?? 0) | (dots[dot % 4]?.[x % 2] ?? 0);
    }
    before = y;
  }
  return cells;
}

/** Accuracy at a fraction of an epoch, in straight lines between those that were measured. */
function accuracyAt(records: readonly EpochRecord[], epoch: number): number {
  const after = records.findIndex((record) => record.epoch >= epoch);
  const right = records.at(after);
  const left = records[Math.max(0, after - 1)];
  if (!left || !right) return 0;
  if (left.epoch >= right.epoch) return right.testAccuracy;
  const share = Math.max(0, (epoch - left.epoch) / (right.epoch - left.epoch));
  return left.testAccuracy + share * (right.testAccuracy - left.testAccuracy);
}
