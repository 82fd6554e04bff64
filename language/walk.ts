/**
 * What the checker keeps while it goes through the statements of a model.
 *
 * In: nothing, these are types and the small functions that belong to them. Out: they are shared by the checkers of
 * layers, blocks, merges and models. What holds: a `Flow` and a `Place` are never changed; a `Walk` belongs to one model
 * and a `Session` to one file, and both only grow.
 */
import {
  MODEL_INPUT,
  type CheckedLayer,
  type Enclosure,
  type Pair,
  type ReceptiveField,
  type Shape,
  type Span,
} from "./checkedProgram.ts";
import type { Reporter } from "./diagnostic.ts";
import type { Evaluated, Names } from "./expressions.ts";
import type { Signature } from "./signature.ts";
import type { SourceMap } from "./sourceMap.ts";
import type { BlockDeclaration, Body, Call } from "./syntaxTree.ts";

/** The deepest networks of the literature have some thousands; each costs the compiler time and memory. */
export const MAXIMUM_LAYERS = 10_000;
/** Bodies that may stand in one another once blocks are opened. */
export const MAXIMUM_DEPTH = 100;
/** Characters of the program written out: without blocks, repeats and choices. */
const MAXIMUM_WORK = 5_000_000;
/** What a statement and a layer cost at least, in characters. */
const STATEMENT_COST = 16;
const LAYER_COST = 100;

/** A block, and the blocks that its body may use. */
export interface Block {
  readonly declaration: BlockDeclaration;
  readonly signature: Signature;
  readonly visible: Blocks;
}

export type Blocks = ReadonlyMap<string, Block>;

/** What is known of the whole file, whichever model is being checked. */
export interface Session {
  readonly sources: SourceMap;
  readonly report: Reporter;
  /** Declarations of blocks, parameters and indices that something uses. */
  readonly used: Set<object>;
  /** Bodies that have been checked. */
  readonly reached: Set<Body>;
  /** Bodies that no model has come to yet, and how to check them for what does not depend on values. */
  readonly unreached: Map<Body, () => void>;
  /** Unknown layers that have been reported, and the words that they were most likely to be. */
  readonly unknown: Map<Call, string | undefined>;
  spent: number;
  /** True when too much has been written out: nothing more is checked. */
  stopped: boolean;
}

/** What is known of one model. */
export interface Walk {
  readonly session: Session;
  readonly layers: CheckedLayer[];
  /** True as long as every statement has become layers. */
  whole: boolean;
  input: { readonly shape: Shape | undefined; readonly span: Span } | undefined;
  /** The words of each layer's options, for warnings about them. */
  readonly words: Map<number, ReadonlyMap<string, Span>>;
  /**
   * Behind an error: what a use of a block gives, by its words and what arrives. Layers are no longer kept then, so an
   * equal use need not be checked again.
   */
  readonly lostUses: Map<BlockDeclaration, Map<string, Shape | undefined>>;
  /** The layers that a body makes of what arrives (a field, so that the checkers of its parts need not know it). */
  readonly body: (body: Body, flow: Flow, place: Place) => Flow;
}

/** Where a statement stands. */
export interface Place {
  readonly walk: Walk;
  /** Adds the uses of blocks that led here. */
  readonly report: Reporter;
  readonly names: Names;
  readonly blocks: Blocks;
  readonly naming: LayerNames;
  readonly within: Enclosure | undefined;
  /** The blocks that are being opened, the innermost first. */
  readonly opened: Opened | undefined;
  readonly depth: number;
}

export interface Opened {
  readonly block: BlockDeclaration;
  readonly outer: Opened | undefined;
}

/** What arrives at a statement: the layer it comes from, its shape, and what one value of it sees of the model's input. */
export interface Flow {
  readonly id: number;
  /** Undefined behind an error. */
  readonly shape: Shape | undefined;
  /** False where the shape is a guess: the layer that gave it was not understood. */
  readonly sure: boolean;
  readonly field: ReceptiveField;
  /** Height and width that a vector had as maps: a layer that sees all of it sees all of those. */
  readonly sides: Pair;
}

export const NOWHERE: Flow = {
  id: MODEL_INPUT,
  shape: undefined,
  sure: true,
  field: { size: [1, 1], jump: [1, 1] },
  sides: [1, 1],
};

/** A walk that has not begun. */
export function createWalk(session: Session, body: Walk["body"]): Walk {
  return { session, layers: [], whole: true, input: undefined, words: new Map(), lostUses: new Map(), body };
}

