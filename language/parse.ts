/**
 * Text to a syntax tree, for any text.
 *
 * In: the text of a file, whatever it holds. Out: a syntax tree and reports. What holds: time and memory are bounded by
 * the length of the text, and the length and the nesting of brackets have limits.
 */
import type { IToken, TokenType } from "chevrotain";
import type { Report, Reporter } from "./diagnostic.ts";
import { parseTokens } from "./parser.ts";
import type { Program } from "./syntaxTree.ts";
import * as t from "./tokens.ts";

/** In UTF-16 code units. A program of a thousand layers has fifty thousand. */
export const MAXIMUM_LENGTH = 1_000_000;
/** Open brackets at one place; the parser and the checker may recurse that deep. */
export const MAXIMUM_NESTING = 64;

const NOTHING: Program = { declarations: [] };

/**
 * Parses a text; reports what does not parse, and a text that is too long, too deep, or no text. All spans, those of the
 * reports too, begin with `base`.
 */
export function parse(text: string, given: Reporter, base = 0): Program {
  const report: Reporter = base === 0 ? given : (one) => given(moved(one, base));
  if (text.length > MAXIMUM_LENGTH) return refuseLength(report);
  const rubbish = text.indexOf("\0");
  if (rubbish >= 0) return refuseBinary(rubbish, report);
  const tokens = tokenizeWithin(text, report);
  if (tokens === undefined) return NOTHING;
  // From here on the tokens know their places.
  for (const token of tokens) token.startOffset += base;
  return parseTokens(tokens, given);
}

function moved(report: Report, base: number): Report {
  const { span } = report;
  return { ...report, span: { start: span.start + base, end: span.end + base } };
}

function refuseLength(report: Reporter): Program {
  report({
    code: "CNN001",
    message: "the file is too long to be a program",
    span: { start: 0, end: 0 },
    label: `it has more than ${MAXIMUM_LENGTH.toLocaleString("en-US")} characters`,
    help: "is it another file by mistake? Data belongs in files of its own",
  });
  return NOTHING;
}

function refuseBinary(offset: number, report: Reporter): Program {
  report({
    code: "CNN001",
    message: "the file is not a text",
    span: { start: offset, end: offset + 1 },
    label: "a zero byte",
    help: "save the program as plain UTF-8 text",
  });
  return NOTHING;
}

const OPENING: ReadonlySet<TokenType> = new Set([t.LCurly, t.LParen, t.CallParen, t.LBracket]);
const CLOSING: ReadonlySet<TokenType> = new Set([t.RCurly, t.RParen, t.RBracket]);

function tokenizeWithin(text: string, report: Reporter): IToken[] | undefined {
  const tokens = t.tokenize(text, report);
  let depth = 0;
  for (const token of tokens) {
    if (CLOSING.has(token.tokenType)) depth = Math.max(0, depth - 1);
    if (!OPENING.has(token.tokenType) || ++depth <= MAXIMUM_NESTING) continue;
    return report({
      code: "CNN005",
      message: "brackets are nested too deep",
      span: { start: token.startOffset, end: t.endOf(token) },
      label: `${MAXIMUM_NESTING} brackets are open here`,
      help: "close some of them; a `block` of its own gives a deep part a name",
    });
  }
  return tokens;
}
