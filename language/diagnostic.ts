/**
 * What the language has to say about a user's program.
 *
 * In: reports from the lexer, the parser and the checker. Out: a sorted list of diagnostics. What holds: a diagnostic is
 * collected, never thrown; its code is in the diagnostic catalogue, which gives its severity; the list is bounded.
 */
import type { Span } from "./checkedProgram.ts";
import { diagnosticCatalogue, type DiagnosticCode, type Severity } from "./diagnosticCatalogue.ts";
import type { SourceMap } from "./sourceMap.ts";

/** A mend that can be computed: these words in place of those of the span. */
export interface Edit {
  readonly span: Span;
  readonly replacement: string;
}

/** Another place that matters. */
export interface Note {
  readonly message: string;
  readonly span: Span;
}

/** A place in a file; offsets into its text, in UTF-16 code units. */
interface InFile {
  readonly file: string;
}

export interface Diagnostic {
  readonly code: DiagnosticCode;
  readonly severity: Severity;
  /** What is wrong, in one line, without a capital and a full stop. */
  readonly message: string;
  /** The file that the span is about: the checked one, or one that it uses. */
  readonly file: string;
  /** The words that are wrong. */
  readonly span: Span;
  /** Why: the arithmetic, or what is there and what was expected; printed beside the words. May be empty. */
  readonly label: string;
  /** A way out. */
  readonly help: string | undefined;
  /** Other places that matter; of an error inside a block, the uses that led there, the innermost first. */
  readonly notes: readonly (Note & InFile)[];
  /** A mend, if one can be computed: all of these at once. */
  readonly edits: readonly (Edit & InFile)[];
}

export interface Report {
  readonly code: DiagnosticCode;
  readonly message: string;
  readonly span: Span;
  readonly label?: string;
  readonly help?: string | undefined;
  readonly notes?: readonly Note[];
  readonly edits?: readonly Edit[] | undefined;
}

/** A report as it is kept: spans still count through all files. */
interface Kept extends Required<Omit<Report, "edits">> {
  readonly severity: Severity;
  readonly edits: readonly Edit[];
}

/** Takes a report; what it returns is for `return report(…)` in functions that give undefined after an error. */
export type Reporter = (report: Report) => undefined;

export interface DiagnosticCollector {
  readonly report: Reporter;
  readonly errorCount: () => number;
  /** Sorted by place, the checked file first. */
  readonly diagnostics: (sources: SourceMap) => Diagnostic[];
}

/** No file is mended a hundred errors at a time, and a file of rubbish must not fill the memory with reports. */
const MAXIMUM_DIAGNOSTICS = 100;

/** A place is shown in so many uses of blocks; a deeper nest of them says no more. */
const MAXIMUM_NOTES = 8;

/**
 * Collects up to 100 diagnostics, and says so when there were more. What is wrong in a block or a repeated part is
 * reported at each of its uses; the first is kept.
 */
export function collectDiagnostics(): DiagnosticCollector {
  const kept: Kept[] = [];
  const seen = new Set<string>();
  let total = 0;
  let errors = 0;
  const report = (given: Report): undefined => {
    const { severity } = diagnosticCatalogue[given.code];
    const key = `${given.code} ${given.span.start} ${given.span.end}`;
    if (seen.has(key)) return undefined;
    total++;
    if (severity === "error") errors++;
    // An error must not be lost to a hundred warnings before it: the program would look right.
    if (kept.length >= MAXIMUM_DIAGNOSTICS && !(severity === "error" && errors === 1)) return undefined;
    seen.add(key);
    const { code, message, span, label = "", help, notes = [], edits = [] } = given;
    kept.push({ code, severity, message, span, label, help, notes: notes.slice(0, MAXIMUM_NOTES), edits });
    return undefined;
  };
  const diagnostics = (sources: SourceMap): Diagnostic[] => {
    const sorted = kept.toSorted((a, b) => a.span.start - b.span.start || a.span.end - b.span.end);
    const shown = sorted.map((one) => located(one, sources));
    return total > kept.length ? [...shown, tooMany(total - kept.length, shown.at(-1))] : shown;
  };
  return { report, errorCount: () => errors, diagnostics };
}

/** With all spans as places in their files. */
function located(kept: Kept, { locate }: SourceMap): Diagnostic {
  const place = <T extends { readonly span: Span }>(one: T): T & InFile => ({ ...one, ...locate(one.span) });
  const { code, severity, message, span, label, help, notes, edits } = kept;
  return { code, severity, message, ...locate(span), label, help, notes: notes.map(place), edits: edits.map(place) };
}

function tooMany(unseen: number, last: Diagnostic | undefined): Diagnostic {
  return {
    code: "CNN006",
    severity: diagnosticCatalogue.CNN006.severity,
    message: `${unseen.toLocaleString("en-US")} more are not shown`,
    file: last?.file ?? "",
    span: last?.span ?? { start: 0, end: 0 },
    label: "",
    help: "mend the first ones and check again",
    notes: [],
    edits: [],
  };
}
