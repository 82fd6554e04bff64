/**
 * Text to tokens.
 *
 * In: the text of a file. Out: chevrotain tokens, without comments and without the line ends that mean nothing.
 * What holds: a `NewLine` token separates two statements and nothing else; the letter `x` is a `Cross` between two sides
 * of a size, and part of a name elsewhere; `-` is `Negative` where it can only be a sign (`pad -1`), as a reader sees it.
 */
import { createToken, createTokenInstance, Lexer, type IToken, type TokenType } from "chevrotain";
import type { Reporter } from "./diagnostic.ts";

const WORD = /[A-Za-z_][A-Za-z0-9_]*/;

export const Name = createToken({ name: "Name", pattern: WORD, label: "a name" });

/** Every token that no statement and no declaration begins with. */
export const Stray = createToken({ name: "Stray", pattern: Lexer.NA, label: "a word" });

/** Characters that belong to no token; they are reported here, and hold a place so that the parser sees the hole. */
export const Unknown = createToken({ name: "Unknown", pattern: Lexer.NA, label: "a word", categories: [Stray] });

const all: TokenType[] = [Stray, Unknown];

function token(name: string, pattern: RegExp | string, label: string, categories: TokenType[] = [Stray]): TokenType {
  const made = createToken({ name, pattern, label, categories });
  all.push(made);
  return made;
}

/** A keyword is a word that is not the beginning of a longer one. */
function keyword(word: string, categories: TokenType[] = []): TokenType {
  const made = createToken({
    name: word.charAt(0).toUpperCase() + word.slice(1),
    pattern: word,
    longer_alt: Name,
    label: `\`${word}\``,
    categories,
  });
  all.push(made);
  return made;
}

/** A token that depends on what stands around it; it always begins with `first`. */
function inContext(
  name: string,
  first: string,
  label: string,
  holds: (text: string, offset: number, previous: IToken | undefined) => boolean,
): TokenType {
  const pattern = (text: string, offset: number, tokens: IToken[]): [string] | null =>
    text.startsWith(first, offset) && holds(text, offset, tokens.at(-1)) ? [first] : null;
  const made = createToken({
    name,
    pattern,
    start_chars_hint: [first],
    line_breaks: false,
    label,
    categories: [Stray],
  });
  all.push(made);
  return made;
}

/** Where the token ends, exclusive. */
export function endOf(given: IToken): number {
  return given.startOffset + given.image.length;
}

const touches = (previous: IToken | undefined, offset: number): boolean =>
  previous !== undefined && endOf(previous) === offset;

