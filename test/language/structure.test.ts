/** Blocks, repeats, choices, merges, used files and values from outside: what they become. */
import { describe, expect, test } from "vitest";
import {
  checkReport,
  checkText,
  renderDiagnostics,
  shapeText,
  type CheckedModel,
  type CheckOptions,
  type CheckResult,
} from "../../language/index.ts";

const check = (text: string, options?: CheckOptions): CheckResult => checkText(text, "net.cnn", options);

function modelOf(text: string, options?: CheckOptions): CheckedModel {
  const { program, diagnostics } = check(text, options);
  expect(diagnostics).toEqual([]);
  const model = program?.models[0];
  if (model === undefined) throw new Error("no model");
  return model;
}

const layersOf = (text: string, options?: CheckOptions): string[] =>
  modelOf(text, options).layers.map(({ name, text: words, inputs }) => `${name}: ${words} <- ${inputs.join(", ")}`);

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

describe("blocks and branches", () => {
  test("become a graph with dotted names, in the order of the text", () => {
    const text = `${BASIC}model M { input 4@8x8\n basic 4\n basic 8 stride 2\n fc 10 }`;
    expect(layersOf(text)).toEqual([
      "basic1.conv1: conv 4@3x3 pad 1 bias off <- -1",
      "basic1.bn1: bn <- 0",
      "basic1.relu1: relu <- 1",
      "basic1.conv2: conv 4@3x3 pad 1 bias off <- 2",
      "basic1.bn2: bn <- 3",
      "basic1.add1: add <- 4, -1",
      "basic1.relu2: relu <- 5",
      "basic2.conv1: conv 8@3x3 stride 2 pad 1 bias off <- 6",
      "basic2.bn1: bn <- 7",
      "basic2.relu1: relu <- 8",
      "basic2.conv2: conv 8@3x3 pad 1 bias off <- 9",
      "basic2.bn2: bn <- 10",
      "basic2.conv3: conv 8@1x1 stride 2 bias off <- 6",
      "basic2.bn3: bn <- 12",
      "basic2.add1: add <- 11, 13",
      "basic2.relu2: relu <- 14",
      "fc1: fc 10 <- 15",
    ]);
    const { layers } = modelOf(text);
    expect(layers[0]?.parameters[0]?.path).toBe("basic1.conv1.weight");
    expect(layers[14]).toMatchObject({ kind: "add", outputShape: { channels: 8, height: 4, width: 4 } });
    expect(layers[0]?.within).toMatchObject({
      kind: "branch",
      name: "basic1.add1",
      index: 0,
      parent: { kind: "block", name: "basic1", text: "basic 4", line: 16, parent: undefined },
    });
  });

  test.each([
    ["basic 4", "basic 4"],
    ["basic width", "basic 16"],
    ["basic width stride 2", "basic 16 stride 2"],
    ["basic width 8", "basic 8"],
    ["basic stride 2 width 8", "basic 8 stride 2"],
    ["basic width width stride stride", "basic 16 stride 2"],
    ["basic width, stride", "basic 16 stride 2"],
    ["basic width * 2 stride 2", "basic 32 stride 2"],
  ])("`%s` gives its parameters their values", (call, text) => {
    const { layers } = modelOf(`${BASIC}model M(width = 16, stride = 2) {
      input 4@8x8\n ${call}\n conv width@1x1 stride stride\n fc 10 }`);
    expect(layers[0]?.within?.parent?.text).toBe(text);
  });

  test("defaults depend on what arrives and on the parameters before; words and truths are handed on", () => {
    const text = `block b(width = in.channels * 2, half = width / 2, padding = same, biased = off, deep = width > 3) {
      conv half@3x3 pad padding bias biased
      if deep { relu }
      if biased { bn eps half / 8 }
    }
    model M { input 4@8x8\n b -> b biased on\n fc 10 }`;
    expect(layersOf(text)).toEqual([
      "b1.conv1: conv 4@3x3 pad same bias off <- -1",
      "b1.relu1: relu <- 0",
      "b2.conv1: conv 4@3x3 pad same <- 1",
      "b2.relu1: relu <- 2",
      "b2.bn1: bn eps 0.5 <- 3",
      "fc1: fc 10 <- 4",
    ]);
  });

  test("the name of a layer may be a value: the layer stands where the parameter stands", () => {
    const unit = "block unit(width, act = relu) { conv width@1x1 -> act }\n";
    const inner = "block outer(act) { unit 2 act act -> act }\n";
    const text = `${unit}${inner}model M(act = gelu) { input 1@4x4\n outer tanh\n unit 3\n outer act\n act }`;
    const words = (options?: CheckOptions): string[] => modelOf(text, options).layers.map((layer) => layer.text);
    const conv = (width: number, ...acts: string[]): string[] => [`conv ${width}@1x1`, ...acts];
    expect(words()).toEqual([...conv(2, "tanh", "tanh"), ...conv(3, "relu"), ...conv(2, "gelu", "gelu"), "gelu"]);
    expect(words({ set: { act: "silu" } }).slice(-2)).toEqual(["silu", "silu"]);
    expect(modelOf(text).layers.at(-1)?.name).toBe("gelu1");
    // A layer is never hidden by a parameter of its name.
    expect(layersOf("model M(scale = 3) { input 1@1x1\n scale 2\n fc scale }")[0]).toBe("scale1: scale 2 <- -1");
  });

  test("a parameter that stands for no layer, a layer that needs arguments, and a forgotten arrow are errors", () => {
    const model = (use: string): string => `block unit(act, n = 3) { act }\nmodel M { input 1@4x4\n ${use} }`;
    expect(codesOf(model("unit 3"))).toContain("CNN201");
    expect(codesOf(model("unit conv"))).toContain("CNN205");
    expect(codesOf(model("unit act conv"))).toContain("CNN216");
    expect(codesOf(model("unit rleu"))).toContain("CNN216");
    expect(check(model("unit relu gelu")).diagnostics[0]).toMatchObject({
      code: "CNN205",
      message: "`gelu` stands behind `unit` without an arrow",
    });
    expect(codesOf("model M(act = relu) { input 1@4x4\n conv 3@1x1 act }")).toEqual(["CNN205"]);
    expect(codesOf("model M(act = relu) { input 1@4x4\n act }", { set: { act: "conv" } })).toEqual(["CNN201"]);
  });

  test("a block in a block, and a name that two would have", () => {
    const text = `block a { relu }\nblock a1 { tanh }\nblock outer { a -> a }
    model M { input 4@8x8\n ${"a -> ".repeat(11)} a1 -> outer -> outer }`;
    const names = modelOf(text).layers.map(({ name }) => name);
    expect(names.slice(9)).toEqual([
      "a10.relu1",
      "a11.relu1",
      "a12.tanh1",
      "outer1.a1.relu1",
      "outer1.a2.relu1",
      "outer2.a1.relu1",
      "outer2.a2.relu1",
    ]);
  });

  test("repeat counts from 0, and the layers go on counting", () => {
    const text = `model M { input 4@8x8\n repeat 3 as i { conv 4 + i@1x1 }\n repeat 0 { relu }\n conv 9@1x1 }`;
    expect(layersOf(text)).toEqual([
      "conv1: conv 4@1x1 <- -1",
      "conv2: conv 5@1x1 <- 0",
      "conv3: conv 6@1x1 <- 1",
      "conv4: conv 9@1x1 <- 2",
    ]);
  });

  test("branches may be repeated and chosen", () => {
    const text = `model M(paths = 2, wide = 1) { input 4@8x8
      concat {
        repeat paths as i { branch { conv 2 + i@1x1 } }
        if wide == 1 { skip } else { branch { relu } }
      }
      add { skip skip branch { } }
      mul { branch { pool avg global } skip }
    }`;
    expect(layersOf(text)).toEqual([
      "conv1: conv 2@1x1 <- -1",
      "conv2: conv 3@1x1 <- -1",
      "concat1: concat <- 0, 1, -1",
      "add1: add <- 2, 2, 2",
      "pool1: pool avg global <- 3",
      "mul1: mul <- 4, 3",
    ]);
    expect(
      modelOf(text)
        .layers.map(({ outputShape }) => shapeText(outputShape))
        .slice(2),
    ).toEqual(["9@8x8", "9@8x8", "9@1x1", "9@8x8"]);
  });

  test.each([
    ["add", "4@8x8", "branch { conv 1@1x1 } skip", "4@8x8"],
    ["mul", "4@8x8", "branch { pool avg global } skip", "4@8x8"],
    ["mul", "4@8x8", "branch { pool avg global -> fc 4 } skip", "4@8x8"],
    ["add", "4@8x8", "branch { pool avg 8x1 } skip", "4@8x8"],
    ["add", "4@1x1", "branch { fc 4 } branch { fc 4 }", "4"],
    ["concat", "4@1x1", "branch { fc 4 } branch { fc 3 }", "7"],
    ["concat", "4@8x8", "skip branch { conv 3@1x1 } skip", "11@8x8"],
  ])("`%s` of %s { %s } is %s", (merge, input, branches, output) => {
    const { layers } = modelOf(`model M { input ${input}\n ${merge} { ${branches} } }`);
    const last = layers.at(-1);
    expect(last && shapeText(last.outputShape)).toBe(output);
  });

  test("what a merge sees is what its widest branch sees; a spread branch does not change the distance", () => {
    const { layers } = modelOf(`model M { input 4@16x16
      conv 4@3x3 stride 2 pad 1
      add { branch { conv 4@5x5 pad same } skip }
      mul { branch { pool avg global } skip }
      conv 4@3x3 pad same }`);
    expect(layers.map(({ receptiveField: { size, jump } }) => `${size[0]} ${jump[0]}`)).toEqual([
      "3 2",
      "11 2",
      "11 2",
      "25 16",
      "25 2",
      "29 2",
    ]);
  });
});

