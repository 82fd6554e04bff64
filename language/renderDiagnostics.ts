/**
 * Diagnostics as text.
 *
 * In: diagnostics and the text they are about. Out: lines for a terminal: code and message, place, the line with the
 * words underlined and the reason beside them, a way out. What holds: a line of the output is never much wider than a terminal, and holds no control characters, whatever
 * the source holds.
 */
import type { Span } from "./checkedProgram.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { plainPalette, type Palette } from "./palette.ts";
import { sourceText, type SourceText } from "./sourceText.ts";

/** Columns of source that are shown of a longer line. */
const MAXIMUM_WIDTH = 110;

/** All diagnostics, one under the other with blank lines between, and a line that counts them; "" if there are none. */
export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  source: string,
  file: string,
  options: {
    readonly color?: Palette;
    /** The texts of all files, by their names; where one is missing, its places are shown without their lines. */
    readonly sources?: ReadonlyMap<string, string>;
  } = {},
): string {
  if (diagnostics.length === 0) return "";
  const palette = options.color ?? plainPalette;
  const texts = new Map(
    [...(options.sources ?? []), [file, source] as const].map(([name, text]) => [name, sourceText(text)]),
  );
  const parts = diagnostics.map((diagnostic) => renderOne(diagnostic, texts, palette));
  return `${parts.join("\n\n")}\n\n${countLine(diagnostics, palette)}\n`;
}

function countLine(diagnostics: readonly Diagnostic[], palette: Palette): string {
  const count = (severity: Diagnostic["severity"]): string | undefined => {
    const number = diagnostics.filter((diagnostic) => diagnostic.severity === severity).length;
    if (number === 0) return undefined;
    return palette[severity](`${number} ${severity}${number === 1 ? "" : "s"}`);
  };
  return [count("error"), count("warning")].filter((part) => part !== undefined).join(", ");
}

type Texts = ReadonlyMap<string, SourceText>;

function renderOne(diagnostic: Diagnostic, texts: Texts, palette: Palette): string {
  const { severity, code, message, file, span, label, help, notes } = diagnostic;
  const paint = palette[severity];
  const shown = [{ file, span }, ...notes].map((place) => texts.get(place.file)?.lineAt(place.span.start) ?? 0);
  const gutter = Math.max(2, ...shown.map((line) => `${line}`.length));
  const bar = palette.frame(`${" ".repeat(gutter)} |`);
  const lines = [
    `${paint(`${severity}[${code}]`)}${palette.strong(`: ${clean(message)}`)}`,
    ...excerpt({ file, span, label, mark: "^", before: true }, texts, gutter, paint, palette),
  ];
  if (help !== undefined)
    lines.push(bar, `${palette.frame(`${" ".repeat(gutter)} =`)} ${palette.strong("help:")} ${clean(help)}`);
  for (const note of notes) {
    lines.push(`${palette.note("note")}: ${clean(note.message)}`);
    lines.push(...excerpt({ ...note, label: "", mark: "-", before: false }, texts, gutter, palette.note, palette));
  }
  return lines.join("\n");
}

interface Excerpt {
  readonly file: string;
  readonly span: Span;
  readonly label: string;
  readonly mark: "^" | "-";
  /** Whether the line before is shown too. */
  readonly before: boolean;
}

/** The place, and its line with the words underlined. */
function excerpt(
  { file, span, label, mark, before }: Excerpt,
  texts: Texts,
  gutter: number,
  paint: (text: string) => string,
  palette: Palette,
): string[] {
  const blank = " ".repeat(gutter);
  const source = texts.get(file);
  if (source === undefined) return [`${palette.frame(`${blank}-->`)} ${clean(file)}`];
  const { line, column } = source.position(span.start);
  const numbered = (number: number, text: string): string =>
    `${palette.frame(`${`${number}`.padStart(gutter)} |`)}${text === "" ? "" : ` ${text}`}`;
  const { text, marks } = underline(
    source.line(line),
    span.start - source.lineStart(line),
    span.end - span.start,
    mark,
  );
  const result = [`${palette.frame(`${blank}-->`)} ${clean(file)}:${line}:${column}`, palette.frame(`${blank} |`)];
  const previous = source.line(line - 1);
  if (before && line > 1 && previous.trim() !== "") result.push(numbered(line - 1, cut(display(previous), 0).text));
  result.push(numbered(line, text));
  const said = label === "" ? "" : ` ${clean(label)}`;
  result.push(`${palette.frame(`${blank} |`)} ${marks.padded}${paint(marks.marks + said)}`);
  return result;
}

/** A line as shown, and the marks under `length` characters from `start`. */
function underline(
  line: string,
  start: number,
  length: number,
  mark: string,
): { text: string; marks: { padded: string; marks: string } } {
  const end = Math.min(line.length, start + length);
  // Only what can be shown is measured: a line may be a million characters long.
  const from = Math.max(0, start - MAXIMUM_WIDTH);
  const lead = display(line.slice(from, start));
  const marked = display(line.slice(start, Math.min(end, start + MAXIMUM_WIDTH)));
  const rest = display(line.slice(Math.min(end, start + MAXIMUM_WIDTH), start + 2 * MAXIMUM_WIDTH));
  const whole = (from > 0 ? "…" : "") + lead + marked + rest;
  const offset = width(lead) + (from > 0 ? 1 : 0);
  const { text, dropped } = cut(whole, offset);
  const visible = Math.max(1, Math.min(width(marked), MAXIMUM_WIDTH - (offset - dropped)));
  return { text, marks: { padded: " ".repeat(offset - dropped), marks: mark.repeat(visible) } };
}

/** At most `MAXIMUM_WIDTH` columns of a line, with column `focus` in sight; `dropped` columns are missing in front. */
function cut(text: string, focus: number): { text: string; dropped: number } {
  if (width(text) <= MAXIMUM_WIDTH) return { text, dropped: 0 };
  const skip = focus < MAXIMUM_WIDTH - 30 ? 0 : focus - 40;
  let columns = 0;
  let kept = skip > 0 ? "…" : "";
  let first: number | undefined;
  for (const character of text) {
    const before = columns;
    columns += width(character);
    if (before < skip) continue;
    first ??= before;
    if (before - first >= MAXIMUM_WIDTH - 2) {
      kept += "…";
      break;
    }
    kept += character;
  }
  return { text: kept, dropped: skip > 0 ? (first ?? 0) - 1 : 0 };
}

/** Tabs as two blanks, other control characters and halves of surrogate pairs as a sign that something is there. */
function display(text: string): string {
  return text.replace(/\t/g, "  ").replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, "\ufffd");
}

function clean(text: string): string {
  return display(text);
}

/** Columns of a terminal: East Asian wide characters take two, combining marks none. */
function width(text: string): number {
  let columns = 0;
  for (const character of text) columns += WIDE.test(character) ? 2 : COMBINING.test(character) ? 0 : 1;
  return columns;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const COMBINING = /\p{Mn}/u;
