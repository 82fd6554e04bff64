/**
 * What the tutorial teaches, on the reference and on the CPU device: its worked example of a convolution, the sum over
 * channels, maximum and average of patches, the fully connected layer with its bias folded in.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { argument, number, times } from "../../compiler/operators/formula.ts";
import type { Device } from "../../runtime/device/device.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import {
  type CaseGraph,
  evaluateCases,
  type GraphCase,
  type InputTensor,
  origin,
  runCases,
} from "../support/graphCase.ts";
import { values } from "../support/operatorSample.ts";
import { expectClose } from "../support/tolerance.ts";

const tensor = (shape: readonly number[], data: readonly number[]): InputTensor => ({ shape, data });
const around = (of: number) => ({ top: of, bottom: of, left: of, right: of });
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const at = ({ data }: InputTensor, place: number): number => data[place] ?? NaN;

/** The filter that answers to vertical lines. */
const verticalLines = [-1, 2, -1, -1, 2, -1, -1, 2, -1];
/** Its corner is `2 2 / 1 0`. */
const image = tensor([1, 1, 4, 4], [2, 2, 0, 1, 1, 0, 3, 1, 0, 1, 2, 0, 3, 0, 1, 2]);

function convolution(kernel: number, stride: number, padding: number): GraphCase["build"] {
  const pair = (of: number) => [of, of] as const;
  const attributes = {
    kernel: pair(kernel),
    stride: pair(stride),
    padding: around(padding),
    dilation: pair(1),
    groups: 1,
  };
  return ({ builder, input }: CaseGraph) => ({
    out: builder.add("conv", attributes, [input("x"), input("F")], origin),
  });
}

/** `out[x, y, m] = sum over k, i, j in -N..N of in[s·x + i, s·y + j, k] · F[i + N, j + N, k, m]`, zero outside. */
function byTheFormula(x: InputTensor, filter: InputTensor, stride: number): number[] {
  const [, channels = 1, height = 1, width = 1] = x.shape;
  const [filters = 1, , size = 1] = filter.shape;
  const N = (size - 1) / 2;
  const pixel = (k: number, row: number, column: number): number =>
    row < 0 || column < 0 || row >= height || column >= width ? 0 : at(x, (k * height + row) * width + column);
  const weight = (m: number, k: number, i: number, j: number): number =>
    at(filter, ((m * channels + k) * size + i + N) * size + j + N);
  const offsets = range(size).map((i) => i - N);
  const places = (extent: number): number[] => range(Math.floor((extent - 1) / stride) + 1);
  return range(filters).flatMap((m) =>
    places(height).flatMap((row) =>
      places(width).map((column) =>
        range(channels)
          .flatMap((k) =>
            offsets.flatMap((i) =>
              offsets.map((j) => pixel(k, stride * row + i, stride * column + j) * weight(m, k, i, j)),
            ),
          )
          .reduce((a, b) => a + b, 0),
      ),
    ),
  );
}

/** Maximum and mean of the `K x K` patches of each channel; a patch that is not whole is dropped. */
function patches(x: InputTensor, K: number, of: (patch: readonly number[]) => number): number[] {
  const [, channels = 1, height = 1, width = 1] = x.shape;
  return range(channels).flatMap((channel) =>
    range(Math.floor(height / K)).flatMap((row) =>
      range(Math.floor(width / K)).map((column) =>
        of(
          range(K * K).map((p) =>
            at(x, (channel * height + row * K + Math.floor(p / K)) * width + column * K + (p % K)),
          ),
        ),
      ),
    ),
  );
}

function pool(
  operator: "add" | "maximum",
  K: number,
  [, , height = 1, width = 1]: readonly number[],
): GraphCase["build"] {
  const pair = [K, K] as const;
  const output = [Math.floor(height / K), Math.floor(width / K)] as const;
  return ({ builder, input }: CaseGraph) => {
    const attributes = { kernel: pair, stride: pair, padding: around(0), output, operator };
    const out = builder.add("window", attributes, [input("x")], origin);
    if (operator === "maximum") return { out };
    return { out: builder.add("map", { formula: times(argument(0), number(1 / (K * K))) }, [out], origin) };
  };
}

