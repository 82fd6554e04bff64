/** What is said of blocks, branches and repeats: places, uses, mends, limits; and the table that shows them. */
import { describe, expect, test } from "vitest";
import { checkReport, checkText, renderTable, type CheckOptions, type CheckResult } from "../../language/index.ts";

const check = (text: string, options?: CheckOptions): CheckResult => checkText(text, "net.cnn", options);

const codesOf = (text: string, options?: CheckOptions): string[] =>
  check(text, options).diagnostics.map(({ code }) => code);

const BASIC = `block basic(width, stride = 1) {
  add {
    branch {
      conv width@3x3 stride stride pad 1 bias off -> bn -> relu
      conv width@3x3 pad 1 bias off -> bn
    }
    branch {
      if stride != 1 or width != in.channels {
        conv width@1x1 stride stride bias off -> bn
      }
    }
  }
  relu
}
`;

describe("diagnostics", () => {
  test("in a block name the place and the uses that led there, once for all uses", () => {
    const text = `block inner(width) { conv width@5x5 }\nblock outer(width) { inner width * 2 }
model M { input 3@8x8\n repeat 3 { outer 4 } }`;
    const { diagnostics } = check(text);
    expect(diagnostics).toMatchObject([
      {
        code: "CNN204",
        notes: [
          { message: "in `inner 8`, used here: 8@4x4 arrives, width = 8" },
          { message: "in `outer 4`, used here: 8@4x4 arrives, width = 4" },
          { message: "in round 2 of 3" },
        ],
      },
    ]);
  });

  /** What is left when all edits of all diagnostics have been made. */
  function mended(text: string): string {
    const edits = check(text).diagnostics.flatMap((diagnostic) => diagnostic.edits);
    const ordered = edits.toSorted((a, b) => b.span.start - a.span.start);
    return ordered.reduce(
      (now, { span, replacement }) => now.slice(0, span.start) + replacement + now.slice(span.end),
      text,
    );
  }

  test.each([
    ["conv 4@9x9", "conv 4@9x9 pad same"],
    ["conv 4@11x11 pad 1", "conv 4@11x11 pad same"],
    ["pool max 9x9", "pool max 8x8"],
    ["conv 4@9x9 stride 2", "conv 4@8x8 stride 2"],
    ["pool max 3", "pool max 3 ceil on"],
    ["pool avg 3 ceil off stride 2", "pool avg 3 ceil on stride 2"],
    ["conv 4@3x3 stride 2", "conv 4@3x3 stride 2 pad 1"],
    ["depthwise 5x4 pad 0x1 stride 2", "depthwise 5x4 pad 1 stride 2"],
    ["conv 4@3x3 stride 2 pad same", "conv 4@3x3 stride 2 pad 1"],
    ["conv 4@3x3 strid 1", "conv 4@3x3 stride 1"],
    ["rleu", "relu"],
    ["conv 4@3x3 bias on -> bn", "conv 4@3x3 bias off -> bn"],
    ["conv 4@3x3 bias fales", "conv 4@3x3 bias fales"],
    ["conv 4@3x3 bias false", "conv 4@3x3 bias off"],
    ["bn relu", "bn -> relu"],
    ["pool avg global stride 2", "pool avg global "],
    ["conv (in.chanels)@3x3", "conv (in.channels)@3x3"],
    [
      "add { branch { conv 4@3x3 stride 2 pad 1 } skip }",
      "add { branch { conv 4@3x3 stride 2 pad 1 } branch { conv 4@1x1 stride 2 bias off -> bn } }",
    ],
    ["add { conv 3@1x1\n skip }", "add { branch { conv 3@1x1 }\n skip }"],
  ])("`%s` is mended to `%s`", (wrong, right) => {
    const around = (line: string): string => `model M { input 3@8x8\n${line}\n}`;
    expect(codesOf(around(wrong))).not.toEqual([]);
    expect(mended(around(wrong))).toBe(around(right));
    if (wrong !== right) expect(codesOf(around(right))).toEqual([]);
  });

  test("the data's shape and classes are edits too", () => {
    const text = "model M { input 1@28x28\n fc 84 }\ntrain { data cifar10 }";
    expect(mended(text)).toBe("model M { input 3@32x32\n fc 10 }\ntrain { data cifar10 }");
  });

  test("a parameter whose value an error hides is not reported again", () => {
    expect(codesOf("model M(width = 1 / 0) { input 3@8x8\n conv width@3x3 -> fc width }")).toEqual(["CNN217"]);
    expect(codesOf("block b(width) { conv width@3x3 }\nmodel M { input 3@8x8\n b 1 / 0 }")).toEqual(["CNN217"]);
  });
});

