/**
 * Counter-based randomness: the draws themselves, and how parameters start, on the reference and the devices.
 *
 * Bounds on means and variances are five standard errors of what is drawn: counters are fixed, so a test that passes
 * once passes always.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { initialValue } from "../../compiler/model/initialValues.ts";
import { lowerModel } from "../../compiler/model/lowerModel.ts";
import { size } from "../../compiler/graph/graph.ts";
import { pcg3d, seedCounter, uniform } from "../../compiler/nest/random.ts";
import { checkText, type Initial } from "../../language/index.ts";
import type { Device } from "../../runtime/device/device.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import { openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { hasAdapter } from "../runtime/gpuSupport.ts";
import {
  evaluateCases,
  evaluateUpdates,
  type GraphCase,
  origin,
  type Results,
  runCases,
} from "../support/graphCase.ts";
import { correlation, expectMoments } from "../support/moments.ts";
import { runGraphs } from "../support/runGraphs.ts";
import { expectClose } from "../support/tolerance.ts";

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe("the hash", () => {
  const count = 1 << 16;

  it("gives uniform numbers from 0 to below 1, along each of its counters", () => {
    for (const along of [
      range(count).map((i) => uniform(1, 2, i)),
      range(count).map((i) => uniform(1, i, 2)),
      range(count).map((i) => uniform(i, 1, 2)),
    ]) {
      expect(Math.min(...along.slice(0, 1000))).toBeGreaterThanOrEqual(0);
      expect(along.every((value) => value >= 0 && value < 1 && Number.isInteger(value * 2 ** 24))).toBe(true);
      expectMoments(along, 1 / 2, 1 / 12, 1.8);
      const boxes = range(64).map(() => 0);
      for (const value of along) boxes[Math.floor(value * 64)] = (boxes[Math.floor(value * 64)] ?? 0) + 1;
      // Chi squared of 63 degrees of freedom: mean 63, deviation sqrt(126).
      const expected = count / 64;
      const statistic = boxes.reduce((sum, box) => sum + (box - expected) ** 2 / expected, 0);
      expect(Math.abs(statistic - 63)).toBeLessThan(5 * Math.sqrt(126));
    }
  });

  it("draws nothing alike for neighbours, streams and steps", () => {
    const draw = (seed: number, step: number, shift = 0): number[] =>
      range(count).map((i) => uniform(seed, step, i + shift));
    const first = draw(7, 3);
    for (const other of [draw(7, 3, 1), draw(7, 4), draw(8, 3), draw(7 + (1 << 20), 3), draw(3, 7)])
      expect(Math.abs(correlation(first, other))).toBeLessThan(5 / Math.sqrt(count));
  });

  it("keeps the streams of neighbouring seeds apart", () => {
    const counters = range(5000).map(seedCounter);
    expect(counters.every((counter) => Number.isInteger(counter) && counter >= 0 && counter < 2 ** 31)).toBe(true);
    // Layers take the counters right behind a seed's.
    const ordered = counters.toSorted((a, b) => a - b);
    const near = ordered.filter((counter, i) => i > 0 && counter - (ordered[i - 1] ?? NaN) < 200);
    expect(near.length).toBeLessThan(5);
  });

  it("takes counters as 32-bit integers", () => {
    expect(pcg3d(0xffffffff, 1, 2)).toEqual(pcg3d(-1, 1, 2));
    expect(pcg3d(1, 2, 3).every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32)).toBe(true);
    expect(new Set(range(10_000).map((i) => pcg3d(5, 6, i).join())).size).toBe(10_000);
  });
});

const program = `
model Net {
  input 3@32x32
  conv 16@5x5 stride 4 -> bn -> relu
  conv 32@3x3 groups 4
  fc 40
  fc 10
}
train {
  data shapes
  batch 4
  optimizer sgd lr 0.1
}
`;

interface Started {
  readonly path: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

function initialiseGraph() {
  const checked = checkText(program, "net.cnn").program;
  const [model] = checked?.models ?? [];
  if (!model || !checked?.recipe) throw new Error("the program does not check");
  const { graphs, parameters } = lowerModel({ model, recipe: checked.recipe, counts: { train: 8, test: 8 } });
  const graph = graphs.find(({ name }) => name === "initialise");
  if (!graph) throw new Error("there is no program initialise");
  return { graph, parameters };
}

const { graph, parameters } = initialiseGraph();
const statesFor = (seed: number) => ({
  "control.seed": Uint32Array.of(seedCounter(seed)),
  "control.zero": Uint32Array.of(0),
});

function partsOf(flat: ArrayLike<number>): Started[] {
  return parameters.map(({ parameter: { path, shape }, offset }) => ({
    path,
    shape,
    values: Array.from(flat).slice(offset, offset + size(shape)),
  }));
}

const start = (seed: number): Started[] => partsOf(evaluateUpdates(graph, statesFor(seed))["parameters"] ?? []);

/** PyTorch's defaults (`kaiming_uniform_` with a = sqrt 5): weight and bias within 1 / sqrt(fan in) of zero. */
const fanIn: Readonly<Record<string, number>> = { conv1: 3 * 5 * 5, conv2: 4 * 3 * 3, fc1: 32 * 5 * 5, fc2: 40 };

