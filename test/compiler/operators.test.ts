/** Every operator, forward and backward: reference, loop nests, CPU and GPU device against PyTorch's values. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluateGraph } from "../../compiler/reference/evaluate.ts";
import { type CpuDevice, openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import { type GpuDevice, openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { type GoldenOperator, operatorCases, type OperatorCase } from "../golden/golden.ts";
import { hasAdapter } from "../runtime/gpuSupport.ts";
import { goldenOfLayer, graphOfCase, type GraphOfCase } from "../support/goldenGraph.ts";
import { interpretGraph, runGraphs } from "../support/runGraphs.ts";
import { targets } from "../support/targets.ts";

/** The losses' own operator; `log_softmax` is the negative loss of each class in turn. */
const cases = operatorCases().filter(({ operator }) => operator !== "log_softmax");
const titled = cases.map((one) => [`${one.operator} ${one.name}`, one] as const);

/** Largest difference, relative to the largest value where that is above one. */
function difference(expected: ArrayLike<number>, actual: ArrayLike<number> | undefined): number {
  if (!actual || actual.length !== expected.length) return Infinity;
  let largest = 1;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const [want = 0, got = NaN] = [expected[i], actual[i]];
    largest = Math.max(largest, Math.abs(want));
    worst = Number.isNaN(got) ? Infinity : Math.max(worst, Math.abs(want - got));
  }
  return worst / largest;
}

function check(
  { expected }: GraphOfCase,
  results: Readonly<Record<string, ArrayLike<number>>>,
  tolerance: number,
): void {
  for (const [name, { data }] of Object.entries(expected))
    expect(difference(data, results[name]), name).toBeLessThanOrEqual(tolerance);
}

/** Values are written with nine digits. */
const digits = 2e-8;
/** Inputs are multiples of 1/64: what only adds, multiplies and compares them is exact in float32, in any order. */
const exact: ReadonlySet<GoldenOperator> = new Set<GoldenOperator>([
  "conv2d", "linear", "max_pool2d", "flatten", "dropout", "relu", "add", "concat", "scale", "slice", "drop_path", "pad",
  "channel_shuffle",
]); // prettier-ignore
/** A few roundings of float32; of normalisation, which divides by a small deviation, more. */
const rounding = ({ operator }: OperatorCase): number =>
  exact.has(operator) ? digits : operator.endsWith("_norm") ? 3e-5 : 3e-6;

describe("the reference agrees with PyTorch", () => {
  it.each(titled)("%s", (_, one) => {
    const built = graphOfCase(one);
    const values = evaluateGraph(built.graph, { ...built.states, step: [0] });
    const results = Object.fromEntries(
      built.graph.updates.map(({ state, value }) => [state.name, values.get(value) ?? []]),
    );
    check(built, results, digits);
  });

  it("log_softmax is the negative loss of each class", () => {
    for (const one of operatorCases("log_softmax")) {
      const [samples = 1, classes = 1] = one.output.shape;
      // Ten of them, the first and the last included, where there are more.
      const most = Math.min(classes, 10);
      for (let i = 0; i < most; i++) {
        const k = Math.round((i * (classes - 1)) / Math.max(1, most - 1));
        const labels = { shape: [samples], data: new Float64Array(samples).fill(k) };
        const single = Array.from({ length: samples }, (_, n) => -(one.output.data[n * classes + k] ?? 0));
        const mean = single.reduce((a, b) => a + b, 0) / samples;
        const asLoss = {
          ...one,
          operator: "cross_entropy",
          attributes: { smoothing: 0 },
          inputs: { ...one.inputs, labels },
          output: { shape: [], data: Float64Array.of(mean) },
          upstream: { shape: [], data: Float64Array.of(1) },
          gradients: {},
        } as OperatorCase;
        const built = graphOfCase(asLoss);
        const values = evaluateGraph(built.graph, built.states);
        const output = built.graph.updates.find(({ state }) => state.name === "output")?.value ?? -1;
        expect(difference([mean], values.get(output))).toBeLessThan(digits);
      }
    }
  });

  it("every kind of layer has golden values", () => {
    const golden = new Set(cases.map(({ operator }) => operator));
    for (const [kind, operators] of Object.entries(goldenOfLayer)) {
      expect(operators.length, kind).toBeGreaterThan(0);
      for (const operator of operators) expect(golden.has(operator), `${kind}: ${operator}`).toBe(true);
    }
  });
});

const looked = ["wasm", "a software GPU", "a small GPU without subgroups"] as const;

describe.each(looked)("loop nests for %s agree with PyTorch", (name) => {
  it.each(titled)("%s", (_, one) => {
    const built = graphOfCase(one);
    check(built, interpretGraph(built, targets[name]), rounding(one));
  });
});

describe("the CPU device agrees with PyTorch", () => {
  const devices: CpuDevice[] = [];
  const built = cases.map((one, i) => graphOfCase(one, `${i} `));
  let results: Record<string, ArrayLike<number>> = {};
  let unfused: Record<string, ArrayLike<number>> = {};
  beforeAll(async () => {
    const device = await openCpuDevice({ threads: 2 });
    devices.push(device);
    results = await runGraphs(built, device);
    unfused = await runGraphs(built, device, false);
  }, 120_000);
  afterAll(async () => {
    for (const device of devices) await device.close();
  });
  it.each(titled)("%s", (_, one) => {
    const graph = built[cases.indexOf(one)];
    if (!graph) throw new Error("no such case");
    check(graph, results, rounding(one));
    check(graph, unfused, rounding(one));
  });
});

/** Adapters compile for a tenth of a second a kernel: of each operator some cases, spread over its list. */
function sample(all: readonly OperatorCase[], most: number): OperatorCase[] {
  const operators = [...new Set(all.map(({ operator }) => operator))];
  return operators.flatMap((operator) => {
    const own = all.filter((one) => one.operator === operator);
    const step = Math.max(1, own.length / most);
    return Array.from({ length: Math.min(most, own.length) }, (_, i) => own[Math.floor(i * step)]).filter(
      (one): one is OperatorCase => one !== undefined,
    );
  });
}

describe.runIf(await hasAdapter())("the GPU device agrees with PyTorch", () => {
  const some = sample(cases, 5);
  const devices: GpuDevice[] = [];
  const built = some.map((one, i) => graphOfCase(one, `${i} `));
  let results: Record<string, ArrayLike<number>> = {};
  beforeAll(async () => {
    const device = await openGpuDevice({ allowSoftware: true });
    devices.push(device);
    results = await runGraphs(built, device);
  }, 300_000);
  afterAll(async () => {
    for (const device of devices) await device.close();
  });
  it.each(some.map((one) => [`${one.operator} ${one.name}`, one] as const))("%s", (_, one) => {
    const graph = built[some.indexOf(one)];
    if (!graph) throw new Error("no such case");
    check(graph, results, rounding(one));
  });
});
