/**
 * Diagnostics as annotations of GitHub Actions.
 *
 * In: reports of checked files. Out: one workflow command a diagnostic, which GitHub shows beside the line. What holds: a
 * command is one line, whatever a message or a file's name holds.
 * https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
 */
import type { CheckReport } from "./checkReport.ts";

type ReportedDiagnostic = CheckReport["diagnostics"][number];

/** Workflow commands, one a line; "" if there is nothing to say. */
export function renderGithub(reports: readonly CheckReport[]): string {
  return reports.flatMap(({ diagnostics }) => diagnostics.map((diagnostic) => `${command(diagnostic)}\n`)).join("");
}

function command(diagnostic: ReportedDiagnostic): string {
  const { severity, code, file, line, column, endLine, endColumn, message } = diagnostic;
  const properties = { file, line, endLine, col: column, endColumn, title: `${code}: ${message}` };
  const list = Object.entries(properties).map(([key, value]) => `${key}=${escapeProperty(`${value}`)}`);
  return `::${severity} ${list.join(",")}::${escapeData(diagnosticText(diagnostic))}`;
}

/** All of a diagnostic in words: what, why, the way out, and the places that led there. */
export function diagnosticText({ message, label, help, notes }: ReportedDiagnostic): string {
  const places = notes.map((note) => `note: ${note.message} (${note.file}:${note.line}:${note.column})`);
  const parts = [message, label, help === null ? "" : `help: ${help}`, ...places];
  return parts.filter((part) => part !== "").join("\n");
}

function escapeData(text: string): string {
  return text.replace(/%/g, "%25").replace(/\r/g, "%0D").replace(/\n/g, "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replace(/:/g, "%3A").replace(/,/g, "%2C");
}
