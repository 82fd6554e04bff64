/**
 * The reference page's tables.
 *
 * In: the catalogues. Out: Markdown, which README.md contains between two marks. What holds: a layer or option that the
 * checker knows is in the reference, with its defaults; a test compares the two.
 */
import { diagnosticCatalogue, type DiagnosticDescription } from "./diagnosticCatalogue.ts";
import { layerCatalogue } from "./layerCatalogue.ts";
import { mergeCatalogue } from "./merges.ts";
import { recipeCatalogue } from "./recipeCatalogue.ts";
import type { Parameter, Parameters, Signature } from "./signature.ts";
import { matrixOptions, parameterOptions } from "./weightOptions.ts";

type Entry = Signature & { readonly doc: string; readonly example: string };

/** Layers, recipe lines and diagnostics as Markdown. */
export function renderReference(): string {
  const parts = [
    "### Layers",
    ...layerCatalogue.map((entry) => renderEntry(entry, sharedOptions)),
    "### Options of every layer with parameters",
    renderShared(),
    "### Merges",
    ...mergeCatalogue.map((entry) => renderEntry({ ...entry, arguments: {}, options: {} })),
    "### Lines of `train`",
    ...recipeCatalogue.map((entry) => renderEntry(entry)),
    "### Diagnostics",
    renderCodes(),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** Described once, not with each layer. */
const sharedOptions: Parameters = { ...parameterOptions, ...matrixOptions };

function renderShared(): string {
  const rows = Object.entries(sharedOptions).map(([name, parameter]) => renderParameter(`\`${name}\``, parameter));
  return `\`weights\` only where the weight has the shape of a matrix or of a window.\n\n${tableOf(rows)}`;
}

const tableOf = (rows: readonly string[]): string =>
  ["| | takes | default | |", "| --- | --- | --- | --- |", ...rows].join("\n");

function renderEntry(
  { words, doc, example, arguments: positional, options }: Entry,
  elsewhere: Parameters = {},
): string {
  const written = example === words ? "" : ` For example \`${example}\`.`;
  const own = Object.entries(options).filter(([name, parameter]) => elsewhere[name] !== parameter);
  const rows = [
    ...Object.entries(positional).map(([name, parameter]) => renderParameter(`*${name}*`, parameter)),
    ...own.map(([name, parameter]) => renderParameter(`\`${name}\``, parameter)),
  ];
  const table = tableOf(rows);
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
