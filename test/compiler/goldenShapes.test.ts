/**
 * What the language makes of a convolution or a pool that PyTorch has computed: the golden cases written as programs give
 * PyTorch's output shapes, paddings (also of `same`) and weight shapes.
 */
import { describe, expect, it } from "vitest";
import { type Padding, type Pair, checkText } from "../../language/index.ts";
import {
  type GoldenConvolution,
  type GoldenPool,
  type OperatorCase,
  operatorCases,
  tensorNamed,
} from "../golden/golden.ts";

const by = ([rows, columns]: Pair): string => `${rows}x${columns}`;

/** `pad 1x2`; undefined where the sides differ, which only `same` can say. */
function padText({ top, bottom, left, right }: Padding): string | undefined {
  return top === bottom && left === right ? `pad ${top}x${left}` : undefined;
}

function convolutionText({ attributes, output }: OperatorCase<"conv2d">): string | undefined {
  const { kernel, stride, padding, dilation, groups, bias, same }: GoldenConvolution = attributes;
  const pad = same ? "pad same" : padText(padding);
  const words = `conv ${output.shape[1]}@${by(kernel)} stride ${by(stride)} ${pad} dilation ${by(dilation)}`;
  return pad && `${words} groups ${groups} bias ${bias ? "on" : "off"}`;
}

function poolText(word: "max" | "avg", { kernel, stride, padding, ceil }: GoldenPool): string | undefined {
  const pad = padText(padding);
  return pad && `pool ${word} ${by(kernel)} stride ${by(stride)} ${pad} ceil ${ceil ? "on" : "off"}`;
}

interface Written {
  readonly one: OperatorCase;
  readonly line: string;
}

const written: readonly Written[] = [
  ...operatorCases("conv2d").map((one) => ({ one, line: convolutionText(one) })),
  ...operatorCases("max_pool2d").map((one) => ({ one, line: poolText("max", one.attributes) })),
  ...operatorCases("avg_pool2d").map((one) => ({ one, line: poolText("avg", one.attributes) })),
].flatMap(({ one, line }): Written[] => (line === undefined ? [] : [{ one, line }]));

describe("a program gives PyTorch's shapes", () => {
  it.each(written.map(({ one, line }) => [`${one.operator} ${one.name}: ${line}`, one, line] as const))(
    "%s",
    (_, one, line) => {
      const [, channels = 0, height = 0, width = 0] = tensorNamed(one.inputs, "x").shape;
      const checked = checkText(`model M {\n  input ${channels}@${height}x${width}\n  ${line}\n}\n`, "golden.cnn");
      const [layer] = checked.program?.models[0]?.layers ?? [];
      const errors = checked.diagnostics.filter(({ severity }) => severity === "error");
      expect(errors.map(({ message }) => message)).toEqual([]);
      const { channels: maps, height: rows, width: columns } = layer?.outputShape ?? {};
      expect([maps, rows, columns]).toEqual(one.output.shape.slice(1));
      const { padding, kernel, stride } = one.attributes as GoldenPool;
      expect(layer?.attributes).toMatchObject({ padding, kernel, stride });
      for (const { name, shape } of layer?.parameters ?? []) expect(shape).toEqual(tensorNamed(one.inputs, name).shape);
    },
  );

  it("most cases can be written", () => {
    const all = ["conv2d", "max_pool2d", "avg_pool2d"] as const;
    const count = all.reduce((sum, operator) => sum + operatorCases(operator).length, 0);
    expect(count - written.length).toBeLessThanOrEqual(2);
  });
});