export function createSession(sources: SourceMap, report: Reporter): Session {
  return {
    sources,
    report,
    used: new Set(),
    reached: new Set(),
    unreached: new Map(),
    unknown: new Map(),
    spent: 0,
    stopped: false,
  };
}

/** Behind an error: what follows is checked without knowing the shape, or with a guess. */
export function lost({ walk }: Place, flow: Flow, shape?: Shape): Flow {
  walk.whole = false;
  return { ...flow, shape, sure: false };
}

/** Counts the work of a statement, by its length; reports the one that is too much, and returns false from then on. */
export function spend({ walk: { session }, report }: Place, span: Span, isLayer = false): boolean {
  if (session.stopped) return false;
  session.spent += span.end - span.start + (isLayer ? LAYER_COST : STATEMENT_COST);
  if (session.spent <= MAXIMUM_WORK) return true;
  session.stopped = true;
  report({
    code: "CNN213",
    message: "the program is too large when its blocks and repeats are written out",
    span,
    label: `here it has more than ${MAXIMUM_WORK.toLocaleString("en-US")} characters`,
    help: "repeat less, or let blocks use fewer others",
  });
  return false;
}

// ---- names ------------------------------------------------------------------------------------------------------------

/** A parameter or an index with its value; undefined where that is not known. */
export interface Variable {
  readonly declaration: object;
  readonly value: Evaluated | undefined;
}

/** Names whose use is noted. */
export function namesOf(variables: ReadonlyMap<string, Variable>, { used }: Session): Names {
  return {
    has: (name) => variables.has(name),
    get: (name) => {
      const found = variables.get(name);
      if (found !== undefined) used.add(found.declaration);
      return found?.value;
    },
    keys: () => variables.keys(),
  };
}

/** The names, and one more that may hide one of them. */
export function withName(outer: Names, name: string, variable: Variable, session: Session): Names {
  const inner = namesOf(new Map([[name, variable]]), session);
  return {
    has: (asked) => asked === name || outer.has(asked),
    get: (asked) => (asked === name ? inner : outer).get(asked),
    keys: () => new Set([name, ...outer.keys()]),
  };
}

/** The same names, and no value is known. */
export function withoutValues(names: Names): Names {
  return {
    has: names.has,
    get: (name) => {
      names.get(name);
      return undefined;
    },
    keys: names.keys,
  };
}

/** How the layers of one body are numbered: each word for itself, in the order of the text. */
export interface LayerNames {
  /** `basic2.` in the second use of the block `basic`. */
  readonly prefix: string;
  readonly counts: Map<string, number>;
  readonly taken: Set<string>;
}

export function layerNames(prefix: string): LayerNames {
  return { prefix, counts: new Map(), taken: new Set() };
}

/** The next name of a word: `conv3`. */
export function nextName({ prefix, counts, taken }: LayerNames, word: string): string {
  let number = counts.get(word) ?? 0;
  // A block `a1` is called `a11` at its first use, and so is the eleventh use of a block `a`.
  do number++;
  while (taken.has(`${word}${number}`));
  counts.set(word, number);
  taken.add(`${word}${number}`);
  return `${prefix}${word}${number}`;
}

/** A walk for what is checked only for what does not depend on values: it adds nothing to the model. */
export function aside(walk: Walk): Walk {
  return { ...walk, layers: [], whole: false };
}

// ---- places -----------------------------------------------------------------------------------------------------------

/** The words of a call, without its `{ … }`. */
export function headOf(call: {
  readonly name: { readonly span: Span };
  readonly groups: readonly { readonly span: Span }[];
}): Span {
  return { start: call.name.span.start, end: call.groups.at(-1)?.span.end ?? call.name.span.end };
}

/** The first word of a statement. */
export function keywordOf({ span }: { readonly span: Span }, word: string): Span {
  return { start: span.start, end: span.start + word.length };
}

/** File, offsets and line of a span. */
export function whereIs(span: Span, { sources }: Session): { file: string; span: Span; line: number } {
  const { file, base, source } = sources.fileAt(span.start);
  const local = { start: span.start - base, end: span.end - base };
  return { file, span: local, line: source.lineAt(local.start) };
}

/** The place inside a body that stands in this place; undefined, after a report, where that is too deep. */
export function deeper(place: Place, span: Span): Place | undefined {
  if (place.depth < MAXIMUM_DEPTH) return { ...place, depth: place.depth + 1 };
  place.report({
    code: "CNN223",
    message: "nested too deep",
    span,
    label: `${MAXIMUM_DEPTH} blocks, branches and repeats stand around this`,
    help: "let a block do more by itself",
  });
  return undefined;
}
