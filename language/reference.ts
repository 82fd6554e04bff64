/**
 * The reference page's tables.
 *
 * In: the catalogues. Out: Markdown, which README.md contains between two marks. What holds: a layer or option that the
 * checker knows is in the reference, with its defaults; a test compares the two.
 */
import { diagnosticCatalogue, type DiagnosticDescription } from "./diagnosticCatalogue.ts";
import { layerCatalogue } from "./layerCatalogue.ts";
import { recipeCatalogue } from "./recipeCatalogue.ts";
import type { Parameter, Signature } from "./signature.ts";

type Entry = Signature & { readonly doc: string; readonly example: string };

/** Layers, recipe lines and diagnostics as Markdown. */
export function renderReference(): string {
  const parts = [
    "### Layers",
    ...layerCatalogue.map(renderEntry),
    "### Lines of `train`",
    ...recipeCatalogue.map(renderEntry),
    "### Diagnostics",
    renderCodes(),
  ];
  return `${parts.join("\n\n")}\n`;
}

function renderEntry({ words, doc, example, arguments: positional, options }: Entry): string {
  const written = example === words ? "" : ` For example \`${example}\`.`;
  const rows = [...Object.entries(positional), ...Object.entries(options)].map(([name, parameter]) =>
    renderParameter(name in options ? `\`${name}\`` : `*${name}*`, parameter),
  );
  const table = ["| | takes | default | |", "| --- | --- | --- | --- |", ...rows].join("\n");
  const head = `**\`${words}\`**: ${escape(doc)}${/[.?]$/.test(doc) ? "" : "."}${written}`;
  return rows.length === 0 ? head : `${head}\n\n${table}`;
}

function renderParameter(name: string, { type, required, defaultText, doc }: Parameter<unknown>): string {
  return `| ${name} | ${escape(type.describe)} | ${required ? "(required)" : defaultText} | ${escape(doc)} |`;
}

function renderCodes(): string {
  const entries = Object.entries<DiagnosticDescription>(diagnosticCatalogue);
  const rows = entries.map(([code, { severity, title }]) => `| ${code} | ${severity} | ${escape(title)} |`);
  return ["| code | | |", "| --- | --- | --- |", ...rows].join("\n");
}

/** Markdown would take these for its own. */
function escape(text: string): string {
  return text.replace(/[|*]/g, "\\$&");
}
