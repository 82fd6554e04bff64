import { expect, test } from "vitest";
import { collectDiagnostics } from "../../language/diagnostic.ts";
import { createSourceMap } from "../../language/sourceMap.ts";
import { parse } from "../../language/parse.ts";
import type { Call, Declaration, Program, Statement, Value } from "../../language/syntaxTree.ts";

function parsed(text: string): Program {
  const { report, diagnostics } = collectDiagnostics();
  const program = parse(text, report);
  expect(diagnostics(createSourceMap("test.cnn", text))).toEqual([]);
  return program;
}

function bodyOf(declaration: Declaration | undefined): readonly Statement[] {
  if (declaration === undefined || !("body" in declaration)) throw new Error("no body");
  return declaration.body?.statements ?? [];
}

/** Everything of the language's description that this version only parses. */
const RESNET = `use "blocks.cnn"
block basic(width, stride = 1) {
  add {
    branch {
      conv width@3x3 stride stride pad 1 bias off -> bn -> relu
      conv width@3x3 pad 1 bias off -> bn
    }
    branch {
      if stride != 1 or width != in.channels {
        conv width@1x1 stride stride bias off -> bn
      } else if not (width < 3) {
        relu
      }
      else { skip }
    }
  }
  relu
}

model ResNet20(width = 16) {
  input 3@32x32
  conv width@3x3 pad 1 bias off -> bn -> relu
  repeat 3 as i { basic width }
  basic width * 2 stride 2
  mul { branch { pool avg global -> conv 4@1x1 -> relu -> conv 64@1x1 -> sigmoid } skip }
  conv width * 4@1x(k) -> conv 64@k
  conv 1@3x3 weights [-1 2 -1; -1 2 -1; -1 2 -1]
  slice 0, 58
  fc 10
}
`;

test("blocks, branches, repetition and choice parse", () => {
  const { declarations } = parsed(RESNET);
  expect(declarations.map(({ kind }) => kind)).toEqual(["use", "block", "model"]);
  const [, block, model] = declarations;
  expect(block).toMatchObject({
    name: { text: "basic" },
    parameters: [
      { name: { text: "width" }, default: undefined },
      { name: { text: "stride" }, default: { kind: "number", value: 1 } },
    ],
  });
  const [add] = bodyOf(block);
  expect(add).toMatchObject({ kind: "call", name: { text: "add" }, groups: [] });
  const [, second] = (add as Call).body?.statements ?? [];
  expect((second as Call).body?.statements[0]).toMatchObject({
    kind: "if",
    choices: [{ condition: { kind: "chain" } }, { condition: { kind: "unary", operators: ["not"] } }],
    otherwise: { statements: [{ name: { text: "skip" } }] },
  });
  expect(bodyOf(model)[4]).toMatchObject({ kind: "repeat", index: { text: "i" }, count: { value: 3 } });
});

test("every node has the span of its words", () => {
  const { declarations } = parsed(RESNET);
  const words = ({ span }: { span: { start: number; end: number } }): string => RESNET.slice(span.start, span.end);
  const statements = bodyOf(declarations[2]);
  expect(statements.map(words).slice(0, 6)).toEqual([
    "input 3@32x32",
    "conv width@3x3 pad 1 bias off",
    "bn",
    "relu",
    "repeat 3 as i { basic width }",
    "basic width * 2 stride 2",
  ]);
  const call = statements[5] as Call;
  expect(call.groups.map(words)).toEqual(["width * 2", "stride", "2"]);
  const conv = statements[7] as Call;
  const maps = conv.groups[0]?.values[0];
  expect(maps).toMatchObject({ kind: "maps", count: { kind: "chain" }, size: { kind: "size" } });
  expect(maps && words(maps)).toBe("width * 4@1x(k)");
  const model = declarations[2];
  expect(model?.kind === "model" && model.body.joined.slice(0, 6)).toEqual([false, false, true, true, false, false]);
});

/** The first group of the only layer, written back with all its parentheses. */
function shown(text: string): string {
  const { declarations } = parsed(`model M { layer ${text} }`);
  const call = bodyOf(declarations[0])[0] as Call;
  return call.groups.map(({ values }) => values.map(show).join(",")).join(" ");
}

function show(value: Value): string {
  switch (value.kind) {
    case "number":
      return `${value.value}`;
    case "name":
      return value.text;
    case "member":
      return `${value.object.text}.${value.property.text}`;
    case "string":
      return JSON.stringify(value.text);
    case "matrix":
      return `[${value.rows.map((row) => row.join(" ")).join("; ")}]`;
    case "maps":
      return `${show(value.count)}@${show(value.size)}`;
    case "size":
      return `${show(value.height)}x${show(value.width)}`;
    case "function":
      return `${value.name.text}(${value.arguments.map(show).join(",")})`;
    case "unary":
      return `(${value.operators.join(" ")} ${show(value.operand)})`;
    case "chain":
      return `(${[show(value.first), ...value.rest.map((link) => `${link.operator} ${show(link.operand)}`)].join(" ")})`;
    default:
      return value satisfies never;
  }
}

test.each([
  ["1 + 2 * 3 - 4", "(1 + (2 * 3) - 4)"],
  ["a - 1", "(a - 1)"],
  ["a-1", "(a - 1)"],
  ["a -1", "a (- 1)"],
  ["- - 1", "(- - 1)"],
  ["-1, -2", "(- 1),(- 2)"],
  ["not a and b or c == 2", "(((not a) and b) or (c == 2))"],
  ["(1 + 2) * 3", "((1 + 2) * 3)"],
  ["3x5", "3x5"],
  ["x", "x"],
  ["max", "max"],
  ["max(1, x)", "max(1,x)"],
  ["(a)x3", "ax3"],
  ["1x(k + 1)", "1x(k + 1)"],
  ["width * 4@1x1", "(width * 4)@1x1"],
  ["64@k", "64@k"],
  ["64@3 stride 2x1 bias off", "64@3 stride 2x1 bias off"],
  [".5 1e-5 2.5E+3", "0.5 0.00001 2500"],
  ["in.channels / 4", "(in.channels / 4)"],
  ['"a b"', '"a b"'],
  ["[-1 2; 3 -4]", "[-1 2; 3 -4]"],
  ["[-1 2;\n 3 - 4]", "[-1 2; 3 -4]"],
  ["1 +\n 2,\n 3", "(1 + 2),3"],
])("`layer %s` is read as %s", (text, wanted) => {
  expect(shown(text)).toBe(wanted);
});
