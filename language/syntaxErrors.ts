/**
 * Words for what does not parse.
 *
 * In: chevrotain's exceptions. Out: diagnostics in the language's own words. What holds: the exception's message is what
 * was expected (`parserMessages` puts it there); what was found, and the way out, depend on the token alone.
 */
import {
  EOF,
  type IParserErrorMessageProvider,
  type IRecognitionException,
  type IToken,
  type TokenType,
} from "chevrotain";
import type { Reporter } from "./diagnostic.ts";
import * as t from "./tokens.ts";

/** What a rule wants where none of its alternatives fits. */
const EXPECTED_BY_RULE: Readonly<Record<string, string>> = {
  atom: "a number, a name or `(`",
  value: "a value",
  mapsOrExpression: "a value",
  matrix: "a row of numbers",
  statement: "a layer",
  declaration: "`model` or `train`",
  choice: "`if` or `{`",
};

const byRule = ({ ruleName }: { ruleName: string }): string => EXPECTED_BY_RULE[ruleName] ?? "something else";

/** Gives chevrotain's exceptions what was expected as their message. */
export const parserMessages: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected }) => expected.LABEL ?? expected.name,
  buildNotAllInputParsedMessage: () => "the end of the file",
  buildNoViableAltMessage: byRule,
  buildEarlyExitMessage: byRule,
};

/** Where what the user has written may stand in the way out; else an example does. */
const WAYS_TO_WRITE: ReadonlyMap<TokenType, { readonly text: string; readonly example: string }> = new Map([
  [t.Equal, { text: "options are written without `=`", example: "stride 2" }],
  [t.CallParen, { text: "arguments are written without parentheses", example: "conv 6@5x5" }],
  [t.LParen, { text: "arguments are written without parentheses", example: "conv 6@5x5" }],
]);

function wayOut(token: TokenType, written: string | undefined): string | undefined {
  const way = WAYS_TO_WRITE.get(token);
  return way ? `${way.text}: \`${written ?? way.example}\`` : WAYS_OUT.get(token);
}

/** What people write with a token in a place where it cannot stand, and what to write. */
const WAYS_OUT: ReadonlyMap<TokenType, string> = new Map([
  [t.At, "a layer's maps are written `6@5x5`"],
  [t.Semicolon, "layers follow one another by `->` or a new line"],
  [t.Comma, "layers follow one another by `->` or a new line; commas stand between arguments"],
  [t.Arrow, "`->` stands between two layers"],
  [t.RCurly, "there is no `{` that it could close"],
  [t.LCurly, "a `{` follows a word: `model Name {`, `train {`"],
  [t.NumberToken, "a line begins with the name of a layer"],
  [t.Slash, "a comment begins with `#`"],
  [t.Repeat, "`repeat` stands inside a model, at the beginning of a line"],
  [t.If, "`if` stands inside a model, at the beginning of a line"],
]);

/** A place that does not parse: chevrotain's exception, or a token that nothing begins with. */
export interface SyntaxProblem {
  readonly token: IToken;
  readonly previousToken: IToken | undefined;
  readonly expected: string | undefined;
  /** What stands there, as it is to be written. */
  readonly written?: string | undefined;
}

/** Reports one of chevrotain's exceptions. */
export function reportException(error: IRecognitionException, report: Reporter): void {
  const previous = "previousToken" in error ? (error.previousToken as IToken | undefined) : undefined;
  reportSyntaxProblem({ token: error.token, previousToken: previous, expected: error.message }, report);
}

/** Reports a token that cannot stand where it stands. */
export function reportSyntaxProblem(
  { token, previousToken, expected, written }: SyntaxProblem,
  report: Reporter,
): void {
  if (token.tokenType === t.Unknown || token.tokenType === t.OpenString) return; // reported when it was read
  const ended = token.tokenType === EOF || token.tokenType === t.NewLine;
  const after = previousToken !== undefined && !Number.isNaN(previousToken.startOffset) ? previousToken : undefined;
  // Where a line ends too early, the words before its end are what the user sees.
  const span =
    ended && after !== undefined
      ? { start: after.startOffset, end: t.endOf(after) }
      : { start: token.startOffset || 0, end: t.endOf(token) || 0 };
  const found = token.tokenType === EOF ? "the file ends" : "the line ends";
  report({
    code: "CNN101",
    message: ended ? `${found} too early` : `unexpected ${nameOf(token)}`,
    span,
    label: expected === undefined ? "" : `expected ${expected}${ended ? " behind this" : ""}`,
    help: ended ? undefined : wayOut(token.tokenType, written),
  });
}

function nameOf(token: IToken): string {
  const image = token.image.length > 24 ? `${token.image.slice(0, 24)}…` : token.image;
  return `\`${image}\``;
}
