/**
 * What `cnnc explain CNN204` prints.
 *
 * In: a code. Out: what it means, a program that fails with its diagnostic, and the mend.
 */
import { checkText } from "./checkText.ts";
import { describeDiagnostic } from "./diagnosticCatalogue.ts";
import type { Settings } from "./diagnosticEntry.ts";
import { plainPalette, type Palette } from "./palette.ts";
import { renderDiagnostics } from "./renderDiagnostics.ts";

/** The explanation of a code (`CNN204`, in any case), or undefined if there is no such code. */
export function explainDiagnostic(code: string, options: { readonly color?: Palette } = {}): string | undefined {
  const found = describeDiagnostic(code);
  if (found === undefined) return undefined;
  const palette = options.color ?? plainPalette;
  const { severity, title, explanation, wrong, right, set } = found;
  const given = (settings: Settings | undefined): string =>
    Object.entries(settings ?? {})
      .map(([name, value]) => `, with \`--set ${name}=${value}\``)
      .join("");
  // An example of "more errors than are shown" has other errors, too.
  const diagnostics = checkText(wrong, "example.cnn", set && { set: set.wrong }).diagnostics.filter(
    (diagnostic) => diagnostic.code === code.toUpperCase(),
  );
  const lines = [
    `${palette[severity](`${severity}[${code.toUpperCase()}]`)}${palette.strong(`: ${title}`)}`,
    "",
    explanation,
    "",
    palette.strong(`For example${given(set?.wrong)}`),
    "",
    renderDiagnostics(diagnostics, wrong, "example.cnn", options).trimEnd(),
    "",
    palette.strong(`Mended${given(set?.right)}`),
    "",
    right.trimEnd().replace(/^(?=.)/gm, "  "),
  ];
  return `${lines.join("\n")}\n`;
}
