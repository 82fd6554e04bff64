/**
 * Programs for the formatter, as arbitraries of fast-check.
 *
 * What holds: each text parses; where the grammar lets blanks, line ends and comments stand, they stand by chance.
 */
import fc from "fast-check";

/** Marks for places between words, which `spaced` replaces by what may stand there. */
const MAY_BLANK = "\u2460";
const BLANK = "\u2461";
const MAY_BREAK = "\u2462";
const BREAK = "\u2463";

const comment = fc
  .tuple(fc.constantFrom(" ", "", "  "), fc.constantFrom("# a", "#b", "#", "# -> { x }  ", "# é #"))
  .map((parts) => parts.join(""));
const blanks = fc.constantFrom(" ", "  ", "\t", " \t ", "\u00a0");
const lineEnd = fc.constantFrom("\n", "\n", "\n", "\r\n", "\n\n\n", "\n  \n", "\r");
const lines = fc.array(fc.tuple(fc.option(comment, { nil: "", freq: 3 }), lineEnd), { minLength: 1, maxLength: 3 });
const breaks = fc
  .tuple(lines, fc.option(blanks, { nil: "" }))
  .map(([list, rest]) => list.map(([first, second]) => `${first}${second}`).join("") + rest);

const between: Readonly<Record<string, fc.Arbitrary<string>>> = {
  [MAY_BLANK]: fc.option(blanks, { nil: "", freq: 1 }),
  [BLANK]: blanks,
  [MAY_BREAK]: fc.oneof({ weight: 6, arbitrary: fc.constantFrom("", " ") }, { weight: 1, arbitrary: breaks }),
  [BREAK]: breaks,
};

/** The text with what stands between its words chosen by chance. */
function spaced(text: string): fc.Arbitrary<string> {
  const parts = text.split(/([\u2460-\u2463])/);
  return fc.tuple(...parts.map((part) => between[part] ?? fc.constant(part))).map((list) => list.join(""));
}

const name = fc.constantFrom("a", "width", "x", "x3", "conv", "in", "e5", "models", "_");
const number = fc.constantFrom("0", "1", "12", "0.50", ".5", "1e-5", "2.5E+3");

const { expression, side } = fc.letrec<{ expression: string; side: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    number,
    name,
    fc.constant(`in${MAY_BLANK}.${MAY_BLANK}channels`),
    tie("expression").map((inner) => `(${MAY_BREAK}${inner}${MAY_BREAK})`),
    fc
      .array(tie("expression"), { maxLength: 3 })
      .map((list) => `min(${MAY_BREAK}${list.join(`${MAY_BREAK},${MAY_BREAK}`)}${MAY_BREAK})`),
    tie("expression").map((inner) => `3x(${inner})`),
  ),
  /** What may stand behind an `@`. */
  side: fc.oneof({ depthSize: "small" }, fc.constantFrom("5x5", "3", "k", "(a)x3", "1x(k)", "in.height"), tie("atom")),
  expression: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("atom"),
    fc
      .tuple(
        tie("atom"),
        fc.constantFrom(...["+", "*", "/", "%", "==", "!=", "<", "<=", ">", ">="].map((word) => `${MAY_BLANK}${word}`)),
        tie("atom"),
      )
      .map(([left, operator, right]) => `(${left}${operator}${MAY_BREAK}${right})`),
    fc.tuple(tie("atom"), tie("atom")).map(([left, right]) => `${left}${BLANK}-${BLANK}${MAY_BREAK}${right}`),
    fc
      .tuple(tie("atom"), fc.constantFrom("and", "or", `and${BLANK}not`, "*", "/"), tie("atom"))
      .map(([left, word, right]) => `${left}${BLANK}${word}${BLANK}${MAY_BREAK}${right}`),
    tie("atom").map((inner) => `(${MAY_BLANK}-${MAY_BLANK}${inner})`),
    tie("atom").map((inner) => `not${BLANK}${inner}`),
  ),
}));

const matrix = fc
  .array(fc.constantFrom("1 2", "-1 2 -1", "- 1", "1-2", "3 -.5 1e3"), { minLength: 1, maxLength: 3 })
  .map((rows) => `[${MAY_BREAK}${rows.join(`;${MAY_BREAK}`)}${MAY_BREAK}]`);

const value = fc.oneof(
  expression,
  fc.tuple(expression, side).map(([count, size]) => `${count}${MAY_BLANK}@${MAY_BLANK}${size}`),
  matrix,
  fc.constantFrom('"a b"', '"#no -> comment"', '""'),
  number.map((digits) => `-${digits}`),
);
const group = fc.array(value, { minLength: 1, maxLength: 4 }).map((list) => list.join(`${MAY_BREAK},${MAY_BREAK}`));
const words = fc
  .tuple(name, fc.array(group, { maxLength: 4 }))
  .map(([first, groups]) => [first, ...groups].join(BLANK));

const { body } = fc.letrec<{ body: string; statement: string; choice: string }>((tie) => ({
  body: fc.array(fc.tuple(tie("statement"), fc.boolean()), { maxLength: 4, depthIdentifier: "body" }).map((list) => {
    const inner = list.map(([text, joins], at) => {
      if (at === list.length - 1) return text;
      return text + (joins ? `${MAY_BREAK}->${MAY_BREAK}` : text.endsWith("}") ? MAY_BREAK : BREAK);
    });
    return `${MAY_BREAK}{${MAY_BREAK}${inner.join("")}${MAY_BREAK}}`;
  }),
  statement: fc.oneof(
    { depthIdentifier: "body", depthSize: "small", withCrossShrink: true },
    { weight: 5, arbitrary: words },
    { weight: 2, arbitrary: fc.tuple(words, tie("body")).map((parts) => parts.join("")) },
    fc.tuple(expression, tie("body")).map(([count, inner]) => `repeat${BLANK}${count}${BLANK}as${BLANK}i${inner}`),
    tie("choice"),
  ),
  choice: fc
    .tuple(
      expression,
      tie("body"),
      fc.option(
        fc.oneof(
          tie("body"),
          tie("choice").map((text) => `${BLANK}${text}`),
        ),
      ),
    )
    .map(([condition, first, rest]) => {
      const choice = `if${BLANK}${condition}${first}`;
      return rest === null ? choice : `${choice}${MAY_BREAK}else${rest}`;
    }),
}));

const parameters = fc
  .array(fc.tuple(name, fc.option(expression)), { maxLength: 3 })
  .map((list) => list.map(([own, given]) => (given === null ? own : `${own}${MAY_BLANK}=${MAY_BLANK}${given}`)))
  .map((list) => `${MAY_BLANK}(${MAY_BREAK}${list.join(`${MAY_BREAK},${MAY_BREAK}`)}${MAY_BREAK})`);

const declaration = fc.oneof(
  fc
    .tuple(fc.constantFrom("model", "block"), name, fc.option(parameters, { nil: "" }), body)
    .map(([keyword, own, head, inner]) => `${keyword}${BLANK}${own}${head}${inner}`),
  body.map((inner) => `train${inner}`),
  fc.constant(`use${BLANK}"blocks.cnn"`),
);

/** Texts that parse. */
export const anyProgram: fc.Arbitrary<string> = fc
  .array(declaration, { maxLength: 3 })
  .map((list) => `${MAY_BREAK}${list.join(BREAK)}${MAY_BREAK}`)
  .chain(spaced);