describe("parameters start as PyTorch's do", () => {
  const started = start(1);

  it.each(Object.entries(fanIn))("%s", (layer, fan) => {
    const bound = 1 / Math.sqrt(fan);
    for (const name of ["weight", "bias"]) {
      const drawn = started.find(({ path }) => path === `${layer}.${name}`)?.values ?? [];
      expect(drawn.length).toBeGreaterThan(0);
      expect(drawn.every((value) => Math.abs(value) <= bound)).toBe(true);
      expectMoments(drawn, 0, bound ** 2 / 3, 1.8);
    }
    const weight = started.find(({ path }) => path === `${layer}.weight`)?.values ?? [];
    expect(Math.max(...weight)).toBeGreaterThan(0.95 * bound);
    expect(Math.min(...weight)).toBeLessThan(-0.95 * bound);
  });

  it("batch normalisation with scale 1 and shift 0, statistics 0 and 1", () => {
    const all = evaluateUpdates(graph, statesFor(1));
    expect(started.find(({ path }) => path === "bn1.weight")?.values).toEqual(range(16).map(() => 1));
    expect(started.find(({ path }) => path === "bn1.bias")?.values).toEqual(range(16).map(() => 0));
    expect(Array.from(all["bn1.running_mean"] ?? [])).toEqual(range(16).map(() => 0));
    expect(Array.from(all["bn1.running_var"] ?? [])).toEqual(range(16).map(() => 1));
  });

  it("another seed draws others, the same seed the same; no two parameters are alike", () => {
    const other = start(2);
    expect(start(1)).toEqual(started);
    started.forEach(({ path, values: drawn }, i) => {
      if (path.startsWith("bn")) return;
      expect(other[i]?.values, path).not.toEqual(drawn);
      const same = started.filter(({ values: of }) => of.slice(0, 8).join() === drawn.slice(0, 8).join());
      expect(same.map((one) => one.path)).toEqual([path]);
    });
  });
});

interface Start {
  readonly initial: Initial;
  readonly check: (drawn: readonly number[]) => void;
}

const shape = [64, 3, 5, 5];
const columns = size(shape) / 64;

/** Every way to start. */
const starts: { readonly [K in Initial["kind"]]: Start } = {
  uniform: {
    initial: { kind: "uniform", bound: 0.2 },
    check: (drawn) => expectMoments(drawn, 0, 0.04 / 3, 1.8),
  },
  normal: {
    initial: { kind: "normal", deviation: 0.5 },
    check: (drawn) => {
      expectMoments(drawn, 0, 0.25, 3);
      const beyond = drawn.filter((value) => Math.abs(value) > 1).length / drawn.length;
      expect(Math.abs(beyond - 0.0455)).toBeLessThan(5 * Math.sqrt(0.0455 / drawn.length));
    },
  },
  constant: {
    initial: { kind: "constant", value: -1.5 },
    check: (drawn) => expect(new Set(drawn)).toEqual(new Set([-1.5])),
  },
  values: {
    initial: { kind: "values", rows: [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [-1, -2, -3, -4, -5]] },
    check: (drawn) => {
      const rows = [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [-1, -2, -3, -4, -5]];
      const wanted = range(64).flatMap((row) => range(columns).map((place) => rows[row % 3]?.[place % 5] ?? NaN));
      expect(drawn).toEqual(wanted);
    },
  },
}; // prettier-ignore

function startCase({ initial }: Start, seed: number): GraphCase {
  const counter = (value: number) => ({ shape: [1], data: [value], type: "u32" as const });
  return {
    name: initial.kind,
    inputs: { seed: counter(seed), zero: counter(0) },
    build: ({ builder, input }) => {
      const formula = initialValue(initial, shape, 3);
      const inputs = initial.kind === "uniform" || initial.kind === "normal" ? [input("seed"), input("zero")] : [];
      return { out: builder.add("map", { formula, shape }, inputs, origin) };
    },
  };
}

const cases = Object.values(starts).map((one) => startCase(one, 9));
const wanted = evaluateCases(cases);

const numbers = (results: Results | undefined, name: string): number[] => Array.from(results?.[name] ?? []);
describe("the ways to start", () => {
  it.each(Object.keys(starts) as (keyof typeof starts)[])("%s", (kind) => {
    const place = Object.keys(starts).indexOf(kind);
    starts[kind].check(numbers(wanted[place], "out"));
  });
});

const withGpu = await hasAdapter();

describe.each(["cpu", "gpu"] as const)("on the %s device", (kind) => {
  const isHere = kind === "cpu" || withGpu;
  let device: Device | undefined;
  const opened = (): Device => {
    if (!device) throw new Error("no device");
    return device;
  };
  beforeAll(async () => {
    if (isHere)
      device = kind === "cpu" ? await openCpuDevice({ threads: 2 }) : await openGpuDevice({ allowSoftware: true });
  });
  afterAll(() => device?.close());

  it.runIf(isHere)("starts draw what the reference draws", async () => {
    const found = await runCases(cases, opened());
    cases.forEach(({ name }, i) => {
      // The cosine and logarithm of a normal draw are approximations.
      const tolerance = { relative: 1e-6, ofLargest: name === "normal" ? 2e-5 : 0 };
      for (const [output, data] of Object.entries(wanted[i] ?? {}))
        expectClose(`${name}: ${output}`, found[i]?.[output], data, tolerance);
    });
  });

  it.runIf(isHere)("a whole model starts as on the reference", async () => {
    const found = await runGraphs([{ graph, states: statesFor(1) }], opened());
    for (const { path, values: drawn } of partsOf(found["parameters"] ?? []))
      expectClose(path, drawn, start(1).find((one) => one.path === path)?.values ?? [], {
        relative: 2e-7,
        ofLargest: 0,
      });
  });
});
