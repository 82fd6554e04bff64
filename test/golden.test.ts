/**
 * The golden values themselves: complete, of the shapes they claim, readable, and drawn as the hash in TypeScript draws.
 * Convolution and linear are also computed here by their plain sums, which fixes what attributes and layouts mean.
 */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { uniform } from "../compiler/nest/random.ts";
import type { PaddingMode } from "../language/checkedProgram.ts";
import {
  goldenImages,
  goldenLabels,
  goldenManifest,
  goldenText,
  initialValues,
  type OperatorCase,
  operatorCases,
  optimizerCases,
  summarize,
  type Tensor,
  tensorNamed,
  trainingCases,
} from "./golden/golden.ts";

const elements = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1);
const tensorsOf = (one: OperatorCase): Tensor[] => [
  ...Object.values(one.inputs),
  one.output,
  one.upstream,
  ...Object.values(one.gradients),
  ...Object.values(one.state),
];

describe("the manifest", () => {
  const manifest = goldenManifest();

  test.each(Object.entries(manifest.files))("%s is what the scripts wrote", (name, { cases, bytes, sha256 }) => {
    const text = goldenText(name);
    expect(Buffer.byteLength(text)).toBe(bytes);
    expect(createHash("sha256").update(text).digest("hex")).toBe(sha256);
    expect(text.trimEnd().split("\n")).toHaveLength(cases);
  });

  test("counts the operators", () => {
    const counts: Record<string, number> = {};
    for (const { operator } of operatorCases()) counts[operator] = (counts[operator] ?? 0) + 1;
    expect(counts).toEqual(manifest.operators);
    expect(Object.keys(counts)).toHaveLength(38);
  });

  test("covers enough cases, in little space", () => {
    expect(manifest.operators["conv2d"]).toBeGreaterThanOrEqual(25);
    expect(manifest.operators["max_pool2d"]).toBeGreaterThanOrEqual(15);
    expect(manifest.operators["avg_pool2d"]).toBeGreaterThanOrEqual(15);
    expect(Object.values(manifest.files).reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(1.6e6);
  });
});

describe("operators", () => {
  const all = operatorCases();

  test("have names of their own", () => {
    expect(new Set(all.map(({ operator, name }) => `${operator} ${name}`)).size).toBe(all.length);
  });

  test("have data for their shapes, finite, and inputs that float32 holds", () => {
    for (const one of all) {
      for (const { shape, data } of tensorsOf(one)) {
        expect(data).toHaveLength(elements(shape));
        expect(data.every(Number.isFinite)).toBe(true);
      }
      for (const { data } of [...Object.values(one.inputs), one.upstream]) {
        expect(data.every((value) => Math.fround(value) === value)).toBe(true);
      }
    }
  });

  test("have gradients of their inputs' shapes", () => {
    const fixed = ["labels", "running_mean", "running_var"];
    for (const one of all) {
      expect(one.upstream.shape).toEqual(one.output.shape);
      expect(Object.keys(one.gradients)).toEqual(Object.keys(one.inputs).filter((name) => !fixed.includes(name)));
      for (const [name, { shape }] of Object.entries(one.gradients)) {
        expect(shape).toEqual(tensorNamed(one.inputs, name).shape);
      }
    }
  });

  test("an unknown tensor is refused by name", () => {
    expect(() => tensorNamed({}, "weight")).toThrow('no tensor "weight"');
  });
});

/** The cell of a map that stands at a place inside or outside of it; zeros have none. */
function cellUnder(mode: PaddingMode, place: number, side: number): number | undefined {
  if (place >= 0 && place < side) return place;
  if (mode === "zeros") return undefined;
  if (mode === "replicate") return place < 0 ? 0 : side - 1;
  return place < 0 ? -place : 2 * (side - 1) - place;
}

/** One output of a convolution by its plain sum, to which padding with zeros adds nothing. */
function convolutionAt(one: OperatorCase<"conv2d">, [n, o, y, x]: readonly [number, number, number, number]): number {
  const { stride, padding, mode = "zeros", dilation, groups, kernel } = one.attributes;
  const input = tensorNamed(one.inputs, "x");
  const weight = tensorNamed(one.inputs, "weight");
  const [, channels = 0, height = 0, width = 0] = input.shape;
  const [outChannels = 0, depth = 0] = weight.shape;
  const firstChannel = Math.floor(o / (outChannels / groups)) * depth;
  let sum = one.inputs["bias"]?.data[o] ?? 0;
  for (let i = 0; i < depth; i++)
    for (let ky = 0; ky < kernel[0]; ky++)
      for (let kx = 0; kx < kernel[1]; kx++) {
        const row = y * stride[0] + ky * dilation[0] - padding.top;
        const column = x * stride[1] + kx * dilation[1] - padding.left;
        const [cellRow, cellColumn] = [cellUnder(mode, row, height), cellUnder(mode, column, width)];
        if (cellRow === undefined || cellColumn === undefined) continue;
        const value = input.data[((n * channels + firstChannel + i) * height + cellRow) * width + cellColumn] ?? NaN;
        sum += value * (weight.data[((o * depth + i) * kernel[0] + ky) * kernel[1] + kx] ?? NaN);
      }
  return sum;
}

describe("convolution", () => {
  test.each(operatorCases("conv2d").map((one) => [one.name, one] as const))("%s is its plain sum", (_, one) => {
    const [batch = 0, channels = 0, height = 0, width = 0] = one.output.shape;
    let place = 0;
    for (let n = 0; n < batch; n++)
      for (let o = 0; o < channels; o++)
        for (let y = 0; y < height; y++)
          for (let x = 0; x < width; x++)
            expect(one.output.data[place++]).toBeCloseTo(convolutionAt(one, [n, o, y, x]), 6);
    expect(place).toBe(one.output.data.length);
  });

  test("sums are exact in float32 in any order: multiples of 1/4096 below 2^12", () => {
    for (const { output } of operatorCases("conv2d"))
      for (const value of output.data) expect(Math.abs(value * 4096 - Math.round(value * 4096))).toBeLessThan(1e-3);
  });
});

describe("linear", () => {
  test.each(operatorCases("linear").map((one) => [one.name, one] as const))("%s is x Wᵀ + b", (_, one) => {
    const x = tensorNamed(one.inputs, "x");
    const weight = tensorNamed(one.inputs, "weight");
    const [outward = 0, inward = 0] = weight.shape;
    one.output.data.forEach((value, place) => {
      const [row, o] = [Math.floor(place / outward), place % outward];
      let sum = one.inputs["bias"]?.data[o] ?? 0;
      for (let i = 0; i < inward; i++) sum += (x.data[row * inward + i] ?? NaN) * (weight.data[o * inward + i] ?? NaN);
      expect(value).toBeCloseTo(sum, 6);
    });
  });
});

describe("maximum pooling", () => {
  test("tied cases are tied, the others are not", () => {
    for (const { name, inputs } of operatorCases("max_pool2d")) {
      const { data } = tensorNamed(inputs, "x");
      if (name.startsWith("tied")) expect(new Set(data).size).toBeLessThanOrEqual(3);
      else if (name !== "all-negative-padded") expect(new Set(data).size).toBe(data.length);
    }
  });
});

describe("optimizers", () => {
  test.each(optimizerCases().map((one) => [one.name, one] as const))("%s has five steps", (_, one) => {
    expect(one.gradients).toHaveLength(5);
    expect(one.parameters).toHaveLength(5);
    for (const { shape, data } of [one.start, ...one.gradients, ...one.parameters]) {
      expect(shape).toEqual([9]);
      expect(data).toHaveLength(9);
    }
    expect(one.parameters[4]?.data).not.toEqual(one.start.data);
  });
});

describe.each(trainingCases().map((one) => [one.name, one] as const))("training %s", (_, one) => {
  test("draws the same images, labels and weights as the scripts", () => {
    one.probe.samples.forEach((sample, place) => {
      expect([...goldenImages(one, sample, 1).subarray(0, 16)]).toEqual(one.probe.images[place]);
    });
    expect([...goldenLabels(one, 0, 16)]).toEqual(one.probe.labels);
    for (const { name, initial } of one.parameters) {
      if (initial.kind !== "hash") continue;
      const drawn = Array.from({ length: 8 }, (__, k) => uniform(initial.index, k, 77));
      (one.probe.weights[name] ?? []).forEach((value, k) => expect(drawn[k]).toBeCloseTo(value, 8));
      expect(one.probe.weights[name]).toHaveLength(8);
    }
  });

  test("starts within the bounds and has moved after the first step", () => {
    const first = one.after.find(({ step }) => step === 1);
    for (const parameter of one.parameters) {
      const start = initialValues(parameter);
      const limit = parameter.initial.kind === "hash" ? parameter.initial.bound : 1;
      expect(start).toHaveLength(elements(parameter.shape));
      expect(start.every((value) => Math.abs(value) <= limit)).toBe(true);
      const after = first?.tensors[parameter.name]?.float64;
      expect(after).toBeDefined();
      // The first step is small: 0.01 an element for Adam, a fraction of the gradient for SGD.
      const moved = summarize(start).first.map((value, k) => Math.abs(value - (after?.first[k] ?? NaN)));
      expect(Math.max(...moved)).toBeLessThan(0.02);
      if (!one.undetermined.includes(parameter.name) && !/^conv[12]\.bias$/.test(parameter.name))
        expect(Math.max(...moved)).toBeGreaterThan(1e-6);
    }
  });

  test("has a loss for each step and a summary for each tensor", () => {
    const names = one.parameters.map(({ name }) => name);
    const statistics = names
      .filter((name) => /^bn\d\.weight$/.test(name))
      .flatMap((name) => ["running_mean", "running_var"].map((kind) => name.replace("weight", kind)));
    expect(one.losses.float64).toHaveLength(one.recipe.steps);
    expect(one.losses.float32).toHaveLength(one.recipe.steps);
    expect(one.losses.drift).toHaveLength(one.recipe.steps);
    expect(Object.keys(one.gradients).sort()).toEqual([...names].sort());
    for (const { tensors } of one.after) {
      expect(Object.keys(tensors).sort()).toEqual([...names, ...statistics].sort());
    }
    expect(one.after.at(-1)?.step).toBe(one.recipe.steps);
    for (const name of one.undetermined) expect([...names, ...statistics]).toContain(name);
  });

  test("float32 stays within its stated drift of float64", () => {
    one.losses.float64.forEach((loss, step) => {
      const single = one.losses.float32[step] ?? NaN;
      expect(Math.abs(single - loss)).toBeLessThanOrEqual((one.losses.drift[step] ?? 0) * 1.01 + 1e-8);
    });
  });
});