const mean = (patch: readonly number[]): number => patch.reduce((a, b) => a + b, 0) / patch.length;

interface Lesson {
  readonly one: GraphCase;
  readonly expected: readonly number[];
}

function convolutionLesson(name: string, x: InputTensor, F: InputTensor, stride: number): Lesson {
  const size = F.shape[2] ?? 1;
  const one = { name, inputs: { x, F }, build: convolution(size, stride, (size - 1) / 2) };
  return { one, expected: byTheFormula(x, F, stride) };
}

function poolLessons(x: InputTensor, K: number): Lesson[] {
  const shape = x.shape.join("x");
  return [
    {
      one: { name: `the maximum of ${K}x${K} of ${shape}`, inputs: { x }, build: pool("maximum", K, x.shape) },
      expected: patches(x, K, (patch) => Math.max(...patch)),
    },
    {
      one: { name: `the average of ${K}x${K} of ${shape}`, inputs: { x }, build: pool("add", K, x.shape) },
      expected: patches(x, K, mean),
    },
  ];
}

/** `W x + b`, and the same as `[W b] [x 1]`. */
function fullyConnected(): Lesson {
  const [W, x, b] = [values([5, 7], 1), values([7, 1], 2), values([5, 1], 3)];
  const folded = range(5).flatMap((row) => [...range(7).map((k) => at(W, row * 7 + k)), at(b, row)]);
  const one: GraphCase = {
    name: "the bias as a constant input",
    inputs: { W: tensor([5, 8], folded), x: tensor([8, 1], [...Array.from(x.data), 1]) },
    build: ({ builder, input }) => {
      const attributes = { transposeLeft: false, transposeRight: false };
      return { out: builder.add("matmul", attributes, [input("W"), input("x")], origin) };
    },
  };
  const expected = range(5).map((row) => range(7).reduce((sum, k) => sum + at(W, row * 7 + k) * at(x, k), at(b, row)));
  return { one, expected };
}

const photograph = values([1, 3, 11, 9], 4);
const filters = values([4, 3, 3, 3], 5);
const lines = tensor([1, 1, 3, 3], verticalLines);

const lessons: readonly Lesson[] = [
  convolutionLesson("the worked example", image, tensor([1, 1, 3, 3], verticalLines), 1),
  convolutionLesson("a stride of two", image, lines, 2),
  convolutionLesson("filters of the input's depth, one map each", photograph, filters, 1),
  convolutionLesson("filters of the input's depth, a stride of three", photograph, filters, 3),
  convolutionLesson("a five by five filter", photograph, values([2, 3, 5, 5], 6), 2),
  ...poolLessons(image, 2),
  ...poolLessons(photograph, 2),
  ...poolLessons(photograph, 4),
  fullyConnected(),
];

const exactly = { relative: 0, ofLargest: 0 };
const named = lessons.map((lesson, i) => [lesson.one.name, i] as const);

describe("the tutorial, on the reference", () => {
  const results = evaluateCases(lessons.map(({ one }) => one));

  it("the patch 0 0 0 / 0 2 2 / 0 1 0 gives 4", () => {
    expect(results[0]?.["out"]?.[0]).toBe(4);
    expect(results[0]?.["out"]).toHaveLength(16);
  });

  it.each(named)("%s", (name, i) =>
    expectClose(name, results[i]?.["out"], lessons[i]?.expected ?? [], { relative: 1e-15, ofLargest: 0 }),
  );
});

describe("the tutorial, on the CPU device", () => {
  let device: Device | undefined;
  let results: Awaited<ReturnType<typeof runCases>> = [];
  beforeAll(async () => {
    device = await openCpuDevice({ threads: 2 });
    results = await runCases(
      lessons.map(({ one }) => one),
      device,
    );
  });
  afterAll(() => device?.close());

  it("the patch 0 0 0 / 0 2 2 / 0 1 0 gives 4", () => expect(results[0]?.["out"]?.[0]).toBe(4));

  // Sums of multiples of 1/64, and their halves: float32 rounds none of them.
  it.each(named)("%s", (name, i) => expectClose(name, results[i]?.["out"], lessons[i]?.expected ?? [], exactly));
});
