/** The formatter: what its text looks like, and that it keeps meaning and comments and is a fixed point, for any program. */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatText, layerCatalogue, mergeCatalogue, recipeCatalogue } from "../../language/index.ts";
import { parse } from "../../language/parse.ts";
import { isSlow } from "../support/slow.ts";
import { anyProgram } from "./formatPrograms.ts";

/** The slow suite runs fifty times as many. */
const runs = (usual: number): number => (isSlow ? 50 * usual : usual);
const SLOW = 3_600_000;

const example = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const inFolder = (folder: string): string[] =>
  readdirSync(new URL(`../../${folder}`, import.meta.url))
    .filter((name) => name.endsWith(".cnn"))
    .map((name) => `${folder}/${name}`);

const examples = [...inFolder("examples"), ...inFolder("examples/zoo")];
const seeds = [...examples, ...inFolder("test/language/programs")].map(example);

/** The syntax tree without its places, or undefined if the text does not parse. */
function treeOf(text: string): string | undefined {
  let isBroken = false;
  const tree = parse(text, () => void (isBroken = true) as undefined);
  if (isBroken) return undefined;
  return JSON.stringify(tree, (key, value: unknown) =>
    key === "span" || key === "operatorSpan" || key === "keyword" ? undefined : value,
  );
}

