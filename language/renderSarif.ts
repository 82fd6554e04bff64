/**
 * Diagnostics in the Static Analysis Results Interchange Format, version 2.1.0.
 *
 * In: reports of checked files. Out: a log with one run, for JSON.stringify. What holds: it fits the format's schema (a
 * test checks it); lines and columns count from 1, columns in code points; a path is relative as it was given, or a URI.
 * https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
 */
import type { CheckReport } from "./checkReport.ts";
import { diagnosticCatalogue, type DiagnosticCode, type DiagnosticDescription } from "./diagnosticCatalogue.ts";
import { diagnosticText } from "./renderGithub.ts";

type ReportedDiagnostic = CheckReport["diagnostics"][number];
type Place = ReportedDiagnostic["notes"][number] | ReportedDiagnostic["edits"][number] | ReportedDiagnostic;

const SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/** The log of some files; `version` is that of cnnc. */
export function sarifLog(reports: readonly CheckReport[], version: string): object {
  const diagnostics = reports.flatMap((report) => report.diagnostics);
  const codes = [...new Set(diagnostics.map(({ code }) => code))].toSorted();
  const run = {
    tool: { driver: { name: "cnnc", semanticVersion: version, rules: codes.map(rule) } },
    columnKind: "unicodeCodePoints",
    results: diagnostics.map((diagnostic) => result(diagnostic, codes.indexOf(diagnostic.code))),
  };
  return { $schema: SCHEMA, version: "2.1.0", runs: [run] };
}

function rule(code: DiagnosticCode): object {
  const { severity, title, explanation, wrong, right }: DiagnosticDescription = diagnosticCatalogue[code];
  const text = `${explanation}\n\nFor example:\n\n${wrong}\nMended:\n\n${right}`;
  const markdown = `${explanation}\n\nFor example:\n\n\`\`\`\n${wrong}\`\`\`\n\nMended:\n\n\`\`\`\n${right}\`\`\`\n`;
  return {
    id: code,
    shortDescription: { text: title },
    fullDescription: { text: explanation },
    help: { text, markdown },
    defaultConfiguration: { level: severity },
  };
}

function result(diagnostic: ReportedDiagnostic, ruleIndex: number): object {
  const { code, severity, help, notes, edits } = diagnostic;
  return {
    ruleId: code,
    ruleIndex,
    level: severity,
    message: { text: diagnosticText({ ...diagnostic, notes: [] }) },
    locations: [location(diagnostic)],
    ...(notes.length === 0
      ? {}
      : { relatedLocations: notes.map((note) => ({ ...location(note), message: { text: note.message } })) }),
    ...(edits.length === 0 ? {} : { fixes: [fix(edits, help ?? diagnostic.message)] }),
  };
}

/** All edits of a mend, those of one file together. */
function fix(edits: ReportedDiagnostic["edits"], text: string): object {
  const files = [...new Set(edits.map(({ file }) => file))];
  const artifactChanges = files.map((file) => ({
    artifactLocation: { uri: uriOf(file) },
    replacements: edits
      .filter((edit) => edit.file === file)
      .map((edit) => ({ deletedRegion: region(edit), insertedContent: { text: edit.replacement } })),
  }));
  return { description: { text }, artifactChanges };
}

function location(place: Place): { physicalLocation: object } {
  return { physicalLocation: { artifactLocation: { uri: uriOf(place.file) }, region: region(place) } };
}

function region({ line, column, endLine, endColumn }: Place): object {
  return { startLine: line, startColumn: column, endLine, endColumn };
}

/** A path as a relative reference, or as a `file:` URI if it begins at a root. */
function uriOf(path: string): string {
  const slashed = /^[A-Za-z]:\\|^\\\\/.test(path) ? path.replaceAll("\\", "/") : path;
  const [, drive = "", rest = ""] = /^([A-Za-z]:(?=\/))?(.*)$/s.exec(slashed) ?? [];
  const encoded = rest
    .split("/")
    .map((part) => encodeURIComponent(part.replace(/\p{Cs}/gu, "\ufffd")))
    .join("/");
  if (drive !== "") return `file:///${drive}${encoded}`;
  return rest.startsWith("//") ? `file:${encoded}` : rest.startsWith("/") ? `file://${encoded}` : encoded;
}
