/** What is replaced before fusion computes the same: Winograd's convolutions, strided gradients phase by phase. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGraphBuilder } from "../../compiler/graph/builder.ts";
import { type Graph, size } from "../../compiler/graph/graph.ts";
import { argument, larger, number, plus, times as product } from "../../compiler/operators/formula.ts";
import { outputExtent } from "../../compiler/operators/convolution.ts";
import { applyMatrix } from "../../compiler/operators/linearMap.ts";
import type { ConvolutionAttributes } from "../../compiler/operators/operator.ts";
import { evaluateGraph } from "../../compiler/reference/evaluate.ts";
import { againRule } from "../../compiler/rewrite/again.ts";
import { phaseRule } from "../../compiler/rewrite/phases.ts";
import { rewriteGraph } from "../../compiler/rewrite/rewriteGraph.ts";
import { type WinogradCosts, winogradRule } from "../../compiler/rewrite/winograd.ts";
import { fastCorrelation, type Matrix } from "../../compiler/rewrite/winogradMatrices.ts";
import { backendFor } from "../../compiler/schedule/backends.ts";
import type { Value } from "../../compiler/value.ts";
import { type CpuDevice, openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import { origin } from "../support/graphCase.ts";
import { values } from "../support/operatorSample.ts";
import { runGraphs } from "../support/runGraphs.ts";

const times = (matrix: Matrix, vector: readonly number[]): number[] =>
  matrix.map((row) => row.reduce((sum, factor, i) => sum + factor * (vector[i] ?? 0), 0));

describe("fast correlation", () => {
  it.each([
    [2, 3],
    [4, 3],
    [3, 2],
    [3, 4],
    [2, 5],
    [5, 2],
    [4, 5],
  ])("F(%i, %i) is a correlation", (m, r) => {
    const matrices = fastCorrelation(m, r);
    if (!matrices) throw new Error("there are points enough");
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -64, max: 64 }), { minLength: m + r - 1, maxLength: m + r - 1 }),
        fc.array(fc.integer({ min: -64, max: 64 }), { minLength: r, maxLength: r }),
        (input, filter) => {
          const taps = times(matrices.filter, filter);
          const products = times(matrices.input, input).map((value, i) => value * (taps[i] ?? 0));
          times(matrices.outputs, products).forEach((value, i) => {
            const wanted = filter.reduce((sum, tap, k) => sum + tap * (input[i + k] ?? 0), 0);
            expect(Math.abs(value - wanted)).toBeLessThanOrEqual(1e-9 * 64 * 64 * r);
          });
        },
      ),
      { seed: 50 },
    );
  });

  it("has no matrices for tiles larger than its points reach", () => {
    expect(fastCorrelation(6, 5)).toBeUndefined();
  });
});

/** Values by number, and how many operations they took. */
function evaluate(results: readonly Value[], inputs: readonly number[]): { numbers: number[]; operations: number } {
  const known = new Map<Value, number>();
  let operations = 0;
  const numberOf = (value: Value): number => {
    const found = known.get(value);
    if (found !== undefined) return found;
    let result: number;
    if (value.kind === "constant") result = value.value;
    else if (value.kind === "access") result = inputs[value.tensor] ?? NaN;
    else if (value.kind === "binary") {
      const [left, right] = [numberOf(value.left), numberOf(value.right)];
      operations++;
      if (value.operator === "add") result = left + right;
      else if (value.operator === "subtract") result = left - right;
      else result = left * right;
    } else if (value.kind === "unary") {
      operations++;
      result = -numberOf(value.operand);
    } else throw new Error(`${value.kind} is no part of a linear map`);
    known.set(value, result);
    return result;
  };
  return { numbers: results.map(numberOf), operations };
}