describe("values from outside", () => {
  const text = "model M(width = 8, act = on) { input 3@8x8\n conv width@3x3\n if act { relu }\n fc 10 }";

  test("replace defaults", () => {
    expect(layersOf(text)[0]).toContain("conv 8@3x3");
    expect(layersOf(text, { set: { width: "12", act: "off" } })).toEqual([
      "conv1: conv 12@3x3 <- -1",
      "fc1: fc 10 <- 0",
    ]);
    expect(layersOf("model M(width) { input 3@8x8\n fc width }", { set: { width: "7" } })).toEqual(["fc1: fc 7 <- -1"]);
  });

  test("that do not fit are errors", () => {
    expect(codesOf(text, { set: { widht: "12" } })).toEqual(["CNN226"]);
    expect(check(text, { set: { widht: "12" } }).diagnostics[0]?.help).toBe("did you mean `width`?");
    expect(codesOf(text, { set: { width: "1 +" } })).toEqual(["CNN226"]);
    expect(codesOf(text, { set: { width: "wide" } })).toEqual(["CNN216"]);
    expect(codesOf(text, { set: { width: "0" } })).toEqual(["CNN207"]);
  });
});

describe("used files", () => {
  const files: Readonly<Record<string, string>> = {
    "nets/lib/a.cnn": 'use "deep/b.cnn"\nblock a(width) { b -> conv width@9x9 }\nmodel Ignored { rleu }',
    "nets/lib/deep/b.cnn": "block b { relu }",
    "nets/lib/circle.cnn": 'use "./circle2.cnn"\nblock c { relu }',
    "nets/lib/circle2.cnn": 'use "circle.cnn"\nblock d { relu }',
    "nets/lib/broken.cnn": "block e { conv 6@ }",
  };
  const use = (lines: string, body: string): CheckResult => {
    const readFile = (path: string): string | undefined => files[path];
    return checkText(`${lines}\nmodel M { input 3@8x8\n ${body} }`, "nets/main.cnn", { readFile });
  };

  test("bring their blocks, and not those that they use themselves", () => {
    expect(use('use "lib/a.cnn"', "b").diagnostics.map(({ code }) => code)).toEqual(["CNN201"]);
    expect(use('use "lib/a.cnn"\nuse "lib/deep/../deep/b.cnn"', "b").diagnostics).toEqual([]);
  });

  test("have their own places in diagnostics", () => {
    const result = use('use "lib/a.cnn"', "a 4");
    expect(result.diagnostics).toMatchObject([
      {
        code: "CNN204",
        file: "nets/lib/a.cnn",
        notes: [{ file: "nets/main.cnn", message: "in `a 4`, used here: 3@8x8 arrives, width = 4" }],
      },
    ]);
    const { diagnostics, source, file, sources } = result;
    expect(renderDiagnostics(diagnostics, source, file, { sources }))
      .toBe(`error[CNN204]: the window is larger than its input
  --> nets/lib/a.cnn:2:34
   |
 1 | use "deep/b.cnn"
 2 | block a(width) { b -> conv width@9x9 }
   |                                  ^^^ a 9x9 window on 3@8x8 leaves floor((8 + 2*0 - 9) / 1) + 1 = 0 rows
   |
   = help: \`pad same\` keeps 8x8, or take a window of at most 8x8
note: in \`a 4\`, used here: 3@8x8 arrives, width = 4
  --> nets/main.cnn:3:2
   |
 3 |  a 4 }
   |  ---

1 error
`);
    expect(checkReport(result).diagnostics[0]).toMatchObject({ file: "nets/lib/a.cnn", line: 2, column: 34 });
  });

  test("in a circle, outside of the folder, missing or broken are errors", () => {
    const found = (lines: string) => use(lines, "fc 10").diagnostics.map(({ code, file }) => `${code} ${file}`);
    expect(found('use "lib/circle.cnn"')).toEqual(["CNN109 nets/lib/circle2.cnn"]);
    expect(found('use "../main.cnn"')).toEqual(["CNN108 nets/main.cnn"]);
    expect(found('use "main.cnn"')).toEqual(["CNN109 nets/main.cnn"]);
    expect(found('use "lib/missing.cnn"')).toEqual(["CNN107 nets/main.cnn"]);
    expect(found('use "lib/broken.cnn"')).toEqual(["CNN101 nets/lib/broken.cnn"]);
    expect(found('use "lib/circle.cnn"\nuse "lib/circle.cnn"')).toEqual(["CNN109 nets/lib/circle2.cnn"]);
  });

  test("more than a hundred are an error", () => {
    const readFile = (path: string): string => `use "${Number(/\d+/.exec(path)?.[0] ?? 0) + 1}.cnn"\nblock b { relu }`;
    const { diagnostics } = checkText('use "1.cnn"\nmodel M { input 3@8x8\n relu }', "0.cnn", { readFile });
    expect(diagnostics.map(({ code }) => code)).toContain("CNN107");
  });

  test("a file of blocks alone is a program", () => {
    expect(codesOf("block b(width) { conv width@3x3 }")).toEqual([]);
    expect(codesOf("block b(width) { conv widht@3x3 }")).toEqual(["CNN216"]);
  });
});

