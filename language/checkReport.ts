/**
 * What `cnnc check --format json` prints.
 *
 * In: a checked text. Out: a plain object for JSON.stringify. What holds: its keys are a promise to other programs; one
 * entry for each layer (activations too), lines and columns from 1, `endColumn` behind the last character; `help` is
 * null where there is none.
 */
import { shapeText } from "./checkedProgram.ts";
import type { CheckResult } from "./checkText.ts";
import type { DiagnosticCode, Severity } from "./diagnosticCatalogue.ts";
import { countedParameters } from "./renderTable.ts";
import { sourceText } from "./sourceText.ts";

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
    }[];
    readonly totals: { readonly parameters: number; readonly trainable: number; readonly multiplyAdds: number };
  }[];
  readonly diagnostics: readonly {
    readonly code: DiagnosticCode;
    readonly severity: Severity;
    readonly message: string;
    readonly line: number;
    readonly column: number;
    readonly endLine: number;
    readonly endColumn: number;
    readonly help: string | null;
  }[];
}

/** The report of one file. */
export function checkReport(result: CheckResult): CheckReport {
  const source = sourceText(result.source);
  return {
    file: result.file,
    models: result.models.map(({ name, layers, totals }) => ({
      name,
      layers: layers.map((layer) => ({
        layer: layer.text,
        line: layer.line,
        output: shapeText(layer.outputShape),
        parameters: countedParameters(layer),
        multiplyAdds: layer.multiplyAdds,
      })),
      totals: { parameters: totals.parameters, trainable: totals.trainable, multiplyAdds: totals.multiplyAdds },
    })),
    diagnostics: result.diagnostics.map(({ code, severity, message, span, help }) => {
      const start = source.position(span.start);
      const end = source.position(span.end);
      const places = { line: start.line, column: start.column, endLine: end.line, endColumn: end.column };
      return { code, severity, message, ...places, help: help ?? null };
    }),
  };
}