describe("a constant matrix times values", () => {
  const inputsOf = (count: number): Value[] =>
    Array.from({ length: count }, (_, tensor): Value => ({ kind: "access", tensor, coordinates: [] }));

  it("is the plain product, for any matrix", () => {
    const entry = fc.constantFrom(-2, -1, 0, 0, 1, 1, 0.5, 4);
    const matrices = fc
      .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))
      .chain(([rows, columns]) =>
        fc.array(fc.array(entry, { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows }),
      );
    fc.assert(
      fc.property(matrices, fc.integer({ min: 0, max: 1000 }), (matrix, seed) => {
        const columns = matrix[0]?.length ?? 0;
        const inputs = Array.from({ length: columns }, (_, i) => ((i * 37 + seed * 11) % 64) - 32);
        expect(evaluate(applyMatrix(matrix, inputsOf(columns)), inputs).numbers.map((x) => x + 0)).toEqual(
          times(matrix, inputs).map((x) => x + 0),
        );
      }),
      { numRuns: 300, seed: 51 },
    );
  });

  it("takes few operations for the matrices of F(4, 3)", () => {
    const { input = [], outputs = [] } = fastCorrelation(4, 3) ?? {};
    const plain = (matrix: Matrix): number =>
      matrix.reduce((sum, row) => sum + row.filter((x) => x !== 0).length * 2 - 1, 0);
    for (const matrix of [input, outputs]) {
      const { operations } = evaluate(applyMatrix(matrix, inputsOf(6)), [1, 2, 3, 4, 5, 6]);
      expect(operations).toBeLessThan(plain(matrix) * 0.62);
    }
  });
});

type Kind = "conv" | "convInput" | "convWeight";

/** One convolution or gradient of it, with its inputs as states. */
function graphOf(
  kind: Kind,
  attributes: ConvolutionAttributes,
  use: Use,
): { graph: Graph; states: Record<string, Float32Array> } {
  const { batch, inputs, outputs, map, seed } = use;
  const { kernel, stride, padding, dilation } = attributes;
  const out = [
    outputExtent(map[0], kernel[0], stride[0], padding.top, padding.bottom, dilation[0]),
    outputExtent(map[1], kernel[1], stride[1], padding.left, padding.right, dilation[1]),
  ];
  const shapes = {
    x: [batch, inputs, ...map],
    weight: [outputs, inputs, ...kernel],
    gradient: [batch, outputs, ...out],
  };
  const builder = createGraphBuilder("run");
  const state = (name: keyof typeof shapes): number => builder.state({ name, shape: shapes[name], type: "f32" });
  const build: Record<Kind, () => number> = {
    conv: () => builder.add("conv", attributes, [state("x"), state("weight")], origin),
    convInput: () =>
      builder.add("convInput", { ...attributes, size: map }, [state("gradient"), state("weight")], origin),
    convWeight: () => builder.add("convWeight", attributes, [state("x"), state("gradient")], origin),
  };
  const node = build[kind]();
  builder.update({ name: "out", shape: builder.shapeOf(node), type: "f32" }, node);
  const states = Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => [name, Float32Array.from(values(shape, seed + i).data)]),
  );
  return { graph: builder.finish(), states };
}

const samePadding = { padding: { top: 1, bottom: 1, left: 1, right: 1 }, dilation: [1, 1], groups: 1 } as const;

interface Use {
  readonly batch: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly map: readonly [number, number];
  readonly seed: number;
}

const upTo = (most: number, least = 1): fc.Arbitrary<number> => fc.integer({ min: least, max: most });
const pair = (of: fc.Arbitrary<number>): fc.Arbitrary<readonly [number, number]> => fc.tuple(of, of);

const uses = fc.record({
  kind: fc.constantFrom<Kind>("conv", "convInput", "convWeight"),
  use: fc.record({
    batch: fc.constantFrom(1, 2, 7, 8),
    inputs: upTo(9),
    outputs: upTo(9),
    map: pair(upTo(12, 3)),
    seed: upTo(1e6),
  }),
  kernel: fc.constantFrom(3, 2, 5),
  padding: fc.record({ top: upTo(2, 0), bottom: upTo(2, 0), left: upTo(2, 0), right: upTo(2, 0) }),
});

const ways = fc.constantFrom("transpose", "correlation");
const free: WinogradCosts = {
  split: 0,
  join: 0,
  groupElements: 4000,
  channelsFirst: false,
  inputGradient: "transpose",
};

function updated(graph: Graph, states: Readonly<Record<string, ArrayLike<number>>>): ArrayLike<number> {
  const found = graph.updates.map(({ value }) => evaluateGraph(graph, states).get(value));
  return found[0] ?? [];
}

