/**
 * Gradients against finite differences, in float64, on random shapes: odd sizes, strides that drop pixels, 1x1, batches
 * of 1 and 7. And the three ways to compute the same: reference, loop nests under random schedules, devices.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGraphBuilder, type GraphBuilder } from "../../compiler/graph/builder.ts";
import { differentiate } from "../../compiler/graph/differentiate.ts";
import { type Graph, size } from "../../compiler/graph/graph.ts";
import { argument, over, plus, times, unary } from "../../compiler/operators/formula.ts";
import type { OperatorName } from "../../compiler/operators/operator.ts";
import { operators } from "../../compiler/operators/table.ts";
import { evaluateGraph } from "../../compiler/reference/evaluate.ts";
import type { Device } from "../../runtime/device/device.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import { openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { hasAdapter } from "../runtime/gpuSupport.ts";
import { runGraphs, statesOf } from "../support/runGraphs.ts";

const origin = { layer: "case", line: 1, role: "forward" };

/** Builds one operator's output from states that it names; returns the output and what to differentiate by. */
interface Subject {
  readonly build: (builder: GraphBuilder, state: (name: string, shape: readonly number[]) => number) => Built;
}
interface Built {
  readonly output: number;
  readonly by: readonly number[];
}

const batch = fc.constantFrom(1, 2, 7);
const channels = fc.integer({ min: 1, max: 3 });
const side = fc.constantFrom(1, 2, 3, 5, 6, 7);
const pair = (of: fc.Arbitrary<number>) => fc.tuple(of, of);
const padding = fc.integer({ min: 0, max: 2 });

const convolution = fc
  .record({
    n: batch,
    groups: fc.integer({ min: 1, max: 2 }),
    inChannels: channels,
    outChannels: channels,
    sides: pair(side),
    kernel: pair(fc.integer({ min: 1, max: 3 })),
    stride: pair(fc.integer({ min: 1, max: 3 })),
    dilation: pair(fc.integer({ min: 1, max: 2 })),
    top: padding,
    bottom: padding,
    left: padding,
    right: padding,
  })
  .filter(
    ({ sides, kernel, dilation, top, bottom, left, right }) =>
      dilation[0] * (kernel[0] - 1) < sides[0] + top + bottom &&
      dilation[1] * (kernel[1] - 1) < sides[1] + left + right,
  )
  .map(({ n, groups, inChannels, outChannels, sides, kernel, stride, dilation, ...padding }): Subject => ({
    build: (builder, state) => {
      const x = state("x", [n, groups * inChannels, ...sides]);
      const weight = state("weight", [groups * outChannels, inChannels, ...kernel]);
      const output = builder.add("conv", { kernel, stride, dilation, padding, groups }, [x, weight], origin);
      return { output, by: [x, weight] };
    },
  }));

const window = fc
  .record({
    n: batch,
    c: channels,
    sides: pair(side),
    kernel: pair(fc.integer({ min: 1, max: 3 })),
    stride: pair(fc.integer({ min: 1, max: 3 })),
    operator: fc.constantFrom("add" as const, "maximum" as const),
    around: fc.integer({ min: 0, max: 1 }),
  })
  .filter(({ sides, kernel, around }) => kernel.every((k, i) => k <= (sides[i] ?? 0) + 2 * around && 2 * around <= k))
  .map(({ n, c, sides, kernel, stride, operator, around }): Subject => ({
    build: (builder, state) => {
      const x = state("x", [n, c, ...sides]);
      const [height, width] = sides.map(
        (extent, i) => Math.floor((extent + 2 * around - (kernel[i] ?? 1)) / (stride[i] ?? 1)) + 1,
      ) as [number, number];
      const padding = { top: around, bottom: around, left: around, right: around };
      const attributes = { kernel, stride, padding, output: [height, width] as const, operator };
      return { output: builder.add("window", attributes, [x], origin), by: [x] };
    },
  }));

const product = fc
  .record({ m: batch, n: side, k: side, transposeLeft: fc.boolean(), transposeRight: fc.boolean() })
  .map(({ m, n, k, transposeLeft, transposeRight }): Subject => ({
    build: (builder, state) => {
      const left = state("left", transposeLeft ? [k, m] : [m, k]);
      const right = state("right", transposeRight ? [n, k] : [k, n]);
      const output = builder.add("matmul", { transposeLeft, transposeRight }, [left, right], origin);
      return { output, by: [left, right] };
    },
  }));

