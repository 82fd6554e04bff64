/**
 * No text makes the checker throw, hang or take memory without bound; and what it says is always well formed.
 */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  checkReport,
  checkText,
  MODEL_INPUT,
  renderDiagnostics,
  renderTable,
  type CheckedModel,
  type CheckResult,
  type Span,
} from "../../language/index.ts";
import { isSlow } from "../support/slow.ts";

/** The slow suite runs a hundred thousand changed programs, not some thousands. */
const runs = (usual: number): number => (isSlow ? 50 * usual : usual);
const SLOW = 3_600_000;

const lenet = readFileSync(new URL("../../examples/lenet.cnn", import.meta.url), "utf8");

/** Checks, renders everything, and holds what must hold of any text. */
function checked(text: string): CheckResult {
  const result = checkText(text, "any.cnn");
  const { diagnostics, program } = result;
  expect(program === undefined).toBe(diagnostics.some(({ severity }) => severity === "error"));
  const isPlace = ({ span }: { span: Span }): boolean =>
    0 <= span.start && span.start <= span.end && span.end <= text.length;
  for (const { span, message, notes, edits } of diagnostics) {
    expect(message).not.toMatch(/undefined|NaN|\[object/);
    expect([{ span }, ...notes, ...edits].every(isPlace)).toBe(true);
  }
  for (const model of program?.models ?? []) expectGraph(model);
  const rendered = renderDiagnostics(diagnostics, text, "any.cnn") + renderTable(result);
  // oxlint-disable-next-line no-control-regex
  expect(rendered).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
  expect(rendered.split("\n").reduce((longest, line) => Math.max(longest, line.length), 0)).toBeLessThan(400);
  for (const { line, column, endLine } of checkReport(result).diagnostics) {
    expect(line >= 1 && column >= 1 && endLine >= line).toBe(true);
  }
  return result;
}

/** What `CheckedProgram` promises. */
function expectGraph({ layers, output }: CheckedModel): void {
  const names = new Set<string>();
  const paths = new Set<string>();
  for (const [index, { id, name, inputs, inputShapes, parameters, outputShape }] of layers.entries()) {
    expect(id).toBe(index);
    expect(inputs.length).toBeGreaterThan(0);
    for (const [at, input] of inputs.entries()) {
      expect(input < index && (input >= 0 || input === MODEL_INPUT)).toBe(true);
      if (input >= 0) expect(layers[input]?.outputShape).toEqual(inputShapes[at]);
    }
    expect(
      Object.values(outputShape).every((side) => typeof side === "boolean" || (Number.isSafeInteger(side) && side > 0)),
    ).toBe(true);
    names.add(name);
    for (const { path } of parameters) paths.add(path);
  }
  expect(names.size).toBe(layers.length);
  expect(paths.size).toBe(layers.reduce((sum, { parameters }) => sum + parameters.length, 0));
  expect(output === MODEL_INPUT || layers[output] !== undefined).toBe(true);
}

function codes(text: string): string[] {
  return checked(text).diagnostics.map(({ code }) => code);
}

describe("texts that are no programs", () => {
  test.each([
    ["an empty file", "", ["CNN002"]],
    ["blanks", " \n\t\r\n", ["CNN002"]],
    ["a zero byte", "model A {\0", ["CNN001"]],
    ["a 10 MB line", "conv ".repeat(2_000_000), ["CNN001"]],
    ["10,000 braces", "{".repeat(10_000), ["CNN005"]],
    ["10,000 nested blocks", `model A {${"add {".repeat(10_000)}${"}".repeat(10_001)}`, ["CNN005"]],
    ["10,000 parentheses", `model A { fc ${"(".repeat(10_000)}1`, ["CNN005"]],
    ["a lone brace", "}", ["CNN101"]],
    ["half a surrogate pair", "\ud800", ["CNN003"]],
  ])("%s", (_, text, wanted) => {
    expect(codes(text)).toEqual(wanted);
  });

  test("invalid UTF-8, decoded", () => {
    const bytes = Uint8Array.from({ length: 4000 }, (_, index) => ((index * 7919 + 13) % 255) + 1);
    expect(codes(new TextDecoder().decode(bytes))).toContain("CNN003");
  });

  test("files of brackets", () => {
    const start = performance.now();
    for (const text of ["()", "[]", "{}", ")", "]", "}{", "(]", "-> "]) {
      const found = codes(text.repeat(250_000));
      expect(found.length).toBeGreaterThan(0);
      expect(found.length).toBeLessThanOrEqual(101);
    }
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  test("long rows of everything", () => {
    const start = performance.now();
    const rows = [
      "- ",
      "not ",
      "1 + ",
      "x, ",
      "a@b ",
      "1x1 ",
      "else ",
      "if 1 {} ",
      "a.b.",
      "f(1)",
      "1;",
      '"a" ',
      '"',
      "é",
    ];
    for (const row of rows) {
      expect(codes(`model A {\n input 3@3x3\n fc ${row.repeat(40_000)} 1 }`).length).toBeLessThanOrEqual(101);
    }
    expect(performance.now() - start).toBeLessThan(30_000);
  }, 60_000);

  test("ten thousand layers are a program, more are not", () => {
    const layers = (count: number): string => `model A { input 3@3x3\n${"bn\n".repeat(count)}}`;
    expect(checked(layers(10_000)).program?.models[0]?.layers.length).toBe(10_000);
    expect(codes(layers(300_000))).toEqual(["CNN213"]);
  });

  test("more than a hundred diagnostics are counted, and warnings do not crowd out an error", () => {
    const many = checked(`model A { input 3@3x3\n${"rleu\n".repeat(5000)}}`).diagnostics;
    expect(many.length).toBe(101);
    expect(many.at(-1)).toMatchObject({ code: "CNN006", message: "4,900 more are not shown" });
    const warnings = "conv 3@1x1 bias on -> bn\n".repeat(300);
    expect(codes(`model A { input 3@3x3\n${warnings} rleu }`)).toContain("CNN201");
  });
});

describe("numbers at the edges", () => {
  test.each(["0", "-1", "0.5", "1e9", "2147483648", "1e30", "1e308", "1e999", "9".repeat(400), "0x10", "-0", "1e-400"])(
    "%s",
    (number) => {
      for (const layer of [
        `conv ${number}@3x3`,
        `conv 3@${number}`,
        `conv 3@3x3 stride ${number}`,
        `conv 3@3x3 pad ${number}`,
        `conv 3@3x3 dilation ${number}`,
        `conv 3@3x3 groups ${number}`,
        `pool max ${number}`,
        `fc ${number}`,
        `pool avg 3 stride ${number} pad 1 ceil on`,
        `dropout ${number}`,
        `bn eps ${number}`,
        `elu ${number}`,
      ]) {
        const { program } = checked(`model A { input 3@9x9\n${layer}\nfc 10 }`);
        for (const { outputShape, parameters } of program?.models[0]?.layers ?? []) {
          const { channels, height, width } = outputShape;
          for (const side of [channels, height, width, ...parameters.flatMap(({ shape }) => shape)]) {
            expect(Number.isSafeInteger(side) && side >= 1).toBe(true);
          }
        }
      }
      checked(
        `model A { input ${number}@${number} -> fc 10 }\ntrain { data cifar10\nbatch ${number}\nseed ${number}\nepochs ${number} }`,
      );
    },
  );
});

const words = [
  "model train block use repeat if else as and or not input conv bn pool max avg global fc relu flatten dropout",
  "add mul concat branch skip width i in.height basic freeze init he weights lr [1 2;3 4] constructor __proto__ == != < 0 1 2 3 1000000000",
  "stride pad same bias on off data cifar10 optimizer adam lr 6@5x5 3@32x32 10 0.5 x in.channels min( é",
  '-> { } ( ) [ ] = == @ , ; . - + * / " #',
]
  .flatMap((row) => row.split(" "))
  .concat("\n", "\t", "\0");

const programs = new URL("programs/", import.meta.url);
const zoo = new URL("../../examples/zoo/", import.meta.url);
const seeds = [programs, zoo]
  .flatMap((folder) => readdirSync(folder).map((name) => readFileSync(new URL(name, folder), "utf8")))
  .concat(lenet);

describe("any text", () => {
  test("of any characters", { timeout: SLOW }, () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => void checked(text)),
      { numRuns: runs(300) },
    );
  });

  test("of the language's own words", { timeout: SLOW }, () => {
    const text = fc.array(fc.constantFrom(...words), { maxLength: 80 }).map((list) => list.join(" "));
    fc.assert(
      fc.property(text, (source) => void checked(source)),
      { numRuns: runs(800) },
    );
  });

  const word = fc.constantFrom("", ...words);
  const edit = fc.record({ at: fc.nat(), length: fc.nat({ max: 12 }), word });

  test("that was a program before words were put in, taken out or exchanged", { timeout: SLOW }, () => {
    const mutated = fc.tuple(fc.constantFrom(...seeds), fc.array(edit, { minLength: 1, maxLength: 6 }));
    fc.assert(
      fc.property(mutated, ([seed, edits]) => {
        let text = seed;
        for (const { at, length, word: put } of edits) {
          const start = at % (text.length + 1);
          text = text.slice(0, start) + put + text.slice(start + length);
        }
        checked(text);
      }),
      { numRuns: runs(1200) },
    );
  });

  test("that was a program before its words were exchanged with one another", { timeout: SLOW }, () => {
    const swaps = fc.array(fc.tuple(fc.nat(), fc.nat(), word), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...seeds), swaps, (seed, pairs) => {
        const parts = seed.split(/(\s+|[{}@,])/);
        for (const [from, to, put] of pairs) {
          const [a, b] = [from % parts.length, to % parts.length];
          [parts[a], parts[b]] = put === "" ? [parts[b] ?? "", parts[a] ?? ""] : [put, parts[b] ?? ""];
        }
        checked(parts.join(""));
      }),
      { numRuns: runs(800) },
    );
  });

  test("cut off anywhere", () => {
    for (let end = 0; end <= lenet.length; end++) checked(lenet.slice(0, end));
  });
});