function largestDifference(expected: ArrayLike<number>, actual: ArrayLike<number>): number {
  let worst = expected.length === actual.length ? 0 : Infinity;
  let largest = 1;
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs((expected[i] ?? 0) - (actual[i] ?? NaN)));
    largest = Math.max(largest, Math.abs(expected[i] ?? 0));
  }
  return worst / largest;
}

const operatorsOf = (graph: Graph): string[] => graph.nodes.map(({ operator }) => operator);

describe("rewriting", () => {
  it("Winograd's convolutions are convolutions, all three of them", () => {
    let rewritten = 0;
    fc.assert(
      fc.property(uses, fc.boolean(), ways, ({ kind, use, kernel, padding }, channelsFirst, inputGradient) => {
        const attributes = { kernel: [kernel, kernel], stride: [1, 1], padding, dilation: [1, 1], groups: 1 } as const;
        fc.pre(use.map.every((extent) => extent >= kernel));
        const { graph, states } = graphOf(kind, attributes, use);
        const other = rewriteGraph(graph, winogradRule({ ...free, channelsFirst, inputGradient }));
        if (operatorsOf(other).includes("tileJoin")) rewritten++;
        expect(largestDifference(updated(graph, states), updated(other, states))).toBeLessThan(1e-10);
      }),
      { numRuns: 60, seed: 52 },
    );
    expect(rewritten).toBeGreaterThan(10);
  });

  it("strided gradients phase by phase are the same gradients", () => {
    const strided = fc.record({
      use: uses.map(({ use }) => use),
      kernel: pair(upTo(4)),
      stride: pair(upTo(3)),
      padding: uses.map(({ padding }) => padding),
    });
    let rewritten = 0;
    fc.assert(
      fc.property(strided, ({ use, kernel, stride, padding }) => {
        fc.pre(use.map.every((extent, d) => extent >= (kernel[d] ?? 1)));
        const attributes = { kernel, stride, padding, dilation: [1, 1], groups: 1 } as const;
        const { graph, states } = graphOf("convInput", attributes, use);
        const other = rewriteGraph(graph, phaseRule);
        if (operatorsOf(other).includes("convInputPhases")) rewritten++;
        expect(largestDifference(updated(graph, states), updated(other, states))).toBeLessThan(1e-12);
      }),
      { numRuns: 60, seed: 52 },
    );
    expect(rewritten).toBeGreaterThan(5);
  });

  const plain = { padding: { top: 1, bottom: 1, left: 1, right: 1 }, dilation: [1, 1], groups: 1 } as const;
  const wide: Use = { batch: 4, inputs: 32, outputs: 32, map: [16, 16], seed: 1 };
  const cpu = backendFor({ kind: "wasm", relaxedSimd: true }).rewrites;

  it.each([
    ["a wide 3x3", { kernel: [3, 3], stride: [1, 1] }, wide, true],
    ["1x1", { kernel: [1, 1], stride: [1, 1] }, wide, false],
    ["stride 2", { kernel: [3, 3], stride: [2, 2] }, wide, false],
    ["three channels", { kernel: [3, 3], stride: [1, 1] }, { ...wide, inputs: 3 }, false],
    ["an odd map", { kernel: [3, 3], stride: [1, 1] }, { ...wide, map: [15, 15] }, false],
  ] as const)("takes Winograd where it pays: %s", (_, window, use, pays) => {
    const { graph } = graphOf("conv", { ...plain, ...window }, use);
    expect(operatorsOf(cpu.reduce(rewriteGraph, graph)).includes("tileJoin")).toBe(pays);
  });
});

