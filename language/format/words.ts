/**
 * The words of a statement as pieces of text.
 *
 * In: the tokens of a statement up to its body. Out: pieces, between which a line may or must end. What holds: pieces and
 * the blanks between them give the same tokens again, a sign and a subtraction each as they were.
 */
import type { TokenType } from "chevrotain";
import * as t from "../tokens.ts";
import type { Comment, SourceToken } from "./sourceTokens.ts";

export interface Piece {
  readonly text: string;
  /** In front of it, where it does not begin a line: "" or " ". */
  readonly blank: string;
  /** In front of it; a line ends behind each. */
  readonly comments: readonly Comment[];
  /** Where a matrix with each row on its own line has a line end: the row and the `]`. */
  readonly row: "row" | "end" | undefined;
  /** Whether a line may end in front of it. */
  readonly mayBreak: boolean;
}

/** The words of a part of a statement. */
export interface Words {
  readonly pieces: readonly Piece[];
  /** Whether they were written so that they cannot be one line: with comments, or a matrix row by row. */
  readonly isBroken: boolean;
}

// prettier-ignore
const BINARY: ReadonlySet<TokenType> = new Set([
  t.Plus, t.Star, t.Slash, t.Percent, t.EqualEqual, t.NotEqual, t.LessEqual, t.GreaterEqual, t.Less, t.Greater, t.And, t.Or,
]);
/** No blank in front of these, */
// prettier-ignore
const TIGHT_BEFORE: ReadonlySet<TokenType> = new Set([
  t.Comma, t.Semicolon, t.RParen, t.RBracket, t.CallParen, t.At, t.Cross, t.Dot,
]);
/** and none behind these. */
const TIGHT_BEHIND: ReadonlySet<TokenType> = new Set([t.LParen, t.CallParen, t.LBracket, t.At, t.Cross, t.Dot]);
/** What a subtraction may follow. */
const OPERAND_END: ReadonlySet<TokenType> = new Set([t.Name, t.NumberToken, t.RParen]);

/** Pieces of a part's words; `isHead` for the first part of a statement. */
export function wordsOf(tokens: readonly SourceToken[], isHead: boolean): Words {
  const matrix = insideMatrix(tokens);
  const signs = signsOf(tokens, isHead, matrix);
  const isSplit = (token: SourceToken, at: number): boolean =>
    token.comments.length > 0 || (token.lineEnds > 0 && matrix.has(at));
  return {
    pieces: piecesOf(tokens, signs),
    isBroken: tokens.some((token, at) => at > 0 && isSplit(token, at)),
  };
}

function piecesOf(tokens: readonly SourceToken[], signs: ReadonlySet<number>): Piece[] {
  const pieces: Piece[] = [];
  let text = "";
  let rest: Omit<Piece, "text"> = { blank: "", comments: [], row: undefined, mayBreak: false };
  let waiting: readonly Comment[] = [];
  for (const [at, token] of tokens.entries()) {
    const previous = tokens[at - 1];
    const comments = previous === undefined ? [] : [...waiting, ...token.comments];
    // A comment in front of a comma stands behind it: no line begins with a comma.
    waiting = token.type === t.Comma ? comments : [];
    const row = rowAt(previous, token);
    const mayBreak = previous !== undefined && (previous.type === t.Comma || isBinary(previous, signs.has(at - 1)));
    const blank = previous === undefined || isTight(tokens, at, signs) ? "" : " ";
    const begins = mayBreak || row !== undefined || (comments.length > 0 && token.type !== t.Comma);
    if (!begins) {
      text += blank + token.image;
      continue;
    }
    pieces.push({ text, ...rest });
    text = token.image;
    rest = { blank, comments, row, mayBreak };
  }
  return [...pieces, { text, ...rest }];
}

function rowAt(previous: SourceToken | undefined, { type }: SourceToken): Piece["row"] {
  if (type === t.RBracket) return "end";
  return previous?.type === t.LBracket || previous?.type === t.Semicolon ? "row" : undefined;
}

function isBinary({ type }: SourceToken, isSign: boolean): boolean {
  return BINARY.has(type) || (type === t.Minus && !isSign);
}

function isTight(tokens: readonly SourceToken[], at: number, signs: ReadonlySet<number>): boolean {
  const [first] = tokens;
  const type = tokens[at]?.type ?? t.Comma;
  const before = tokens[at - 1]?.type ?? t.Comma;
  const isParameterList = type === t.LParen && at === 2 && (first?.type === t.Model || first?.type === t.Block);
  return TIGHT_BEFORE.has(type) || TIGHT_BEHIND.has(before) || signs.has(at - 1) || isParameterList;
}

/** The tokens in front of which a line end would be one inside a matrix. */
function insideMatrix(tokens: readonly SourceToken[]): Set<number> {
  const inside = new Set<number>();
  let isOpen = false;
  for (const [at, { type }] of tokens.entries()) {
    if (isOpen) inside.add(at);
    if (type === t.LBracket) isOpen = true;
    if (type === t.RBracket) isOpen = false;
  }
  return inside;
}

/** The minuses that are signs, not subtractions. */
function signsOf(tokens: readonly SourceToken[], isHead: boolean, matrix: ReadonlySet<number>): Set<number> {
  const signs = new Set<number>();
  // Behind a layer's name and behind the size of maps begins a value: nothing can be subtracted from them.
  const ends = new Set(isHead && tokens[0]?.type === t.Name ? [0] : []);
  for (const [at, { type }] of tokens.entries()) {
    if (type === t.At) ends.add(sizeEnd(tokens, at + 1));
    if (type !== t.Minus && type !== t.Negative) continue;
    const before = tokens[at - 1];
    const subtracts = before !== undefined && OPERAND_END.has(before.type) && !ends.has(at - 1) && !matrix.has(at);
    if (type === t.Negative || !subtracts) signs.add(at);
  }
  return signs;
}

/** The last token of the size that begins here. */
function sizeEnd(tokens: readonly SourceToken[], from: number): number {
  const end = sideEnd(tokens, from);
  return tokens[end + 1]?.type === t.Cross ? sideEnd(tokens, end + 2) : end;
}

function sideEnd(tokens: readonly SourceToken[], from: number): number {
  const next = tokens[from + 1]?.type;
  if (next === t.Dot) return from + 2;
  const open = tokens[from]?.type === t.LParen ? from : next === t.CallParen ? from + 1 : undefined;
  if (open === undefined) return from;
  let depth = 0;
  for (let at = open; at < tokens.length; at++) {
    const type = tokens[at]?.type;
    if (type === t.LParen || type === t.CallParen) depth++;
    if (type === t.RParen && --depth === 0) return at;
  }
  return from;
}