const Blank = createToken({
  name: "Blank",
  pattern: /[ \t\f\v\u00a0\ufeff]+/,
  group: Lexer.SKIPPED,
  line_breaks: false,
});
const Comment = createToken({ name: "Comment", pattern: /#[^\r\n]*/, group: Lexer.SKIPPED, line_breaks: false });
all.push(Blank, Comment);

export const NewLine = createToken({
  name: "NewLine",
  pattern: /\r\n|\n|\r/,
  line_breaks: true,
  label: "the end of the line",
});
all.push(NewLine);

export const NumberToken = token("Number", /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?/, "a number");
export const RParen = createToken({ name: "RParen", pattern: ")", label: "`)`", categories: [Stray] });
/** The `x` of `3x3`, `1x(k)` and `(a)x(b)`. */
export const Cross = inContext(
  "Cross",
  "x",
  "`x`",
  (text, offset, previous) =>
    touches(previous, offset) &&
    (previous?.tokenType === NumberToken || previous?.tokenType === RParen) &&
    /[0-9(]/.test(text.charAt(offset + 1)),
);

export const Model = keyword("model");
export const Train = keyword("train");
export const Block = keyword("block");
export const Use = keyword("use");
export const Repeat = keyword("repeat");
export const As = keyword("as", [Stray]);
export const If = keyword("if");
export const Else = keyword("else", [Stray]);
export const And = keyword("and", [Stray]);
export const Or = keyword("or", [Stray]);
export const Not = keyword("not", [Stray]);
all.push(Name);

export const StringToken = token("String", /"[^"\r\n]*"/, "a string");
/** A string without its end; reported, as `Unknown` is. */
export const OpenString = token("OpenString", /"[^"\r\n]*/, "a string");
export const Arrow = token("Arrow", "->", "`->`", []);
/** `-` with a blank before it and none after it: a sign, not a subtraction. */
export const Negative = inContext(
  "Negative",
  "-",
  "`-`",
  (text, offset) => /\s/.test(text.charAt(offset - 1)) && /[0-9A-Za-z_.(]/.test(text.charAt(offset + 1)),
);
export const Minus = token("Minus", "-", "`-`");
export const Plus = token("Plus", "+", "`+`");
export const Star = token("Star", "*", "`*`");
export const Slash = token("Slash", "/", "`/`");
export const Percent = token("Percent", "%", "`%`");
export const EqualEqual = token("EqualEqual", "==", "`==`");
export const NotEqual = token("NotEqual", "!=", "`!=`");
export const LessEqual = token("LessEqual", "<=", "`<=`");
export const GreaterEqual = token("GreaterEqual", ">=", "`>=`");
export const Less = token("Less", "<", "`<`");
export const Greater = token("Greater", ">", "`>`");
export const Equal = token("Equal", "=", "`=`");
export const At = token("At", "@", "`@`");
export const Comma = token("Comma", ",", "`,`");
export const Semicolon = token("Semicolon", ";", "`;`");
export const Dot = token("Dot", ".", "`.`");
/** The `(` right behind a name: `min(a, b)`, `LeNet(width = 16)`. */
export const CallParen = inContext(
  "CallParen",
  "(",
  "`(`",
  (_, offset, previous) => touches(previous, offset) && previous?.tokenType === Name,
);
export const LParen = token("LParen", "(", "`(`");
all.push(RParen);
export const LBracket = token("LBracket", "[", "`[`");
export const RBracket = token("RBracket", "]", "`]`");
export const LCurly = token("LCurly", "{", "`{`");
export const RCurly = token("RCurly", "}", "`}`", []);

export const tokenTypes: readonly TokenType[] = all;

/** Made at the first use: a process that never checks a program does not pay for it. */
let lexer: Lexer | undefined;

/** Characters that look like one of ours, and what to write. */
const LOOKALIKES: Readonly<Record<string, string>> = {
  "×": "x",
  "→": "->",
  "−": "-",
  "–": "-",
  "—": "-",
  "“": '"',
  "”": '"',
  "‘": '"',
  "’": '"',
  "'": '"',
  "\uff0c": ",",
  "\u3001": ",",
  "＠": "@",
};

/** Splits a text into tokens; characters that belong to none are reported. */
export function tokenize(text: string, report: Reporter): IToken[] {
  lexer ??= new Lexer(all, { positionTracking: "onlyOffset", ensureOptimizations: false });
  const { tokens, errors } = lexer.tokenize(text);
  for (const { tokenType, image, startOffset: start } of tokens) {
    if (tokenType !== OpenString) continue;
    const span = { start, end: start + image.length };
    report({ code: "CNN004", message: "a string is not closed", span, help: 'close it with `"` on the same line' });
  }
  if (text.includes("\ufffd")) reportDecoded(text, errors, report);
  if (errors.length === 0) return layOut(tokens);
  const holes = errors.map(({ offset, length }) => {
    const image = text.slice(offset, offset + length);
    reportCharacters(image, offset, report);
    const place = Number.NaN; // lines and columns are not tracked
    return createTokenInstance(Unknown, image, offset, offset + length - 1, place, place, place, place);
  });
  return layOut([...tokens, ...holes].toSorted((a, b) => a.startOffset - b.startOffset));
}

/** Warns of a comment with bytes that were no UTF-8: everywhere else they are characters that mean nothing. */
function reportDecoded(text: string, errors: readonly { offset: number; length: number }[], report: Reporter): void {
  const holes = new Set(errors.flatMap(({ offset, length }) => Array.from({ length }, (_, at) => offset + at)));
  for (const { index } of text.matchAll(/\ufffd+/g)) {
    if (holes.has(index)) continue;
    const end = index + (/^\ufffd+/.exec(text.slice(index, index + 100))?.[0].length ?? 1);
    report({
      code: "CNN007",
      message: "this is not valid UTF-8",
      span: { start: index, end },
      label: "it means nothing in a comment",
      help: "save the file as UTF-8",
    });
    return;
  }
}

function reportCharacters(characters: string, start: number, report: Reporter): void {
  const first = String.fromCodePoint(characters.codePointAt(0) ?? 0);
  const span = { start, end: start + characters.length };
  const wanted = LOOKALIKES[first];
  report({
    code: "CNN003",
    message:
      wanted === undefined ? "a character that means nothing here" : `\`${first}\` is not a character of the language`,
    span,
    label: wanted === undefined ? nameOf(first) : "",
    help: wanted === undefined ? "leave it out; text of your own goes behind a `#`" : `write \`${wanted}\``,
  });
}

/** A character as one can read it: itself, or its number. */
function nameOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const number = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  if (code === 0xfffd) return `${number}: not valid UTF-8, or a character lost in a conversion`;
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0xd800 && code < 0xe000)
    ? number
    : `${number} \`${character}\``;
}

/** After one of these a statement cannot end, */
// prettier-ignore
const OPEN_BEHIND: ReadonlySet<TokenType> = new Set([
  Arrow, Comma, Semicolon, LParen, CallParen, LBracket, LCurly, NewLine,
  Plus, Minus, Negative, Star, Slash, Percent, EqualEqual, NotEqual, LessEqual, GreaterEqual, Less, Greater,
  And, Or, Not,
]);
/** and before one of these none can begin: a line end there means nothing. */
const OPEN_BEFORE: ReadonlySet<TokenType> = new Set([Arrow, RParen, RBracket, LCurly, Else, Comma]);

function layOut(tokens: readonly IToken[]): IToken[] {
  const kept: IToken[] = [];
  for (const given of tokens) {
    const previous = kept.at(-1);
    if (given.tokenType === NewLine && (previous === undefined || OPEN_BEHIND.has(previous.tokenType))) continue;
    if (previous?.tokenType === NewLine && OPEN_BEFORE.has(given.tokenType)) kept.pop();
    kept.push(given);
  }
  return kept;
}
