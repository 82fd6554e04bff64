/**
 * Tokens to an outline: which words stand on which level, and where their comments belong.
 *
 * In: the tokens of a text that parses. Out: bodies of lines, lines of statements joined by `->`, statements of words and
 * bodies. What holds: it knows where statements begin and end and nothing else of the grammar, so that words print as they
 * were written; every comment is in it once, in its order.
 */
import type { TokenType } from "chevrotain";
import * as t from "../tokens.ts";
import { End, type Comment, type SourceToken } from "./sourceTokens.ts";

/** What stands between two braces, or in the file. */
export interface Body {
  /** Behind the `{`, on its line. */
  readonly opening: string | undefined;
  readonly items: readonly Item[];
  /** Whether it was written on one line, without comments. */
  readonly inline: boolean;
}

export type Item = CommentLine | Line;

/** A comment on a line of its own. */
export interface CommentLine {
  readonly kind: "comment";
  readonly text: string;
  readonly blankBefore: boolean;
}

/** Statements joined by `->`. */
export interface Line {
  readonly kind: "line";
  readonly links: readonly Link[];
  /** Behind the last one, on its line. */
  readonly trailing: string | undefined;
  readonly blankBefore: boolean;
}

export interface Link {
  readonly statement: Statement;
  /** Around the `->` in front of it. */
  readonly comments: readonly Comment[];
  /** Whether a line ends before or behind that `->`. */
  readonly onNewLine: boolean;
}

/** `conv 6@5x5`; `repeat 3 { … }`; `if … { … } else { … }`: words, and the body behind them. */
export interface Statement {
  readonly parts: readonly Part[];
}

export interface Part {
  readonly words: readonly SourceToken[];
  readonly body: Body | undefined;
}

const DECLARING: ReadonlySet<TokenType> = new Set([t.Model, t.Block, t.Train, t.Use]);

/** What reads the tokens, one after the other. */
interface Reader {
  peek(): SourceToken;
  take(): SourceToken;
  /** How many of the tokens taken so far stood on a new line. */
  lines(): number;
}

/** The outline of a file. */
export function outline(tokens: readonly SourceToken[]): Body {
  return { ...readItems(readerOf(tokens), End, []), inline: false };
}

function readerOf(tokens: readonly SourceToken[]): Reader {
  const last = tokens.at(-1);
  if (last?.type !== End) throw new Error("the tokens have no end");
  let at = 0;
  let lines = 0;
  const peek = (): SourceToken => tokens[at] ?? last;
  const take = (): SourceToken => {
    const token = peek();
    at++;
    if (token.lineEnds > 0 || token.comments.length > 0) lines++;
    return token;
  };
  return { peek, take, lines: () => lines };
}

/** Lines up to a token that ends them; `floated` comments come before all others. */
function readItems(reader: Reader, ending: TokenType, floated: readonly Comment[]): Omit<Body, "inline"> {
  const items: Item[] = [];
  const [first, ...others] = floated;
  let opening = first?.lineEnds === 0 ? first.text : undefined;
  if (first !== undefined && opening === undefined) items.push(commentLine(first));
  items.push(...others.map(commentLine));
  for (;;) {
    const token = reader.peek();
    const [behind, ...own] = token.comments;
    if (behind?.lineEnds === 0 && items.length > 0) putBehind(items, behind);
    else if (behind?.lineEnds === 0 && opening === undefined && ending !== End) opening = behind.text;
    else if (behind !== undefined) items.push(commentLine(behind));
    items.push(...own.map(commentLine));
    if (token.type === ending || token.type === End) return { opening, items };
    items.push(readLine(reader));
  }
}

function commentLine({ text, lineEnds }: Comment): CommentLine {
  return { kind: "comment", text, blankBefore: lineEnds > 1 };
}

/** A comment that stands behind the last item, on its line. */
function putBehind(items: Item[], comment: Comment): void {
  const item = items.at(-1);
  if (item?.kind === "line") items[items.length - 1] = { ...item, trailing: comment.text };
  else items.push(commentLine(comment));
}

function readLine(reader: Reader): Line {
  const blankBefore = reader.peek().lineEnds > 1;
  const links: Link[] = [{ statement: readStatement(reader), comments: [], onNewLine: false }];
  while (reader.peek().type === t.Arrow) {
    const arrow = reader.take();
    const next = reader.peek();
    // A comment behind the arrow stands behind the statement before it, unless a line ends between them.
    const moved = next.comments.map((comment, i) => (i === 0 && arrow.lineEnds > 0 ? onOwnLine(comment) : comment));
    const comments = [...arrow.comments, ...moved];
    const onNewLine = arrow.lineEnds > 0 || next.lineEnds > 0;
    links.push({ statement: readStatement(reader), comments, onNewLine });
  }
  return { kind: "line", links, trailing: undefined, blankBefore };
}

const onOwnLine = (comment: Comment): Comment => ({ ...comment, lineEnds: Math.max(1, comment.lineEnds) });

function readStatement(reader: Reader): Statement {
  const parts: Part[] = [];
  const first = reader.peek();
  do {
    const read = readWords(reader, first.type === t.Use ? 2 : Infinity);
    const { words, floated } = parts.length === 0 ? { words: read, floated: [] } : withoutComments(read);
    if (reader.peek().type !== t.LCurly) return { parts: [...parts, { words, body: undefined }] };
    parts.push({ words, body: readBody(reader, floated) });
  } while (first.type === t.If && reader.peek().type === t.Else);
  return { parts };
}

/** Comments in front of an `else` move behind the next `{`, and take those along that stand between. */
function withoutComments(words: readonly SourceToken[]): { words: readonly SourceToken[]; floated: Comment[] } {
  const floated = words.flatMap(({ comments }) => comments);
  const isMoved = words[0] !== undefined && words[0].comments.length > 0;
  return isMoved ? { words: words.map((word) => ({ ...word, comments: [] })), floated } : { words, floated: [] };
}

/** The words up to the body or the end of the statement. */
function readWords(reader: Reader, maximum: number): SourceToken[] {
  const words = [reader.take()];
  while (words.length < maximum) {
    const { type, beginsStatement } = reader.peek();
    const ends = beginsStatement || type === t.Arrow || type === t.LCurly || type === t.RCurly || type === End;
    if (ends || DECLARING.has(type)) break;
    words.push(reader.take());
  }
  return words;
}

function readBody(reader: Reader, floated: readonly Comment[]): Body {
  const open = reader.take();
  const before = reader.lines();
  const { opening, items } = readItems(reader, t.RCurly, [...floated, ...open.comments]);
  reader.take();
  return { opening, items, inline: reader.lines() === before && opening === undefined && items.every(isLine) };
}

const isLine = ({ kind }: Item): boolean => kind === "line";
