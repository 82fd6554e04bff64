/**
 * The language's public face: text in, checked program and diagnostics out. See README.md for the language itself.
 */
export * from "./checkedProgram.ts";
export { checkReport, type CheckReport } from "./checkReport.ts";
export { checkText, type CheckOptions, type CheckResult } from "./checkText.ts";
export type { ReadFile } from "./usedFiles.ts";
export type { ModelSoFar } from "./checkModel.ts";
export type { Diagnostic, Edit, Note } from "./diagnostic.ts";
export {
  describeDiagnostic,
  diagnosticCatalogue,
  type DiagnosticCode,
  type DiagnosticDescription,
  type Severity,
} from "./diagnosticCatalogue.ts";
export { explainDiagnostic } from "./explainDiagnostic.ts";
export { formatText, type FormatResult } from "./format/formatText.ts";
export { layerCatalogue } from "./layerCatalogue.ts";
export type { LayerEntry } from "./layerEntry.ts";
export { mergeCatalogue, type MergeEntry } from "./merges.ts";
export { ansiPalette, plainPalette, type Palette } from "./palette.ts";
export { recipeCatalogue, type RecipeEntry } from "./recipeCatalogue.ts";
export { renderReference } from "./reference.ts";
export { renderDiagnostics } from "./renderDiagnostics.ts";
export { renderGithub } from "./renderGithub.ts";
export { sarifLog } from "./renderSarif.ts";
export { renderTable } from "./renderTable.ts";
