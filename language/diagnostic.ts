/**
 * What the language has to say about a user's program.
 *
 * In: reports from the lexer, the parser and the checker. Out: a sorted list of diagnostics. What holds: a diagnostic is
 * collected, never thrown; its code is in the diagnostic catalogue, which gives its severity; the list is bounded.
 */
import type { Span } from "./checkedProgram.ts";
import { diagnosticCatalogue, type DiagnosticCode, type Severity } from "./diagnosticCatalogue.ts";

export interface Diagnostic {
  readonly code: DiagnosticCode;
  readonly severity: Severity;
  /** What is wrong, in one line, without a capital and a full stop. */
  readonly message: string;
  /** The words that are wrong. */
  readonly span: Span;
  /** Why: the arithmetic, or what is there and what was expected; printed beside the words. May be empty. */
  readonly label: string;
  /** A way out. */
  readonly help: string | undefined;
  /** Other places that matter. */
  readonly notes: readonly { readonly message: string; readonly span: Span }[];
}

export interface Report {
  readonly code: DiagnosticCode;
  readonly message: string;
  readonly span: Span;
  readonly label?: string;
  readonly help?: string | undefined;
  readonly notes?: Diagnostic["notes"];
}

/** Takes a report; what it returns is for `return report(…)` in functions that give undefined after an error. */
export type Reporter = (report: Report) => undefined;

export interface DiagnosticCollector {
  readonly report: Reporter;
  readonly errorCount: () => number;
  /** Sorted by place. */
  readonly diagnostics: () => Diagnostic[];
}

/** No file is mended a hundred errors at a time, and a file of rubbish must not fill the memory with reports. */
const MAXIMUM_DIAGNOSTICS = 100;

/** Collects up to 100 diagnostics, and says so when there were more. */
export function collectDiagnostics(): DiagnosticCollector {
  const kept: Diagnostic[] = [];
  let total = 0;
  let errors = 0;
  const report = (given: Report): undefined => {
    const { severity } = diagnosticCatalogue[given.code];
    total++;
    if (severity === "error") errors++;
    // An error must not be lost to a hundred warnings before it: the program would look right.
    if (kept.length >= MAXIMUM_DIAGNOSTICS && !(severity === "error" && errors === 1)) return undefined;
    const { code, message, span, label = "", help, notes = [] } = given;
    kept.push({ code, severity, message, span, label, help, notes });
    return undefined;
  };
  const diagnostics = (): Diagnostic[] => {
    const sorted = kept.toSorted((a, b) => a.span.start - b.span.start || a.span.end - b.span.end);
    return total > kept.length ? [...sorted, tooMany(total - kept.length, sorted.at(-1))] : sorted;
  };
  return { report, errorCount: () => errors, diagnostics };
}

function tooMany(unseen: number, last: Diagnostic | undefined): Diagnostic {
  return {
    code: "CNN006",
    severity: diagnosticCatalogue.CNN006.severity,
    message: `${unseen.toLocaleString("en-US")} more are not shown`,
    span: last?.span ?? { start: 0, end: 0 },
    label: "",
    help: "mend the first ones and check again",
    notes: [],
  };
}
