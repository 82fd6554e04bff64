/**
 * An outline to lines.
 *
 * In: the outline of a file. Out: its canonical text. What holds: printing what was printed gives the same text: whatever
 * decides on a line end is in the words, or is a line end or comment that is printed again.
 */
import { flatWords, isEmpty, layoutOf } from "./flat.ts";
import type { Body, Item, Line, Link, Statement } from "./outline.ts";
import { createPage, WIDTH, type Page } from "./page.ts";
import type { Comment } from "./sourceTokens.ts";
import type { Piece, Words } from "./words.ts";

const STEP = 2;
/** How much deeper a line goes on that was too long. */
const CONTINUATION = 4;
const ARROW = "-> ";
const BRACE = " {";

/** The canonical text of a file. */
export function printFile(file: Body): string {
  const page = createPage();
  printItems(page, apart(file.items), 0);
  return page.text();
}

/** With a blank line around each declaration of several lines. */
function apart(items: readonly Item[]): Item[] {
  const result: Item[] = [];
  let previous: Line | undefined;
  /** Where the items behind the previous declaration begin. */
  let from = 0;
  for (const item of items) {
    result.push(item);
    if (item.kind === "comment") continue;
    const gap = result.slice(from);
    const isLong = previous !== undefined && (spansLines(previous) || spansLines(item));
    const [first] = gap;
    if (isLong && first !== undefined && !gap.some(({ blankBefore }) => blankBefore))
      result[from] = { ...first, blankBefore: true };
    previous = item;
    from = result.length;
  }
  return result;
}

const spansLines = ({ links }: Line): boolean => links.some(({ statement }) => !fitsAt(statement, 0));

/** Whether a statement can stand on one line that begins at a column. */
function fitsAt(statement: Statement, column: number): boolean {
  const { flat } = layoutOf(statement);
  return flat !== undefined && column + flat.length <= WIDTH;
}

function printItems(page: Page, items: readonly Item[], indent: number): void {
  for (const [at, item] of items.entries()) {
    if (at > 0 && item.blankBefore) page.blank();
    page.line(indent);
    if (item.kind === "comment") page.comment(item.text);
    else printLine(page, item, indent);
  }
}

function printLine(page: Page, { links, trailing }: Line, indent: number): void {
  for (const [at, link] of links.entries()) {
    const own = at === 0 ? indent : indent + STEP + ARROW.length;
    if (at > 0) printArrow(page, link, widthOfFirst(link.statement, own), indent);
    if (fitsAt(link.statement, own)) page.write(layoutOf(link.statement).flat ?? "");
    else printParts(page, link.statement);
  }
  if (trailing !== undefined) page.comment(trailing);
}

/** What must fit behind an arrow: the statement, or what stands before the first line end in it. */
function widthOfFirst(statement: Statement, own: number): number {
  const { words, flat } = layoutOf(statement);
  if (flat !== undefined && own + flat.length <= WIDTH) return flat.length;
  const head = flatWords(words[0]);
  const width = (head?.length ?? WIDTH) + (statement.parts[0]?.body === undefined ? 0 : BRACE.length);
  return own + width <= WIDTH ? width : (words[0]?.pieces[0]?.text.length ?? 0);
}

function printArrow(page: Page, { comments, onNewLine }: Link, width: number, indent: number): void {
  printComments(page, comments, indent + STEP);
  const fits = page.column() + 1 + ARROW.length + width <= WIDTH;
  if (comments.length === 0 && !onNewLine && fits) page.write(" ");
  else page.line(indent + STEP);
  page.write(ARROW);
}

/** Comments between words: the first one on their line if it was there. */
function printComments(page: Page, comments: readonly Comment[], indent: number): void {
  for (const [at, { text, lineEnds }] of comments.entries()) {
    if (at > 0 || lineEnds > 0) page.line(indent);
    page.comment(text);
  }
}

function printParts(page: Page, statement: Statement): void {
  const { words } = layoutOf(statement);
  const indent = page.indent();
  for (const [at, { body }] of statement.parts.entries()) {
    if (at > 0) page.write(" ");
    printWords(page, words[at], indent, body === undefined ? 0 : BRACE.length);
    if (body !== undefined) printBody(page, body, indent);
  }
}

function printBody(page: Page, body: Body, indent: number): void {
  page.write(BRACE);
  if (body.opening !== undefined) page.comment(body.opening);
  if (!isEmpty(body)) {
    printItems(page, body.items, indent + STEP);
    page.line(indent);
  }
  page.write("}");
}

/** Words at the end of the line, which go on in further lines if they must; `reserve` columns stay free behind them. */
function printWords(page: Page, words: Words | undefined, indent: number, reserve: number): void {
  const flat = flatWords(words);
  if (flat !== undefined && page.column() + flat.length + reserve <= WIDTH) return page.write(flat);
  const pieces = words?.pieces ?? [];
  for (const [at, piece] of pieces.entries()) {
    printBreak(page, piece, indent, at === pieces.length - 1 ? reserve : 0);
    page.write(piece.text);
  }
}

/** What stands in front of a piece: a line end if it must be or the piece does not fit. */
function printBreak(
  page: Page,
  { blank, comments, row, mayBreak, text }: Piece,
  indent: number,
  reserve: number,
): void {
  const deeper = row === undefined ? CONTINUATION : STEP;
  printComments(page, comments, indent + deeper);
  const isTooWide = mayBreak && page.column() + blank.length + text.length + reserve > WIDTH;
  if (row !== undefined) page.line(indent + (row === "end" ? 0 : STEP));
  else if (comments.length > 0 || isTooWide) page.line(indent + CONTINUATION);
  else page.write(blank);
}
