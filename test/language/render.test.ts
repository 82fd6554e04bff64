import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ansiPalette, checkReport, checkText, renderDiagnostics, renderTable } from "../../language/index.ts";

const lenet = readFileSync(new URL("../../examples/lenet.cnn", import.meta.url), "utf8");

function rendered(source: string, file = "test.cnn"): string {
  const { diagnostics } = checkText(source, file);
  return renderDiagnostics(diagnostics, source, file);
}

test("the table of LeNet", () => {
  expect(renderTable(checkText(lenet, "lenet.cnn"))).toBe(`model LeNet  input 3@32x32

layer              output     parameters   multiply-adds   receptive field
--------------------------------------------------------------------------
conv 6@5x5         6@28x28           456         352,800               5x5
bn                 6@28x28            12               0               5x5
relu, pool max 2   6@14x14             0               0               6x6
conv 16@5x5        16@10x10        2,416         240,000             14x14
bn                 16@10x10           32               0             14x14
relu, pool max 2   16@5x5              0               0             16x16
fc 120             120            48,120          48,000             32x32
fc 84              84             10,164          10,080             32x32
fc 10              10                850             840             32x32
--------------------------------------------------------------------------
total                             62,050         651,720

parameters         0.24 MiB  (float32, all trainable)
activations        0.11 MiB  (an image in training: outputs and their gradients)
`);
});

const DEEP = `model Deep {
  input 3@8x8
  conv 16@3x3 pad same
  dropout 0.5 -> relu
  # comments stay out of the way
  pool max 2 -> pool max 2                # 16@2x2
  conv 32@5x5
  fc 10
}
`;

test("with an error the table goes up to the line that fails", () => {
  expect(renderTable(checkText(DEEP, "deep.cnn"))).toBe(`model Deep  input 3@8x8

layer                           output   parameters   multiply-adds   receptive field
-------------------------------------------------------------------------------------
conv 16@3x3 pad same            16@8x8          448          27,648               3x3
dropout 0.5, relu, pool max 2   16@4x4            0               0               4x4
pool max 2                      16@2x2            0               0               6x6
`);
});

test("a diagnostic: code, place, the line before, the arithmetic, a way out", () => {
  expect(rendered(DEEP, "deep.cnn")).toBe(`error[CNN204]: the window is larger than its input
  --> deep.cnn:7:11
   |
 6 |   pool max 2 -> pool max 2                # 16@2x2
 7 |   conv 32@5x5
   |           ^^^ a 5x5 window on 16@2x2 leaves floor((2 + 2*0 - 5) / 1) + 1 = -2 rows
   |
   = help: \`pad same\` keeps 2x2, or take a window of at most 2x2

1 error
`);
});

test("independent errors of all kinds at once, in the file's order, and a note with its own place", () => {
  const source = `model A {
  input 3@32x32
  conv 6@@5x5
  bn scale of
  fc 12
}
train {
  data cifar10
  data shapes
  normalize mean 0.5 sdt 0.5
}
model B {
  input 3@33x33
  pool max 2
  fc 10 -> relu
`;
  expect(rendered(source)).toBe(`error[CNN101]: unexpected \`@\`
  --> test.cnn:3:10
   |
 2 |   input 3@32x32
 3 |   conv 6@@5x5
   |          ^ expected a number, a name or \`(\`
   |
   = help: a layer's maps are written \`6@5x5\`

error[CNN206]: expected \`on\` or \`off\` for \`scale\`
  --> test.cnn:4:12
   |
 3 |   conv 6@@5x5
 4 |   bn scale of
   |            ^^ this is \`of\`
   |
   = help: did you mean \`on\`?

error[CNN304]: the last layer does not fit the data's classes
  --> test.cnn:5:3
   |
 4 |   bn scale of
 5 |   fc 12
   |   ^^^^^ this gives 12, and \`cifar10\` has 10 classes
   |
   = help: end the model with \`fc 10\`

error[CNN307]: \`data\` stands in \`train\` twice
  --> test.cnn:9:3
   |
 8 |   data cifar10
 9 |   data shapes
   |   ^^^^
   |
   = help: keep one of them: this is \`data shapes\`
note: given here already
  --> test.cnn:8:3
   |
 8 |   data cifar10
   |   ------------

error[CNN202]: \`normalize\` has no option \`sdt\`
  --> test.cnn:10:22
   |
 9 |   data shapes
10 |   normalize mean 0.5 sdt 0.5
   |                      ^^^
   |
   = help: did you mean \`std\`?

error[CNN102]: a \`{\` is never closed
  --> test.cnn:12:9
   |
11 | }
12 | model B {
   |         ^ opened here
   |
   = help: write the \`}\` that ends it

error[CNN303]: the input does not fit the data
  --> test.cnn:13:3
   |
12 | model B {
13 |   input 3@33x33
   |   ^^^^^^^^^^^^^ \`cifar10\` gives 3@32x32
   |
   = help: write \`input 3@32x32\`

warning[CNN251]: the stride drops pixels
  --> test.cnn:14:3
   |
13 |   input 3@33x33
14 |   pool max 2
   |   ^^^^^^^^^^ the last row and column of 33x33 are in no window
   |
   = help: \`ceil on\` brings them in

warning[CNN253]: an activation before the loss
  --> test.cnn:15:12
   |
14 |   pool max 2
15 |   fc 10 -> relu
   |            ^^^^ the softmax of \`cross_entropy\` expects any numbers, not these
   |
   = help: end the model with the layer before it

7 errors, 2 warnings
`);
});