const reduction = fc
  .record({ n: batch, c: channels, height: side, width: side, axes: fc.subarray([0, 1, 2, 3], { minLength: 1 }) })
  .map(({ n, c, height, width, axes }): Subject => ({
    build: (builder, state) => {
      const x = state("x", [n, c, height, width]);
      return { output: builder.add("reduce", { operator: "add", axes }, [x], origin), by: [x] };
    },
  }));

const broadcastMap = fc
  .record({ n: batch, c: channels, height: side, width: side })
  .map(({ n, c, height, width }): Subject => ({
    build: (builder, state) => {
      const x = state("x", [n, c, height, width]);
      const scale = state("scale", [1, c, 1, 1]);
      const gate = state("gate", [n, 1, height, 1]);
      const formula = over(
        plus(times(argument(0), argument(1)), unary("tanh", argument(2))),
        plus(unary("exponential", argument(1)), times(argument(2), argument(2))),
      );
      return { output: builder.add("map", { formula }, [x, scale, gate], origin), by: [x, scale, gate] };
    },
  }));

const reshaped = fc
  .record({ n: batch, c: channels, height: side, width: side })
  .map(({ n, c, height, width }): Subject => ({
    build: (builder, state) => {
      const x = state("x", [n, c, height, width]);
      const squared = builder.add("map", { formula: times(argument(0), argument(0)) }, [x], origin);
      const flat = builder.add("reshape", { shape: [n, c * height * width] }, [squared], origin);
      return { output: builder.add("map", { formula: unary("tanh", argument(0)) }, [flat], origin), by: [x] };
    },
  }));

/** Mean and deviation are functions of x, and the operator's gradient by x runs through them. */
const normalization = fc
  .record({ n: fc.constantFrom(2, 7), c: channels, height: side, width: side })
  .map(({ n, c, height, width }): Subject => ({
    build: (builder, state) => {
      const x = state("x", [n, c, height, width]);
      const [scale, shift] = [state("scale", [1, c, 1, 1]), state("shift", [1, c, 1, 1])];
      const count = n * height * width;
      const mean = (of: number): number => {
        const sum = builder.add("reduce", { operator: "add", axes: [0, 2, 3] }, [of], origin);
        return builder.add(
          "map",
          { formula: times(argument(0), { kind: "constant", value: 1 / count }) },
          [sum],
          origin,
        );
      };
      const average = mean(x);
      const squares = mean(builder.add("map", { formula: times(argument(0), argument(0)) }, [x], origin));
      const minusSquare = times({ kind: "constant", value: -1 }, argument(1), argument(1));
      const variance = plus(argument(0), minusSquare, { kind: "constant", value: 1e-3 });
      const formula = unary("inverseSquareRoot", variance);
      const inverse = builder.add("map", { formula }, [squares, average], origin);
      const inputs = [x, average, inverse, scale, shift];
      return { output: builder.add("normalizeBatch", { count }, inputs, origin), by: [x, scale, shift] };
    },
  }));

/** Which arbitrary differentiates each operator; "none": it has no gradient; a name: it is that one's gradient. */
const subjects: { readonly [K in OperatorName]: fc.Arbitrary<Subject> | "none" | OperatorName } = {
  state: "none",
  map: broadcastMap,
  conv: convolution,
  convInput: "conv",
  convWeight: "conv",
  matmul: product,
  reduce: reduction,
  first: "none",
  window,
  windowPlace: "none",
  windowSpread: "window",
  windowRoute: "window",
  reshape: reshaped,
  part: "none",
  pack: "none",
  gather: "none",
  normalizeBatch: normalization,
};
const differentiable = Object.entries(subjects).flatMap(([name, subject]) =>
  typeof subject === "string" ? [] : [[name, subject] as const],
);

interface Made {
  readonly graph: Graph;
  readonly states: Record<string, Float64Array>;
  /** The states that are differentiated by. */
  readonly sources: readonly string[];
}