describe("parameters of layers", () => {
  const parametersOf = (line: string) =>
    modelOf(`model M { input 2@8x8\n ${line} }`).layers[0]?.parameters.map(
      ({ name, trainable, counted, learningRate, initial }) => ({ name, trainable, counted, learningRate, initial }),
    );

  test("freeze, all or one of them; what is frozen counts", () => {
    expect(parametersOf("conv 4@3x3 freeze on")?.map(({ trainable, counted }) => [trainable, counted])).toEqual([
      [false, true],
      [false, true],
    ]);
    expect(parametersOf("bn freeze weight")?.map(({ name, trainable }) => [name, trainable])).toEqual([
      ["weight", false],
      ["bias", true],
      ["running_mean", false],
      ["running_var", false],
    ]);
  });

  test("lr multiplies", () => {
    expect(parametersOf("fc 4 lr 0.1")?.map(({ learningRate }) => learningRate)).toEqual([0.1, 0.1]);
  });

  /** torch.nn.init for a weight of [4, 2, 3, 3]: 18 inputs, 36 outputs. */
  test.each([
    ["he", { kind: "normal", deviation: Math.sqrt(2 / 18) }],
    ["he_out", { kind: "normal", deviation: Math.sqrt(2 / 36) }],
    ["lecun", { kind: "normal", deviation: Math.sqrt(1 / 18) }],
    ["xavier", { kind: "uniform", bound: Math.sqrt(6 / 54) }],
    ["zeros", { kind: "constant", value: 0 }],
    ["ones", { kind: "constant", value: 1 }],
    ["0.01", { kind: "normal", deviation: 0.01 }],
  ])("init %s", (init, initial) => {
    const [weight, bias] = parametersOf(`conv 4@3x3 init ${init}`) ?? [];
    expect(weight?.initial).toEqual(initial);
    expect(bias?.initial).toEqual({ kind: "uniform", bound: 1 / Math.sqrt(18) });
  });

  test("weights of a convolution: one matrix for all maps, or one for each; of fc the whole weight", () => {
    const rowsOf = (line: string) => parametersOf(line)?.[0]?.initial;
    expect(rowsOf("conv 3@1x2 weights [1 -2]")).toEqual({ kind: "values", rows: [[1, -2]] });
    expect(rowsOf("conv 2@2x2 weights [1 0; 0 1], [0 1; 1 0]")).toEqual({
      kind: "values",
      rows: [
        [1, 0, 0, 1],
        [0, 1, 1, 0],
      ],
    });
    const fc = "pool avg global -> fc 2 weights [1 2; 3 4]";
    expect(modelOf(`model M { input 2@8x8\n ${fc} }`).layers[1]?.parameters[0]?.initial).toEqual({
      kind: "values",
      rows: [
        [1, 2],
        [3, 4],
      ],
    });
  });
});