const commentsOf = (text: string): string[] =>
  [...text.matchAll(/"[^"\r\n]*"|#[^\r\n]*/g)]
    .map(([found]) => found.trimEnd())
    .filter((found) => found.startsWith("#"));

/** Formats, and holds what must hold of any text. */
function formatted(text: string): string | undefined {
  const tree = treeOf(text);
  const { text: found, diagnostics } = formatText(text, "any.cnn");
  expect(found === undefined).toBe(tree === undefined);
  expect(diagnostics.length === 0).toBe(tree !== undefined);
  if (found === undefined) return undefined;
  // Not `toBe`: the trees of long texts are no help in a message.
  expect(treeOf(found) === tree).toBe(true);
  expect(commentsOf(found)).toEqual(commentsOf(text));
  expect(formatText(found, "any.cnn").text).toBe(found);
  expect(found).not.toMatch(/[ \t]\n|\n\n\n|^\n|\r|[^\n]$/);
  return found;
}

test.each(examples)("%s is canonical", (path) => {
  expect(formatted(example(path))).toBe(example(path));
});

test("the programs of the language's reference are canonical", () => {
  const blocks = example("language/README.md")
    .split(/^```\n/m)
    .filter((_, i) => i % 2 === 1);
  const programs = blocks.filter((text) => /^(#|model|block|use)/.test(text) && treeOf(text) !== undefined);
  expect(programs.length).toBeGreaterThanOrEqual(4);
  for (const text of programs) expect(formatted(text)).toBe(text);
});

test.each([...layerCatalogue, ...mergeCatalogue, ...recipeCatalogue].map((entry) => [entry.example]))(
  "`%s` is canonical",
  (line) => {
    expect(formatted(inModel(`${line}\n`))).toBe(inModel(`${line}\n`));
  },
);

/** In a model, so that the lines are statements. */
const inModel = (lines: string): string => `model M {\n${lines.replace(/^(?=.)/gm, "  ")}}\n`;

describe("statements", () => {
  test.each([
    ["blanks", "conv   6@5x5\tstride 2  ->bn->  relu\n", "conv 6@5x5 stride 2 -> bn -> relu\n"],
    ["lists", "normalize mean 0.1,0.2 ,0.3 std 1\n", "normalize mean 0.1, 0.2, 0.3 std 1\n"],
    ["a list over lines", "normalize mean 0.1,\n 0.2\n , 0.3 std 1\n", "normalize mean 0.1, 0.2, 0.3 std 1\n"],
    ["expressions", "fc (a+ b)*2%k\n", "fc (a + b) * 2 % k\n"],
    ["comparisons", "if a!=1 and not(b<=2){x}\n", "if a != 1 and not (b <= 2) { x }\n"],
    ["subtractions and signs", "fc a- 1 pad -1 -> fc -1 -> fc a - -1\n", "fc a - 1 pad -1 -> fc -1 -> fc a - -1\n"],
    ["a sign behind a size", "conv 6@3 - 1\n", "conv 6@3 -1\n"],
    ["maps", "conv width*4 @ 1x(k +1)\n", "conv width * 4@1x(k + 1)\n"],
    ["calls", "fc min( a ,b )\n", "fc min(a, b)\n"],
    ["a matrix", "conv 1@3x3 weights [-1  - 2 3;4 5 6]\n", "conv 1@3x3 weights [-1 -2 3; 4 5 6]\n"],
    [
      "a matrix row by row",
      "conv 1@2x2 weights [1 2;\n3 4] freeze on\n",
      "conv 1@2x2 weights [\n  1 2;\n  3 4\n] freeze on\n",
    ],
    ["branches on a line", "add{branch{bn}skip}\n", "add { branch { bn } skip }\n"],
    ["branches over lines", "add{\nbranch{bn}skip}\n", "add {\n  branch { bn }\n  skip\n}\n"],
    ["empty bodies", "branch{\n}\nbranch { }\n", "branch {}\nbranch {}\n"],
    ["choices", "if a {x}\nelse\n{ y }\n", "if a { x } else { y }\n"],
    ["choices over lines", "if a {x} else {\ny }\n", "if a {\n  x\n} else {\n  y\n}\n"],
    ["an arrow at a line end", "conv 6@5x5 ->\nbn\n  -> relu\n", "conv 6@5x5\n  -> bn\n  -> relu\n"],
    ["an arrow behind a body", "add {\nbn\n}->relu\n", "add {\n  bn\n} -> relu\n"],
    ["blank lines", "\n\nbn\n\n\nrelu\n\n", "bn\n\nrelu\n"],
    ["words that are no size", "conv 6@5X5\n", "conv 6@5 X5\n"],
  ])("%s", (_, given, wanted) => {
    expect(formatted(inModel(given))).toBe(inModel(wanted));
  });

  test("a line that is too long breaks before an arrow, and only there", () => {
    const chain = (length: number): string => Array.from({ length }, () => "conv 64@3x3").join(" -> ");
    expect(formatted(inModel(`${chain(12)}\n`))).toBe(inModel(`${chain(8)}\n  -> ${chain(4)}\n`));
    const fits = "a".repeat(120 - 2 - 6);
    expect(formatted(inModel(`bn -> ${fits}\n`))).toBe(inModel(`bn -> ${fits}\n`));
    expect(formatted(inModel(`bn -> ${fits}b\n`))).toBe(inModel(`bn\n  -> ${fits}b\n`));
  });

  test("values that are too long for a line go on behind a comma or an operator", () => {
    const many = Array.from({ length: 30 }, (_, i) => `0.${i}00`).join(", ");
    const lines = formatted(inModel(`normalize mean ${many}\n`))?.split("\n") ?? [];
    expect(lines[1]).toMatch(/^ {2}normalize mean .*,$/);
    expect(lines[2]).toMatch(/^ {6}0/);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(120);
  });

  test("a body that is too long for a line is opened", () => {
    const branch = `branch { ${Array.from({ length: 7 }, () => "conv 64@3x3").join(" -> ")} }`;
    expect(formatted(inModel(`add { ${branch} skip }\n`))).toBe(inModel(`add {\n  ${branch}\n  skip\n}\n`));
  });
});

describe("comments", () => {
  test.each([
    ["of their own and behind", "# a  \nbn# b\n\n\n# c\n", "# a\nbn  # b\n\n# c\n"],
    [
      "under one another",
      "bn # a\nconv 6@5x5 # b\nrelu\nfc 1#c\n",
      "bn          # a\nconv 6@5x5  # b\nrelu\nfc 1  #c\n",
    ],
    ["in a list", "fc 1, # a\n2\n", "fc 1,  # a\n    2\n"],
    ["in front of a comma", "fc 1 # a\n, 2\n", "fc 1,  # a\n    2\n"],
    ["in parentheses", "fc ( # a\n1\n# b\n)\n", "fc (  # a\n    1\n    # b\n    )\n"],
    ["in a matrix", "fc 1 weights [1 # a\n]\n", "fc 1 weights [\n  1  # a\n]\n"],
    ["around an arrow", "bn -> # a\nrelu # b\n-> # c\ntanh\n", "bn  # a\n  -> relu  # b\n  # c\n  -> tanh\n"],
    ["around a brace", "add # a\n{ # b\nskip } # c\n", "add {  # a\n  # b\n  skip\n}  # c\n"],
    ["before `else`", "if a { x } # a\n# b\nelse { y }\n", "if a {\n  x\n} else {  # a\n  # b\n  y\n}\n"],
    ["alone in a body", "add { # a\n}\nmul {\n# b\n}\n", "add {  # a\n}\nmul {\n  # b\n}\n"],
  ])("%s", (_, given, wanted) => {
    expect(formatted(inModel(given))).toBe(inModel(wanted));
  });
});

describe("files", () => {
  test.each([
    ["nothing", "", ""],
    ["blanks", "  \n\t\r\n", ""],
    ["a comment", "\n\n#  a \n\n\n# b", "#  a\n\n# b\n"],
    ["lines one below the other", 'use "a"  use "b"\n', 'use "a"\nuse "b"\n'],
    ["a byte order mark and other line ends", '\ufeffuse "a"\r\n\r\n\r\nuse "b"', 'use "a"\n\nuse "b"\n'],
    [
      "a blank line around what has several lines",
      'use "a"\n# of b\nblock b {\nbn\n}\nblock c{bn}\nblock d{bn}\n',
      'use "a"\n\n# of b\nblock b {\n  bn\n}\n\nblock c { bn }\nblock d { bn }\n',
    ],
    ["parameters", "block b (k , s=1){ bn }", "block b(k, s = 1) { bn }\n"],
    ["layers that do not exist", "model M{rleu  strid 2}", "model M { rleu strid 2 }\n"],
  ])("%s", (_, given, wanted) => {
    expect(formatted(given)).toBe(wanted);
  });

  test.each(["model M {", "model M { conv 6@@5 }", 'use "a', "model M\0{ bn }", "model M { bn } # \ufffd\n"])(
    "%j is refused, with a reason",
    (text) => {
      expect(formatted(text)).toBeUndefined();
    },
  );
});

describe("any program", () => {
  test("that the grammar makes", { timeout: SLOW }, () => {
    fc.assert(
      fc.property(anyProgram, (text) => {
        expect(formatted(text)).toBeDefined();
      }),
      { numRuns: runs(1000) },
    );
  });

  const put = fc.constantFrom(
    "\n",
    " ",
    "\t",
    "# a\n",
    "\n# b\n",
    "\n\n\n",
    "",
    " -> ",
    "\r\n",
    "{",
    "}",
    "-",
    "x",
    ",",
  );
  const edit = fc.record({ at: fc.nat(), length: fc.constantFrom(0, 0, 0, 1, 3), put });
  const edited = fc
    .tuple(fc.constantFrom(...seeds), fc.array(edit, { minLength: 1, maxLength: 12 }))
    .map(([seed, edits]) => {
      let text = seed;
      for (const { at, length, put: words } of edits) {
        const start = at % (text.length + 1);
        text = text.slice(0, start) + words + text.slice(start + length);
      }
      return text;
    });

  test("that was written by hand before it was changed by chance", { timeout: SLOW }, () => {
    fc.assert(
      fc.property(edited, (text) => void formatted(text)),
      { numRuns: runs(1000) },
    );
  });

  test("whose blanks alone were changed: the same text comes out", { timeout: SLOW }, () => {
    const blanks = fc.infiniteStream(fc.constantFrom("  ", " ", "\t", " \t  "));
    const ends = fc.infiniteStream(fc.constantFrom("\n", " \n", "\r\n", "\n\t "));
    fc.assert(
      fc.property(fc.constantFrom(...examples.map(example)), blanks, ends, (text, blank, end) => {
        const take = (stream: Iterator<string>): string => String(stream.next().value);
        const changed = text
          .split("\n")
          .map((line) => (line.startsWith("#") ? line : line.trim().replace(/ (?![^#]*#)/g, () => take(blank))))
          .reduce((before, line) => before + take(end) + line);
        expect(formatted(changed)).toBe(text);
      }),
      { numRuns: runs(200) },
    );
  });
});

test("a program that would become longer than a program may be is refused", () => {
  const text = `model M { ${"add { ".repeat(60)} ${"bn -> ".repeat(20_000)} bn ${"}".repeat(60)} }`;
  expect(formatText(text, "any.cnn")).toMatchObject({ text: undefined, diagnostics: [{ code: "CNN001" }] });
});

test("the work grows with the length of a text, not with its square", () => {
  const start = performance.now();
  const rows = ["bn # a\n", "bn -> ", "add { bn } ", "if a { bn } else { bn }\n", "fc 1, 2, 3 + 4\n", "# a\n", "\n"];
  for (const row of rows) formatted(`model M { ${row.repeat(10_000)} bn }`);
  formatted(`model M { fc ${"1, ".repeat(50_000)} 1 }`);
  formatted(`model M { ${"add { ".repeat(60)} ${"bn -> ".repeat(2000)} bn ${"}".repeat(60)} }`);
  expect(performance.now() - start).toBeLessThan(60_000);
}, 120_000);