describe("limits", () => {
  test.each([
    ["a billion rounds", "model M { input 3@8x8\n repeat 1000000000 { relu } }", ["CNN213"]],
    ["rounds in rounds", `model M { input 3@8x8\n ${"repeat 10000 { ".repeat(20)} ${"}".repeat(20)} }`, ["CNN213"]],
    ["layers in rounds", "model M { input 3@8x8\n repeat 1000 { repeat 1000 { relu } } }", ["CNN213"]],
    [
      "blocks that double",
      `${Array.from({ length: 60 }, (_, i) => `block b${i} { b${i + 1} -> b${i + 1} }\n`).join("")}block b60 { }\nmodel M { input 3@8x8\n b0 }`,
      ["CNN213"],
    ],
    [
      "blocks that double, with an error",
      `${Array.from({ length: 60 }, (_, i) => `block b${i} { b${i + 1} -> b${i + 1} }\n`).join("")}block b60 { rleu }\nmodel M { input 3@8x8\n b0 }`,
      ["CNN201"],
    ],
    [
      "a long chain of blocks",
      `${Array.from({ length: 5000 }, (_, i) => `block b${i} { b${i + 1} }\n`).join("")}block b5000 { relu }\nmodel M { input 3@8x8\n b0 }`,
      ["CNN223"],
    ],
    ["branches in rounds", "model M { input 3@8x8\n concat { repeat 1000 { repeat 1000 { skip } } } }", ["CNN213"]],
    ["a hundred thousand branches", `model M { input 3@8x8\n concat { ${"skip ".repeat(100_000)} } }`, ["CNN213"]],
    [
      "fifty thousand parameters, and as many words that are none",
      `model M(${Array.from({ length: 50_000 }, (_, i) => `p${i}`).join(" = 1, ")} = 1) { input 3@8x8\n${"fc z\n".repeat(50_000)} }`,
      ["CNN213", "CNN216"],
    ],
    [
      "blocks that double, with other values at each use",
      `${Array.from({ length: 60 }, (_, i) => `block b${i}(n) { b${i + 1} n * 2 -> b${i + 1} n * 2 + 1 }\n`).join("")}block b60(n) { rleu -> fc n / 0 }\nmodel M { input 3@8x8\n b0 1 }`,
      ["CNN213"],
    ],
    [
      "names that nothing has",
      `${Array.from({ length: 15_000 }, (_, i) => `block b${i}x { }\n`).join("")}model M { input 3@8x8\n${Array.from({ length: 50_000 }, (_, i) => `c${i}y\n`).join("")} }`,
      ["CNN201"],
    ],
    ["a billion parameters", "model M { input 1000@10x10\n fc 10000 }", ["CNN213"]],
    ["2^31 elements", "model M { input 32@8192x8192 }", ["CNN213"]],
    ["2^31 elements of a layer", "model M { input 1@8192x8192\n conv 32@1x1 }", ["CNN213"]],
    ["2^31 elements together", `model M { input 16@8192x8192\n concat { skip skip } }`, ["CNN213"]],
    ["invalid UTF-8 in a comment", "model M { # \ufffd\ufffd\n input 3@8x8\n relu }", ["CNN007"]],
  ])("%s", (_, text, codes) => {
    const start = performance.now();
    expect(codesOf(text)).toEqual(expect.arrayContaining(codes));
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  test("2^31 - 1 elements are not too many", () => {
    expect(codesOf("model M { input 2147483647@1x1\n relu }")).toEqual([]);
  });

  test("the time is that of the layers, however they are written", () => {
    const chain = (count: number) =>
      `model M { input 8@8x8\n${"conv 8@3x3 pad 1 bias off\nbn\nrelu\n".repeat(count / 3)} }`;
    const time = (text: string): number => {
      const start = process.cpuUsage();
      expect(check(text).program).toBeDefined();
      return process.cpuUsage(start).user / 1000;
    };
    time(chain(300));
    const short = Math.max(20, time(chain(2400)));
    expect(time(chain(9600))).toBeLessThan(16 * short);
    expect(time("model M { input 8@8x8\n repeat 3200 { conv 8@3x3 pad 1 bias off -> bn -> relu } }")).toBeLessThan(
      16 * short,
    );
  });
});

test("the JSON lists every layer, with the use of a block that it stands in", () => {
  const [model] = checkReport(check(`${BASIC}model M { input 4@8x8\n basic 4\n fc 10 }`)).models;
  expect(model?.layers.map(({ layer, block }) => [layer, block])).toEqual([
    ["conv 4@3x3 pad 1 bias off", "basic1"],
    ["bn", "basic1"],
    ["relu", "basic1"],
    ["conv 4@3x3 pad 1 bias off", "basic1"],
    ["bn", "basic1"],
    ["add", "basic1"],
    ["relu", "basic1"],
    ["fc 10", undefined],
  ]);
});

describe("warnings", () => {
  const inModel = (lines: string): string => `model M { input 4@8x8\n ${lines}\n fc 10 }`;

  test.each([
    ["conv 4@3x3 bias on -> bn", ["CNN252"]],
    ["conv 4@3x3 -> bn", []],
    ["conv 4@3x3 bias on -> relu -> bn", []],
    ["dropout 0.5 -> bn", ["CNN254"]],
    ["dropout 0.5 -> relu -> bn", ["CNN254"]],
    ["bn -> dropout 0.5", []],
    ["dropout 0.5 -> conv 4@3x3 -> relu", []],
    ["pool max 3", ["CNN251"]],
    ["conv 4@3x3 stride 2", ["CNN251"]],
  ])("%s: %s", (lines, codes) => expect(codesOf(inModel(lines))).toEqual(codes));

  test("names of any kind are used or not", () => {
    expect(
      codesOf(`block b(__proto__, toString = 1) { conv __proto__@toString }\n${inModel("b 3 -> b 4 toString 2")}`),
    ).toEqual([]);
    expect(codesOf(`block b(a, c = a) { conv a@1x1 }\n${inModel("b 3")}`)).toEqual(["CNN255"]);
    expect(codesOf(`block b { c }\nblock c { relu }\n${inModel("c")}`)).toEqual(["CNN256"]);
    expect(codesOf(`block b { c }\nblock c { relu }\n${inModel("relu")}`)).toEqual(["CNN256"]);
    expect(codesOf("model M(w = 3, h = 4) { input w@9x9\n if w > 3 { fc h }\n fc 10 }")).toEqual([]);
  });

  test("of an activation or another width at the end of what is trained", () => {
    const trained = (lines: string): string => `model M { input 3@32x32\n ${lines} }\ntrain { data cifar10 }`;
    expect(codesOf(trained("fc 10 -> tanh"))).toEqual(["CNN253"]);
    expect(codesOf(trained("fc 11"))).toEqual(["CNN304"]);
    expect(codesOf(`block head { fc 10 -> relu }\n${trained("head")}`)).toEqual(["CNN253"]);
  });
});

describe("the table", () => {
  test("shows blocks and repeats with their parts, and adds up", () => {
    const table = renderTable(
      check(`${BASIC}model M { input 4@8x8\n basic 4 -> basic 4\n repeat 2 { conv 4@1x1 -> bn }\n fc 10 }`),
    );
    expect(table).toBe(
      `model M  input 4@8x8

layer                          output   parameters   multiply-adds   receptive field
------------------------------------------------------------------------------------
basic 4  x2                    4@8x8           608          36,864               9x9
  - conv 4@3x3 pad 1 bias off  4@8x8           144           9,216               3x3
    bn                         4@8x8             8               0               3x3
    conv 4@3x3 pad 1 bias off  4@8x8           144           9,216               5x5
    bn                         4@8x8             8               0               5x5
  - skip                       4@8x8
  add                          4@8x8             0               0               5x5
repeat 2                       4@8x8            56           2,048               9x9
  conv 4@1x1                   4@8x8            20           1,024               9x9
  bn                           4@8x8             8               0               9x9
fc 10                          10            2,570           2,560             16x16
------------------------------------------------------------------------------------
total                                        3,234          41,472
`
        .replace(/^(.{29}) {2}/gm, "$1   ")
        .replace(/^-+$/gm, (rule) => `${rule}-`) + table.slice(table.indexOf("\nparameters")),
    );
  });

  test("closes blocks where it would get too long, and opens them all if asked to", () => {
    const result = check(`${BASIC}model M { input 4@8x8\n repeat 30 as i { basic 4 + i } }`);
    const lines = (table: string): number => table.split("\n").length;
    expect(lines(renderTable(result))).toBeLessThan(50);
    expect(lines(renderTable(result, { maximumRows: Number.POSITIVE_INFINITY }))).toBeGreaterThan(180);
  });

  test("is open where a layer fails", () => {
    const result = check(
      `${BASIC}model M { input 4@8x8\n repeat 30 as i { basic 4 + i }\n block2 }\nblock block2 { basic 4 -> conv 3@1x1 -> fc 2 -> pool max 2 }`,
    );
    expect(result.diagnostics.map(({ code }) => code)).toEqual(["CNN215"]);
    expect(renderTable(result)).toMatch(/\n {2}conv 3@1x1 .*\n {2}fc 2 [^\n]*\n$/);
  });
});