/** Graph, and states of distinct values between -1 and 1, multiples of 1/4096. */
function make({ build }: Subject, prefix = ""): Made {
  const builder = createGraphBuilder(`${prefix}case`);
  const state = (name: string, shape: readonly number[]): number =>
    builder.state({ name: prefix + name, shape, type: "f32" });
  const { output, by } = build(builder, state);
  const upstream = state("upstream", builder.shapeOf(output));
  const gradients = differentiate(builder, output, by, upstream);
  builder.update({ name: `${prefix}output`, shape: builder.shapeOf(output), type: "f32" }, output);
  const sources: string[] = [];
  for (const [source, gradient] of gradients) {
    const node = builder.nodes[source];
    if (node?.operator !== "state") throw new Error("sources are states");
    sources.push(node.attributes.name);
    const copy = builder.add("map", { formula: argument(0) }, [gradient], origin);
    builder.update({ name: `d ${node.attributes.name}`, shape: node.shape, type: "f32" }, copy);
  }
  const graph = builder.finish();
  const states: Record<string, Float64Array> = {};
  for (const { name, shape } of statesOf(graph))
    if (!name.startsWith("d ") && name !== `${prefix}output`)
      states[name] = Float64Array.from({ length: size(shape) }, (_, i) => (((i + 1) * 2654435761) % 8191) / 4096 - 1);
  return { graph, states, sources };
}

function valueOf({ graph }: Made, states: Record<string, ArrayLike<number>>, name: string): ArrayLike<number> {
  const update = graph.updates.find(({ state }) => state.name === name);
  return evaluateGraph(graph, states).get(update?.value ?? -1) ?? [];
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, i) => sum + value * (b[i] ?? NaN), 0);

function checkByDifferences(made: Made): void {
  const { states, sources } = made;
  for (const source of sources) {
    const start = states[source] ?? new Float64Array();
    const direction = Float64Array.from(start, (_, i) => Math.sin(3 * i + 1));
    const step = 1e-6;
    const moved = (by: number): number => {
      const at = Float64Array.from(start, (value, i) => value + by * (direction[i] ?? 0));
      return dot(valueOf(made, { ...states, [source]: at }, "output"), states["upstream"] ?? []);
    };
    const slope = (moved(step) - moved(-step)) / (2 * step);
    const gradient = dot(valueOf(made, states, `d ${source}`), direction);
    expect(Math.abs(slope - gradient), source).toBeLessThan(1e-6 * Math.max(1, Math.abs(gradient)));
  }
}

describe("gradients are finite differences", () => {
  it("of every operator that has one", () => {
    for (const [name, subject] of Object.entries(subjects)) {
      const { gradient } = operators[name as OperatorName];
      if (subject === "none") expect(["state", "part", "pack", "first", "gather", "windowPlace"], name).toContain(name);
      else if (typeof subject !== "string") expect(gradient, name).not.toBe("none");
    }
  });

  it.each(differentiable)("%s", (_, subject) => {
    fc.assert(
      fc.property(subject as fc.Arbitrary<Subject>, (one) => checkByDifferences(make(one))),
      { numRuns: 25, seed: 7 },
    );
  });
});

/** Random cases of all operators, the same each time. */
function randomCases(count: number): Made[] {
  return differentiable.flatMap(([name, subject]) =>
    fc
      .sample(subject as fc.Arbitrary<Subject>, { numRuns: count, seed: 11 })
      .map((one, i) => make(one, `${name} ${i} `)),
  );
}

async function checkDevice(device: Device, count: number): Promise<void> {
  const all = randomCases(count);
  const results = await runGraphs(
    all.map(({ graph, states }) => ({
      graph,
      states: Object.fromEntries(Object.entries(states).map(([name, values]) => [name, Float32Array.from(values)])),
    })),
    device,
  );
  for (const made of all) {
    const values = evaluateGraph(made.graph, made.states);
    for (const { state, value } of made.graph.updates) {
      const want = Array.from(values.get(value) ?? []);
      const largest = want.reduce((a, b) => Math.max(a, Math.abs(b)), 1);
      const got = results[state.name] ?? [];
      const worst = want.reduce((a, b, i) => Math.max(a, Math.abs(b - (got[i] ?? NaN))), 0);
      expect(worst / largest, state.name).toBeLessThan(3e-5);
    }
  }
}

const withGpu = await hasAdapter();

describe("devices do what the reference does, on random shapes", () => {
  const devices: Device[] = [];
  beforeAll(async () => {
    devices.push(await openCpuDevice({ threads: 2 }));
  });
  afterAll(() => Promise.all(devices.map((device) => device.close())));

  it("the CPU device", { timeout: 120_000 }, async () => {
    for (const device of devices) await checkDevice(device, 25);
  });

  it.runIf(withGpu)("the GPU device", { timeout: 240_000 }, async () => {
    const device = await openGpuDevice({ allowSoftware: true });
    devices.push(device);
    await checkDevice(device, 4);
  });
});