describe("computing again", () => {
  const attributes = { kernel: [3, 3], stride: [1, 1], ...samePadding } as const;
  const shape = [4, 16, 8, 8];

  /** A relu's maps, a convolution of them, and both its gradients, of a gradient that needs the convolution. */
  function convolvedRelu(keepsMaps: boolean): { graph: Graph; states: Record<string, Float32Array> } {
    const builder = createGraphBuilder("run");
    const states: Record<string, Float32Array> = {};
    const state = (name: string, of: readonly number[]): number => {
      states[name] = Float32Array.from(values(of, Object.keys(states).length).data);
      return builder.state({ name, shape: of, type: "f32" });
    };
    const weight = state("weight", [16, 16, 3, 3]);
    const given = state("given", shape);
    const relu = builder.add("map", { formula: larger(argument(0), number(0)) }, [given], origin);
    const out = builder.add("conv", attributes, [relu, weight], origin);
    const gradient = builder.add("map", { formula: product(argument(0), argument(0)) }, [out], origin);
    const back = { ...origin, role: "filter gradient" };
    const input = builder.add("convInput", { ...attributes, size: [8, 8] }, [gradient, weight], back);
    const filters = builder.add("convWeight", attributes, [relu, gradient], back);
    const mask = builder.add("map", { formula: plus(argument(0), argument(0)) }, [keepsMaps ? relu : given], origin);
    for (const [name, node] of Object.entries({ out, input, filters, mask }))
      builder.update({ name, shape: builder.shapeOf(node), type: "f32" }, node);
    return { graph: builder.finish(), states };
  }

  const tiled = (graph: Graph): Graph => rewriteGraph(graph, winogradRule(free));
  const repeated = (graph: Graph): string[] =>
    graph.nodes.flatMap((node) => (node.origin.again ? [`${node.operator}: ${node.origin.role}`] : []));

  it("makes tiles of the input for the filters' gradient, with the relu's maps that only tiles read, and the gradient's once", () => {
    const { graph, states } = convolvedRelu(false);
    const other = rewriteGraph(tiled(graph), againRule(0));
    expect(repeated(other)).toEqual(["map: filter gradient, again", "tileSplit: filter gradient, tiles again"]);
    const [found, wanted] = [evaluateGraph(other, states), evaluateGraph(tiled(graph), states)];
    other.updates.forEach(({ value }, i) =>
      expect(found.get(value)).toEqual(wanted.get(tiled(graph).updates[i]?.value ?? -1)),
    );
  });

  it("reads maps that something else reads, too", () => {
    const { graph } = convolvedRelu(true);
    expect(repeated(rewriteGraph(tiled(graph), againRule(0)))).toEqual(["tileSplit: filter gradient, tiles again"]);
  });
});

describe("on the CPU device", () => {
  let device: CpuDevice;
  beforeAll(async () => {
    device = await openCpuDevice();
  });
  afterAll(() => device.close());

  it.each(["conv", "convInput", "convWeight"] as const)("%s by Winograd is near the reference", async (kind) => {
    const attributes = { kernel: [3, 3], stride: [1, 1], ...samePadding } as const;
    const { graph, states } = graphOf(kind, attributes, { batch: 8, inputs: 20, outputs: 24, map: [16, 8], seed: 5 });
    expect(size(graph.updates[0]?.state.shape ?? [])).toBeGreaterThan(1000);
    const { out = new Float32Array() } = await runGraphs([{ graph, states }], device);
    // Products of tiles are up to ten times the values that they cancel to: a digit less than a plain sum has.
    expect(largestDifference(updated(graph, states), out)).toBeLessThan(5e-6);
  });

  /** As in every training step: where there are as many channels in as out, one kernel prepares both filters. */
  it.each([16, 24])("a convolution and its input's gradient with one filter of %i channels", async (channels) => {
    const attributes = { kernel: [3, 3], stride: [1, 1], ...samePadding } as const;
    const use: Use = { batch: 2, inputs: channels, outputs: channels, map: [8, 8], seed: 9 };
    const { states } = graphOf("conv", attributes, use);
    const builder = createGraphBuilder("run");
    const shape = [use.batch, channels, ...use.map];
    const [x, gradient] = ["x", "gradient"].map((name) => builder.state({ name, shape, type: "f32" }));
    const weight = builder.state({ name: "weight", shape: [channels, channels, 3, 3], type: "f32" });
    const forward = builder.add("conv", attributes, [x ?? -1, weight], origin);
    const backward = builder.add("convInput", { ...attributes, size: use.map }, [gradient ?? -1, weight], origin);
    builder.update({ name: "forward", shape, type: "f32" }, forward);
    builder.update({ name: "backward", shape, type: "f32" }, backward);
    const graph = builder.finish();
    const found = await runGraphs([{ graph, states }], device);
    const wanted = evaluateGraph(graph, states);
    expect(largestDifference(wanted.get(forward) ?? [], found["forward"] ?? [])).toBeLessThan(5e-6);
    expect(largestDifference(wanted.get(backward) ?? [], found["backward"] ?? [])).toBeLessThan(5e-6);
  });
});
