/**
 * Tokens with what stands between them.
 *
 * In: a text that parses. Out: its tokens without line ends, each with the comments and line ends in front of it. What
 * holds: the last token is an empty one, `End`, which has what stands behind the program; every comment of the text is in
 * front of exactly one token, in its order.
 */
import type { TokenType } from "chevrotain";
import { createToken, Lexer } from "chevrotain";
import { endOf, NewLine, tokenize } from "../tokens.ts";

export interface Comment {
  /** From the `#` to the last character that is no blank. */
  readonly text: string;
  /** Line ends between it and what stands before it: 0 behind words on their line. */
  readonly lineEnds: number;
}

export interface SourceToken {
  readonly type: TokenType;
  readonly image: string;
  readonly start: number;
  readonly end: number;
  /** Between the token before and this one. */
  readonly comments: readonly Comment[];
  /** Line ends between it and what stands before it, a comment perhaps. */
  readonly lineEnds: number;
  /** Whether a line end in front of it means something: it separates statements. */
  readonly beginsStatement: boolean;
}

export const End = createToken({ name: "End", pattern: Lexer.NA });

const ignore = (): undefined => undefined;

/** The tokens of a text that parses. */
export function sourceTokens(text: string): SourceToken[] {
  const found: SourceToken[] = [];
  let end = 0;
  let beginsStatement = false;
  const add = (type: TokenType, image: string, start: number): void => {
    found.push({ type, image, start, end: start + image.length, ...between(text.slice(end, start)), beginsStatement });
  };
  for (const token of tokenize(text, ignore)) {
    if (token.tokenType !== NewLine) {
      add(token.tokenType, token.image, token.startOffset);
      end = endOf(token);
    }
    beginsStatement = token.tokenType === NewLine;
  }
  add(End, "", text.length);
  return found;
}

/** Between two tokens stand blanks, line ends and comments. */
function between(gap: string): { comments: Comment[]; lineEnds: number } {
  const comments: Comment[] = [];
  let at = 0;
  for (const { index, 0: image } of gap.matchAll(/#[^\r\n]*/g)) {
    comments.push({ text: image.trimEnd(), lineEnds: countLineEnds(gap.slice(at, index)) });
    at = index + image.length;
  }
  return { comments, lineEnds: countLineEnds(gap.slice(at)) };
}

function countLineEnds(blank: string): number {
  return blank.match(/\r\n|\n|\r/g)?.length ?? 0;
}
