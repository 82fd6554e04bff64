/**
 * What `cnnc check --format json` prints.
 *
 * In: a checked text. Out: a plain object for JSON.stringify. What holds: its keys are a promise to other programs; one
 * entry for each layer (activations too), lines and columns from 1, `endColumn` behind the last character; `help` is
 * null where there is none. Keys may be added, none is taken away.
 */
import { shapeText, type CheckedLayer, type Span } from "./checkedProgram.ts";
import type { CheckResult } from "./checkText.ts";
import type { DiagnosticCode, Severity } from "./diagnosticCatalogue.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { countedParameters } from "./tableTree.ts";
import { sourceText, type SourceText } from "./sourceText.ts";

/** A place in a file; lines and columns from 1, `endColumn` behind the last character. */
interface ReportedPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

export interface CheckReport {
  readonly file: string;
  readonly models: readonly {
    readonly name: string;
    readonly layers: readonly {
      readonly layer: string;
      readonly line: number;
      readonly output: string;
      readonly parameters: number;
      readonly multiplyAdds: number;
      /** The use of a block that it stands in: `basic2`. Not there for a layer of the model's own body. */
      readonly block?: string;
    }[];
    readonly totals: { readonly parameters: number; readonly trainable: number; readonly multiplyAdds: number };
  }[];
  readonly diagnostics: readonly (ReportedPlace & {
    readonly code: DiagnosticCode;
    readonly severity: Severity;
    readonly message: string;
    /** The reason, with the arithmetic; may be empty. */
    readonly label: string;
    readonly help: string | null;
    /** Other places that matter: of an error in a block, the uses that led there. */
    readonly notes: readonly (ReportedPlace & { readonly message: string })[];
    /** A mend, if one can be computed: all of these replacements at once. */
    readonly edits: readonly (ReportedPlace & { readonly replacement: string })[];
  })[];
}

/** The report of one file. */
export function checkReport(result: CheckResult): CheckReport {
  const texts = new Map([...result.sources].map(([file, text]) => [file, sourceText(text)]));
  return {
    file: result.file,
    models: result.models.map(({ name, layers, totals }) => ({
      name,
      layers: layers.map(reportLayer),
      totals: { parameters: totals.parameters, trainable: totals.trainable, multiplyAdds: totals.multiplyAdds },
    })),
    diagnostics: result.diagnostics.map((diagnostic) => reportDiagnostic(diagnostic, texts)),
  };
}

function reportLayer(layer: CheckedLayer): CheckReport["models"][number]["layers"][number] {
  let block = layer.within;
  while (block !== undefined && block.kind !== "block") block = block.parent;
  return {
    layer: layer.text,
    line: layer.line,
    output: shapeText(layer.outputShape),
    parameters: countedParameters(layer),
    multiplyAdds: layer.multiplyAdds,
    ...(block === undefined ? {} : { block: block.name }),
  };
}

function reportDiagnostic(
  { code, severity, message, label, help, notes, edits, ...place }: Diagnostic,
  texts: ReadonlyMap<string, SourceText>,
): CheckReport["diagnostics"][number] {
  return {
    code,
    severity,
    message,
    ...placeOf(place, texts),
    label,
    help: help ?? null,
    notes: notes.map((note) => ({ message: note.message, ...placeOf(note, texts) })),
    edits: edits.map((edit) => ({ replacement: edit.replacement, ...placeOf(edit, texts) })),
  };
}

function placeOf(
  { file, span }: { readonly file: string; readonly span: Span },
  texts: ReadonlyMap<string, SourceText>,
): ReportedPlace {
  const start = texts.get(file)?.position(span.start) ?? { line: 1, column: 1 };
  const end = texts.get(file)?.position(span.end) ?? { line: 1, column: 1 };
  return { file, line: start.line, column: start.column, endLine: end.line, endColumn: end.column };
}
