/**
 * Statements on one line.
 *
 * In: a statement of the outline. Out: its text on one line, where it can stand on one. What holds: a text that is wider
 * than a page is given up, so that the work is that of the page's width for each statement.
 */
import type { Body, Item, Link, Statement } from "./outline.ts";
import { WIDTH } from "./page.ts";
import { wordsOf, type Words } from "./words.ts";

export interface Layout {
  /** The words of each part. */
  readonly words: readonly Words[];
  /** All of it on one line; undefined if a body, comments or its width do not let it. */
  readonly flat: string | undefined;
}

/** Each statement is asked for by all that stand around it. */
const known = new WeakMap<Statement, Layout>();

export function layoutOf(statement: Statement): Layout {
  const found = known.get(statement);
  if (found !== undefined) return found;
  const words = statement.parts.map((part, at) => wordsOf(part.words, at === 0));
  const texts = statement.parts.map(({ body }, at) => {
    const own = flatWords(words[at]);
    if (body === undefined || own === undefined) return own;
    const inner = flatBody(body);
    return inner === undefined ? undefined : `${own} ${inner}`;
  });
  const layout = { words, flat: joined(texts, " ") };
  known.set(statement, layout);
  return layout;
}

/** The words on one line, however wide; undefined where they must not. */
export function flatWords(words: Words | undefined): string | undefined {
  if (words === undefined || words.isBroken) return undefined;
  return words.pieces.map(({ blank, text }) => blank + text).join("");
}

/** Whether there is nothing in it. */
export function isEmpty({ opening, items }: Body): boolean {
  return opening === undefined && items.length === 0;
}

function flatBody(body: Body): string | undefined {
  if (isEmpty(body)) return "{}";
  const inner = body.inline ? joined(body.items.map(flatItem), " ") : undefined;
  return inner === undefined ? undefined : `{ ${inner} }`;
}

function flatItem(item: Item): string | undefined {
  if (item.kind === "comment") return undefined;
  return joined(
    item.links.map(({ statement }: Link) => layoutOf(statement).flat),
    " -> ",
  );
}

function joined(texts: readonly (string | undefined)[], separator: string): string | undefined {
  if (!texts.every((text) => text !== undefined)) return undefined;
  const text = texts.join(separator);
  return text.length > WIDTH ? undefined : text;
}
