/**
 * `dropout` and `drop_path` in training: what is drawn, value by value or picture by picture, on the reference and the devices.
 *
 * Bounds are five standard errors of what is drawn: counters are fixed, so a test that passes once passes always.
 */
import { describe, expect, it } from "vitest";
import { differentiate } from "../../compiler/graph/differentiate.ts";
import { lowerLayer, type LoweringContext } from "../../compiler/model/layers.ts";
import { seedCounter } from "../../compiler/nest/random.ts";
import { type CheckedLayer, checkText } from "../../language/index.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import { openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { hasAdapter } from "../runtime/gpuSupport.ts";
import { evaluateCases, type GraphCase, type Results, runCases } from "../support/graphCase.ts";
import { correlation, meanOf } from "../support/moments.ts";
import { values } from "../support/operatorSample.ts";
import { expectClose } from "../support/tolerance.ts";

type Word = "dropout" | "drop_path";

/** Values that one draw decides on: each by itself, or all of a picture. */
const shape = [400, 4, 5];
const decidedTogether: Readonly<Record<Word, number>> = { dropout: 1, drop_path: 20 };

interface Drawing {
  readonly probability: number;
  readonly seed: number;
  readonly step: number;
  /** Number of the layer in its model. */
  readonly id?: number;
  readonly training?: boolean;
}

const drawings: readonly Drawing[] = [
  { probability: 0.5, seed: 1, step: 0 },
  { probability: 0.1, seed: 1, step: 0 },
  { probability: 0.9, seed: 1, step: 0 },
  { probability: 0.5, seed: 1, step: 1 },
  { probability: 0.5, seed: 2, step: 0 },
  { probability: 0.5, seed: 1, step: 0, id: 1 },
  { probability: 0.5, seed: 4_000_000_000, step: 70_000 },
  { probability: 0.5, seed: 1, step: 0, training: false },
  { probability: 0, seed: 1, step: 0 },
];
/** Those that differ in one thing from the first. */
const apart = [0, 3, 4, 5, 6];

/** The layer, as the checker gives it. */
function layerOf(word: Word, id: number, probability: number): CheckedLayer {
  const source = `model D { input 1@1x1\n${"flatten\n".repeat(id)}${word} ${probability}\n fc 2 }`;
  const layer = checkText(source, "d.cnn").program?.models[0]?.layers[id];
  if (layer?.kind !== "dropout" && layer?.kind !== "dropPath") throw new Error(`the program has no ${word} there`);
  return layer;
}

/** Nothing is 0, so that an output of 0 is one that was dropped. */
const nonzero = (of: ReturnType<typeof values>) => ({ ...of, data: Array.from(of.data, (x) => (x === 0 ? 1 : x)) });
const input = nonzero(values(shape, 1));
const upstream = nonzero(values(shape, 2));

function caseOf(word: Word, { probability, seed, step, id = 0, training = true }: Drawing): GraphCase {
  const counter = (value: number) => ({ shape: [1], data: [value], type: "u32" as const });
  return {
    name: `${word} ${probability}, seed ${seed}, step ${step}`,
    inputs: { x: input, upstream, seed: counter(seedCounter(seed)), step: counter(step) },
    build: ({ builder, input: read }) => {
      const context: LoweringContext = {
        builder,
        training,
        seed: () => read("seed"),
        step: () => read("step"),
        parameter: read,
        statistic: (name, channels) => ({ name, shape: [channels], type: "f32" }),
      };
      const out = lowerLayer(layerOf(word, id, probability), [read("x")], context);
      const gradient = differentiate(builder, out, [read("x")], read("upstream")).get(read("x")) ?? -1;
      return { out, gradient };
    },
  };
}

const words: readonly Word[] = ["dropout", "drop_path"];
const cases = words.flatMap((word) => drawings.map((drawing) => caseOf(word, drawing)));
const wanted = evaluateCases(cases);
const resultOf = (word: Word, drawing: number): Results =>
  wanted[words.indexOf(word) * drawings.length + drawing] ?? {};
const numbers = (results: Results, name: string): number[] => Array.from(results[name] ?? []);

/** One number a draw: 1 where it kept what it decides on, 0 where it dropped it. */
function keptOf(word: Word, drawing: number): number[] {
  const together = decidedTogether[word];
  const kept = numbers(resultOf(word, drawing), "out").map((value) => (value === 0 ? 0 : 1));
  return kept.filter((_, i) => i % together === 0);
}

describe.each(words)("%s", (word) => {
  it.each(drawings.map((drawing, i) => [drawing, i] as const))("%o", ({ probability, training = true }, i) => {
    const isOn = training && probability > 0;
    const scale = isOn ? 1 / (1 - probability) : 1;
    const kept = keptOf(word, i);
    const [out, gradient] = ["out", "gradient"].map((name) => numbers(resultOf(word, i), name));
    // The backward pass draws the same: what was dropped gets no gradient. A draw decides for all that it is about.
    input.data.forEach((x, at) => {
      const factor = scale * (kept[Math.floor(at / decidedTogether[word])] ?? NaN);
      expect(out?.[at]).toBeCloseTo(factor * x, 12);
      expect(gradient?.[at]).toBeCloseTo(factor * (upstream.data[at] ?? NaN), 12);
    });
    if (!isOn) return expect(kept.every((value) => value === 1)).toBe(true);
    const deviation = Math.sqrt((probability * (1 - probability)) / kept.length);
    expect(Math.abs(1 - meanOf(kept) - probability)).toBeLessThan(5 * deviation);
  });

  it("drops others in another step, for another seed, in another layer", () => {
    const masks = apart.map((i) => keptOf(word, i));
    for (const [i, mask] of masks.entries())
      for (const other of masks.slice(i + 1))
        expect(Math.abs(correlation(mask, other))).toBeLessThan(5 / Math.sqrt(mask.length));
  });
});

const withGpu = await hasAdapter();

describe.each(["cpu", "gpu"] as const)("on the %s device", (kind) => {
  it.runIf(kind === "cpu" || withGpu)("what the reference draws is drawn", async () => {
    const device = kind === "cpu" ? await openCpuDevice({ threads: 2 }) : await openGpuDevice({ allowSoftware: true });
    try {
      const found = await runCases(cases, device);
      cases.forEach(({ name }, i) => {
        for (const [output, data] of Object.entries(wanted[i] ?? {}))
          expectClose(`${name}: ${output}`, found[i]?.[output], data, { relative: 1e-6, ofLargest: 0 });
      });
    } finally {
      await device.close();
    }
  });
});