test("no diagnostics, no text", () => {
  expect(rendered(lenet)).toBe("");
});

test("an empty file", () => {
  expect(rendered("")).toBe(`error[CNN002]: the file is empty
  --> test.cnn:1:1
   |
 1 |
   | ^
   |
   = help: a model is written \`model Name { input 3@32x32 -> fc 10 }\`

1 error
`);
});

test("tabs, wide characters and control characters do not move the marks", () => {
  const source = 'model M {\n\tinput 3@32x32\n\tfc "特徴\u0007" bias of\n}\n';
  const lines = rendered(source).split("\n");
  expect(lines.slice(4, 6)).toEqual([' 3 |   fc "特徴\ufffd" bias of', "   |      ^^^^^^^ this is a string"]);
  expect(lines.slice(11, 13)).toEqual([' 3 |   fc "特徴\ufffd" bias of', "   |                   ^^ this is `of`"]);
});

test("a long line is shown around its mistake", () => {
  const source = `model M { input 3@32x32 ${"-> relu ".repeat(100)}-> rleu ${"-> relu ".repeat(100)}-> fc 10 }\n`;
  const text = rendered(source);
  const [, , , line = "", marks = ""] = text.split("\n");
  expect(line.length).toBeLessThan(120);
  expect(line.slice(marks.indexOf("^"), marks.lastIndexOf("^") + 1)).toBe("rleu");
  expect(text).toContain("  --> test.cnn:1:828\n");
});

test("the mark of a mistake at the end of a long line is in sight", () => {
  const source = `model M { input 3@32x32 ${"-> relu ".repeat(100)}-> fc ten }`;
  const [, , , line = "", marks = ""] = rendered(source).split("\n");
  expect(line.slice(marks.indexOf("^")).slice(0, 3)).toBe("ten");
});

test("colours are the caller's choice, and do not change the words", () => {
  const { diagnostics } = checkText(DEEP, "deep.cnn");
  const colored = renderDiagnostics(diagnostics, DEEP, "deep.cnn", { color: ansiPalette });
  expect(colored).toContain("\u001b[1m\u001b[31merror[CNN204]\u001b[39m\u001b[22m");
  // oxlint-disable-next-line no-control-regex
  expect(colored.replace(/\u001b\[\d+m/g, "")).toBe(rendered(DEEP, "deep.cnn"));
});

test("the JSON of LeNet", () => {
  const report = checkReport(checkText(lenet, "lenet.cnn"));
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  expect(report).toEqual({
    file: "lenet.cnn",
    models: [
      {
        name: "LeNet",
        layers: [
          { layer: "conv 6@5x5", line: 4, output: "6@28x28", parameters: 456, multiplyAdds: 352800 },
          { layer: "bn", line: 4, output: "6@28x28", parameters: 12, multiplyAdds: 0 },
          { layer: "relu", line: 4, output: "6@28x28", parameters: 0, multiplyAdds: 0 },
          { layer: "pool max 2", line: 4, output: "6@14x14", parameters: 0, multiplyAdds: 0 },
          { layer: "conv 16@5x5", line: 5, output: "16@10x10", parameters: 2416, multiplyAdds: 240000 },
          { layer: "bn", line: 5, output: "16@10x10", parameters: 32, multiplyAdds: 0 },
          { layer: "relu", line: 5, output: "16@10x10", parameters: 0, multiplyAdds: 0 },
          { layer: "pool max 2", line: 5, output: "16@5x5", parameters: 0, multiplyAdds: 0 },
          { layer: "fc 120", line: 6, output: "120", parameters: 48120, multiplyAdds: 48000 },
          { layer: "relu", line: 6, output: "120", parameters: 0, multiplyAdds: 0 },
          { layer: "fc 84", line: 7, output: "84", parameters: 10164, multiplyAdds: 10080 },
          { layer: "relu", line: 7, output: "84", parameters: 0, multiplyAdds: 0 },
          { layer: "fc 10", line: 8, output: "10", parameters: 850, multiplyAdds: 840 },
        ],
        totals: { parameters: 62050, trainable: 62050, multiplyAdds: 651720 },
      },
    ],
    diagnostics: [],
  });
});

test("the JSON of a program with an error", () => {
  const report = checkReport(checkText(DEEP, "deep.cnn"));
  expect(report.models[0]?.layers.map(({ layer }) => layer)).toEqual([
    "conv 16@3x3 pad same",
    "dropout 0.5",
    "relu",
    "pool max 2",
    "pool max 2",
  ]);
  expect(report.diagnostics).toEqual([
    {
      code: "CNN204",
      severity: "error",
      message: "the window is larger than its input",
      file: "deep.cnn",
      line: 7,
      column: 11,
      endLine: 7,
      endColumn: 14,
      label: "a 5x5 window on 16@2x2 leaves floor((2 + 2*0 - 5) / 1) + 1 = -2 rows",
      notes: [],
      edits: [{ replacement: " pad same", file: "deep.cnn", line: 7, column: 14, endLine: 7, endColumn: 14 }],
      help: "`pad same` keeps 2x2, or take a window of at most 2x2",
    },
  ]);
});
