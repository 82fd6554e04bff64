/**
 * What `cnnc explain CNN204` prints.
 *
 * In: a code. Out: what it means, a program that fails with its diagnostic, and the mend.
 */
import { checkText } from "./checkText.ts";
import { describeDiagnostic } from "./diagnosticCatalogue.ts";
import { plainPalette, type Palette } from "./palette.ts";
import { renderDiagnostics } from "./renderDiagnostics.ts";

/** The explanation of a code (`CNN204`, in any case), or undefined if there is no such code. */
export function explainDiagnostic(code: string, options: { readonly color?: Palette } = {}): string | undefined {
  const found = describeDiagnostic(code);
  if (found === undefined) return undefined;
  const palette = options.color ?? plainPalette;
  const { severity, title, explanation, wrong, right } = found;
  const lines = [
    `${palette[severity](`${severity}[${code.toUpperCase()}]`)}${palette.strong(`: ${title}`)}`,
    "",
    explanation,
  ];
  if (wrong !== undefined && right !== undefined) {
    const { diagnostics } = checkText(wrong, "example.cnn");
    lines.push(
      "",
      palette.strong("For example"),
      "",
      renderDiagnostics(diagnostics, wrong, "example.cnn", options).trimEnd(),
    );
    lines.push("", palette.strong("Mended"), "", right.trimEnd().replace(/^(?=.)/gm, "  "));
  }
  return `${lines.join("\n")}\n`;
}
