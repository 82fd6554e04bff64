/**
 * Winograd's convolutions on both devices, wherever they can be taken: any channels, paddings, filters and batches.
 *
 * What is allowed follows from the sums themselves. Each result is a sum of products of matrices' entries, inputs and
 * filters; the same sum of absolute values bounds what rounding does to it: by one unit for each rounding on the longest
 * path at the worst. Roundings cancel one another: one unit of that bound is more than all of them come to.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Graph, Node } from "../../compiler/graph/graph.ts";
import { applyMatrix } from "../../compiler/operators/linearMap.ts";
import type { ConvolutionAttributes } from "../../compiler/operators/operator.ts";
import { rewriteGraph } from "../../compiler/rewrite/rewriteGraph.ts";
import { winogradRule } from "../../compiler/rewrite/winograd.ts";
import type { Value } from "../../compiler/value.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import type { Device } from "../../runtime/device/device.ts";
import { openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { hasAdapter } from "../runtime/gpuSupport.ts";
import { evaluateUpdates, type GraphCase, joinCases, origin } from "../support/graphCase.ts";
import { values } from "../support/operatorSample.ts";
import { runGraphs } from "../support/runGraphs.ts";

const kinds = ["conv", "convInput", "convWeight"] as const;
const upTo = (most: number, least = 1): fc.Arbitrary<number> => fc.integer({ min: least, max: most });

interface Use {
  readonly kind: (typeof kinds)[number];
  readonly batch: number;
  readonly channels: readonly [number, number];
  /** The map of what is computed: the input's for its gradient, else the output's. */
  readonly computed: readonly [number, number];
  readonly taps: number;
  readonly padding: ConvolutionAttributes["padding"];
  readonly seed: number;
}

/** Mostly such that tiles cover them. */
const extent = fc.constantFrom(2, 4, 4, 6, 8, 8, 5);

/** Extents of the input and of the output. */
function mapsOf({ kind, computed, taps, padding }: Use): Record<"size" | "grid", readonly [number, number]> {
  const { top, bottom, left, right } = padding;
  const less = [taps - 1 - top - bottom, taps - 1 - left - right] as const;
  const isInput = kind === "convInput";
  const moved = (sign: number): readonly [number, number] => [
    computed[0] + sign * less[0],
    computed[1] + sign * less[1],
  ];
  return isInput ? { size: computed, grid: moved(-1) } : { size: moved(1), grid: computed };
}

const uses: fc.Arbitrary<Use> = fc
  .record({
    kind: fc.constantFrom(...kinds),
    batch: fc.constantFrom(1, 2, 7, 8),
    channels: fc.tuple(upTo(20), upTo(20)),
    computed: fc.tuple(extent, extent),
    taps: fc.constantFrom(3, 3, 2, 4, 5),
    padding: fc.record({ top: upTo(2, 0), bottom: upTo(2, 0), left: upTo(2, 0), right: upTo(2, 0) }),
    seed: upTo(1e6),
  })
  .filter((use) => {
    const { size, grid } = mapsOf(use);
    return [...size, ...grid].every((length) => length >= 1);
  });

function caseOf(use: Use): GraphCase {
  const { kind, batch, taps, padding, seed } = use;
  const [from, to] = use.channels;
  const { size, grid } = mapsOf(use);
  const attributes = { kernel: [taps, taps], stride: [1, 1], padding, dilation: [1, 1], groups: 1 } as const;
  return {
    name: JSON.stringify(use),
    inputs: {
      x: values([batch, from, ...size], seed),
      weight: values([to, from, taps, taps], seed + 1),
      gradient: values([batch, to, ...grid], seed + 2),
    },
    build: ({ builder, input }) => ({
      out: {
        conv: () => builder.add("conv", attributes, [input("x"), input("weight")], origin),
        convInput: () =>
          builder.add("convInput", { ...attributes, size }, [input("gradient"), input("weight")], origin),
        convWeight: () => builder.add("convWeight", attributes, [input("x"), input("gradient")], origin),
      }[kind](),
    }),
  };
}

const absolute = (matrix: readonly (readonly number[])[]): number[][] => matrix.map((row) => row.map(Math.abs));

/** The same with the absolute values of all matrices. */
function magnitudes(graph: Graph): Graph {
  return rewriteGraph(graph, (node, { add, inputs }) => {
    if (node.operator === "tileSplit")
      return add("tileSplit", { ...node.attributes, matrix: absolute(node.attributes.matrix) }, inputs, "magnitudes");
    if (node.operator === "tileJoin")
      return add("tileJoin", { ...node.attributes, matrix: absolute(node.attributes.matrix) }, inputs, "magnitudes");
    if (node.operator === "tileSum")
      return add("tileSum", { ...node.attributes, matrix: absolute(node.attributes.matrix) }, inputs, "magnitudes");
    return undefined;
  });
}

const open = {
  cpu: () => openCpuDevice({ threads: 2 }),
  gpu: () => openGpuDevice({ allowSoftware: true }),
} as const;
const devices = new Map<string, Device>();
beforeAll(async () => {
  devices.set("cpu", await open.cpu());
  if (await hasAdapter()) devices.set("gpu", await open.gpu());
});
afterAll(() => Promise.all([...devices.values()].map((device) => device.close())));

