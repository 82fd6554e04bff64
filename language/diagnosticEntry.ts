/**
 * What a diagnostic is described by, and the programs that its description begins from.
 *
 * In: nothing, these are types and small functions. Out: entries of the diagnostic catalogue.
 */
export type Severity = "error" | "warning";

export interface DiagnosticDescription {
  readonly severity: Severity;
  /** What it is about, in a few words. */
  readonly title: string;
  readonly explanation: string;
  /** A program that gives it. */
  readonly wrong: string;
  /** The same program, mended. */
  readonly right: string;
  /** What `--set` says of the two, where it matters. */
  readonly set?: { readonly wrong: Settings; readonly right: Settings };
}

/** Values for parameters of a model, by name. */
export type Settings = Readonly<Record<string, string>>;

/** An entry. Without both examples it does not compile: a code has a page. */
export function entry(
  severity: Severity,
  title: string,
  explanation: string,
  wrong: string,
  right: string,
): DiagnosticDescription {
  return { severity, title, explanation, wrong, right };
}

/** A model around a few lines. */
export const model = (...lines: string[]): string =>
  `model Example {\n${lines.map((line) => `  ${line}\n`).join("")}}\n`;

/** A recipe around a few lines, with a model that it can train. */
export const train = (...lines: string[]): string =>
  `${model("input 3@32x32", "fc 10")}\ntrain {\n${lines.map((line) => `  ${line}\n`).join("")}}\n`;
