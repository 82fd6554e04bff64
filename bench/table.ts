/** Tables for the screen and for Markdown. */

export type Row = readonly string[];

/** The first column to the left, others to the right. */
export function textTable(head: Row, rows: readonly Row[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: Row): string =>
    widths
      .map((width, column) => (column === 0 ? (row[column] ?? "").padEnd(width) : (row[column] ?? "").padStart(width)))
      .join("  ")
      .trimEnd();
  return [line(head), "-".repeat(line(head).length), ...rows.map(line)].join("\n");
}

/** Three digits that count. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return "";
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  if (value >= 1) return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
  return value >= 0.1 || value === 0 ? value.toFixed(2) : value.toPrecision(2);
}

export const mebibytes = (bytes: number | undefined): string => (bytes === undefined ? "" : number(bytes / 2 ** 20));
export const seconds = (milliseconds: number | undefined): string =>
  milliseconds === undefined ? "" : number(milliseconds / 1000);