const samples = [
  { on: "cpu", channelsFirst: false, inputGradient: "transpose", groupElements: 1 << 11, seed: 41 },
  { on: "cpu", channelsFirst: false, inputGradient: "correlation", groupElements: 1 << 17, seed: 44 },
  { on: "cpu", channelsFirst: true, inputGradient: "transpose", groupElements: 1 << 17, seed: 45 },
  { on: "gpu", channelsFirst: true, inputGradient: "correlation", groupElements: 1 << 17, seed: 44 },
] as const;

const title = "on $on, groups of $groupElements elements, channels first: $channelsFirst, gradient as $inputGradient";
it.each(samples)(title, { timeout: 300_000 }, async ({ on, channelsFirst, inputGradient, groupElements, seed }) => {
  const device = devices.get(on);
  if (!device) return console.warn("no WebGPU adapter");
  const given = fc.sample(uses, { numRuns: 9, seed });
  const { graph, states } = joinCases(given.map(caseOf));
  const rewritten = rewriteGraph(
    graph,
    winogradRule({ split: 0, join: 0, groupElements, channelsFirst, inputGradient }),
  );
  const count = (of: Graph, operator: Node["operator"]): number =>
    of.nodes.filter((node) => node.operator === operator).length;
  expect(count(rewritten, "tileJoin")).toBeGreaterThan(3);
  const wanted = evaluateUpdates(graph, states);
  const bounds = evaluateUpdates(
    magnitudes(rewritten),
    Object.fromEntries(Object.entries(states).map(([name, data]) => [name, data.map(Math.abs)])),
  );
  const found = await runGraphs([{ graph: rewritten, states }], device);
  given.forEach((use, i) => {
    const [data = [], bound = [], result = []] = [wanted, bounds, found].map((of) => of[`${i}.out`]);
    expect(result.length).toBe(data.length);
    for (let at = 0; at < data.length; at++) {
      const error = Math.abs((result[at] ?? NaN) - (data[at] ?? NaN));
      if (!(error <= 2 ** -24 * (bound[at] ?? 0)))
        expect.fail(`${caseOf(use).name}: element ${at} is ${result[at]}, should be ${data[at]}`);
    }
  });
});

/** Values by number, each operation once. */
function evaluate(results: readonly Value[], inputs: readonly number[]): { numbers: number[]; operations: number } {
  const known = new Map<Value, number>();
  const numberOf = (value: Value): number => {
    const found = known.get(value);
    if (found !== undefined) return found;
    const number = compute(value);
    if (value.kind === "binary" || value.kind === "unary") known.set(value, number);
    return number;
  };
  const compute = (value: Value): number => {
    if (value.kind === "constant") return value.value;
    if (value.kind === "access") return inputs[value.tensor] ?? NaN;
    if (value.kind === "unary") return -numberOf(value.operand);
    if (value.kind !== "binary") throw new Error(`${value.kind} is no part of a linear map`);
    const [left, right] = [numberOf(value.left), numberOf(value.right)];
    return { add: left + right, subtract: left - right, multiply: left * right }[value.operator as "add"];
  };
  return { numbers: results.map(numberOf), operations: known.size };
}

it("rows and columns that are equal but for signs share their sums, and give the plain product", () => {
  const entry = fc.constantFrom(-4, -2, -1, 0, 1, 2, 0.5);
  const sign = fc.constantFrom(-1, 1);
  /** Half of a matrix and its mirror, each entry's sign drawn: by columns, by rows, or both. */
  const mirrored = fc
    .record({ rows: upTo(4), columns: upTo(4), byRows: fc.boolean(), byColumns: fc.boolean() })
    .chain(({ rows, columns, byRows, byColumns }) =>
      fc
        .array(
          fc.array(fc.record({ entry, signs: fc.tuple(sign, sign) }), { minLength: columns, maxLength: columns }),
          { minLength: rows, maxLength: rows },
        )
        .map((half) => {
          const wide = half.map((row) => [
            ...row.map((one) => one.entry),
            ...(byColumns ? row.map((one) => one.entry * one.signs[0]) : []),
          ]);
          const below = wide.map((row, r) => row.map((one, c) => one * (half[r]?.[c % columns]?.signs[1] ?? 1)));
          return byRows ? [...wide, ...below] : wide;
        }),
    );
  fc.assert(
    fc.property(mirrored, upTo(1000), (matrix, seed) => {
      const width = matrix[0]?.length ?? 0;
      const inputs = Array.from({ length: width }, (_, i) => (((i + 1) * 37 + seed * 11) % 64) - 32);
      const operands = inputs.map((_, tensor): Value => ({ kind: "access", tensor, coordinates: [] }));
      const { numbers, operations } = evaluate(applyMatrix(matrix, operands), inputs);
      const plain = matrix.map((row) => row.reduce((sum, factor, i) => sum + factor * (inputs[i] ?? 0), 0));
      // Whether zero has a sign is nothing to a sum.
      expect(numbers.map((number) => number + 0)).toEqual(plain.map((number) => number + 0));
      const most = matrix.reduce((sum, row) => sum + 2 * row.filter((factor) => factor !== 0).length, 0);
      expect(operations).toBeLessThanOrEqual(most);
    }),
    { numRuns: 400, seed: 44 },
  );
});
