/**
 * The canonical form of a program.
 *
 * In: the text of a file. Out: the same program with one indentation, one way to set blanks, at most one blank line at a
 * place, and lines of at most 120 columns; or, for a text that does not parse, what is wrong with it. What holds: the
 * syntax tree and the comments stay as they are; formatting again changes nothing; names, numbers and parentheses stay
 * as they were written; an `->` that a line ended at stays at a line end.
 */
import { collectDiagnostics, type Diagnostic } from "../diagnostic.ts";
import { MAXIMUM_LENGTH, parse } from "../parse.ts";
import { createSourceMap } from "../sourceMap.ts";
import { outline } from "./outline.ts";
import { printFile } from "./printBody.ts";
import { sourceTokens } from "./sourceTokens.ts";

export interface FormatResult {
  /** Undefined if the text does not parse. */
  readonly text: string | undefined;
  /** Why it does not; a program that parses has none here, whatever the checker says of it. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Formats a text; `file` is its name in messages. */
export function formatText(text: string, file: string): FormatResult {
  const { report, diagnostics } = collectDiagnostics();
  const refusal = (): FormatResult => ({ text: undefined, diagnostics: diagnostics(createSourceMap(file, text)) });
  let isRefused = false;
  parse(text, (problem) => {
    // A warning refuses too: bytes that were no UTF-8 in a comment would be lost.
    isRefused = true;
    return report(problem);
  });
  if (isRefused) return refusal();
  const formatted = printFile(outline(sourceTokens(text)));
  if (formatted.length <= MAXIMUM_LENGTH) return { text: formatted, diagnostics: [] };
  report({
    code: "CNN001",
    message: "the file would be too long to be a program",
    span: { start: 0, end: 0 },
    label: `more than ${MAXIMUM_LENGTH.toLocaleString("en-US")} characters with its indentation`,
    help: "a `block` or a `repeat` says the same in fewer words",
  });
  return refusal();
}
