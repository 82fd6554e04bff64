/**
 * Training steps as the compiler schedules them: kernels in chains, or each a dispatch of its own.
 *
 * In: a model's text, images a batch, what is to be replaced before fusion. Out: programs, the states to start from, and
 * the states after a few of them, interpreted or on a device. What holds: all that is trained, drawn and counted is among
 * the states, so that two runs which agree in them agree in everything.
 */
import fc from "fast-check";
import { fuse, makePlan, scheduleProgram, type ScheduledProgram } from "../../compiler/compile.ts";
import { size } from "../../compiler/graph/graph.ts";
import { lowerModel, type ModelGraphs } from "../../compiler/model/lowerModel.ts";
import { pcg3d } from "../../compiler/nest/random.ts";
import { againRule } from "../../compiler/rewrite/again.ts";
import { rewriteGraph } from "../../compiler/rewrite/rewriteGraph.ts";
import { type WinogradCosts, winogradRule } from "../../compiler/rewrite/winograd.ts";
import type { Target } from "../../compiler/target.ts";
import type { Device } from "../../runtime/device/device.ts";
import { interpretProgram, type TypedArray } from "./interpretProgram.ts";
import { modelOf } from "./trainSteps.ts";

export interface ModelPrograms {
  readonly graphs: ModelGraphs;
  readonly programs: readonly ScheduledProgram[];
  readonly target: Target;
}

export interface ModelUse {
  readonly source: string;
  readonly batch: number;
  /** Winograd's convolutions wherever these costs allow them, besides those that the compiler takes anyway. */
  readonly winograd?: WinogradCosts;
}

const classes = 10;

export function programsOf(use: ModelUse, target: Target, separate: boolean): ModelPrograms {
  const model = modelOf(use.source);
  const half = Array.from({ length: model.input.channels }, () => 0.5);
  const graphs = lowerModel({
    model,
    recipe: {
      span: { start: 0, end: 0 },
      data: { name: "shapes", classes, image: model.input },
      normalize: { mean: half, std: half },
      batch: use.batch,
      epochs: 1,
      loss: { kind: "crossEntropy", smoothing: 0 },
      optimizer: { kind: "adam", learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0 },
      seed: 1,
    },
    counts: { train: 2 * use.batch, test: use.batch },
  });
  const programs = graphs.graphs.map((graph) => {
    const rules = use.winograd ? [winogradRule(use.winograd), againRule(0)] : [];
    const rewritten = rules.reduce(rewriteGraph, graph);
    return scheduleProgram(fuse(rewritten, { target }), target, { separate });
  });
  return { graphs, programs, target };
}

const given: Readonly<Record<string, (length: number) => ArrayLike<number>>> = {
  images: (length) => Uint8Array.from({ length }, (_, i) => pcg3d(i, 1, 2)[0] >>> 24),
  labels: (length) => Uint8Array.from({ length }, (_, i) => (i * 7) % classes),
  order: (length) => Uint32Array.from({ length }, (_, i) => (i * 5) % length),
  seed: () => [7],
  learningRate: () => [0.01],
};

const arrays = { f32: Float32Array, u32: Uint32Array, u8: Uint8Array } as const;

/** Pictures of noise and their labels; all else is zero. */
function startStates({ graphs }: ModelPrograms): Record<string, TypedArray> {
  return Object.fromEntries(
    graphs.states.map(({ name, shape, type }) => {
      const values = given[name.split(".")[1] ?? ""]?.(size(shape)) ?? new Float32Array(size(shape));
      return [name, arrays[type].from(values)];
    }),
  );
}

const batchNumber = "control.batch";
const run = ["initialise", "trainStep", "trainStep", "evaluateStep"];

/** All states after two steps and an evaluation, their nests interpreted. */
export function interpretSteps(of: ModelPrograms): Record<string, TypedArray> {
  const states = startStates(of);
  for (const name of run) {
    // An evaluation starts with the first of the test's batches.
    if (name === "evaluateStep") states[batchNumber]?.fill(0);
    for (const program of of.programs.filter((one) => one.name === name))
      interpretProgram(program, states, of.target.kind === "wgsl" ? of.target.subgroupSize : 0);
  }
  return states;
}

/** The same on a device. */
export async function runSteps(of: ModelPrograms, device: Device): Promise<Record<string, Float32Array | Uint32Array>> {
  const plan = makePlan(of.graphs, of.programs, device.target);
  const session = await device.open(plan);
  const placeOf = (name: string): { buffer: number; offset: number } => {
    const place = plan.tensors[name];
    if (!place) throw new Error(`${name} has no place`);
    return place;
  };
  try {
    const states = startStates(of);
    for (const [name, { buffer: memory, byteOffset, byteLength }] of Object.entries(states)) {
      const words = new Uint8Array(Math.ceil(byteLength / 4) * 4);
      words.set(new Uint8Array(memory, byteOffset, byteLength));
      const { buffer, offset } = placeOf(name);
      session.write(buffer, offset, words);
    }
    for (const name of run) {
      const { buffer, offset } = placeOf(batchNumber);
      if (name === "evaluateStep") session.write(buffer, offset, new Uint8Array(4));
      await session.run(name);
    }
    const flat = of.graphs.states.find(({ name }) => name === "parameters")?.shape.join();
    const read: Record<string, Float32Array | Uint32Array> = {};
    for (const [name, { buffer, offset, shape, type }] of Object.entries(plan.tensors)) {
      // What lies between the parts of flat tensors is nothing; the parts have names of their own.
      if (type === "u8" || (size(shape) > 1 && shape.join() === flat)) continue;
      const { buffer: bytes } = Uint8Array.from(await session.read(buffer, offset, 4 * size(shape)));
      read[name] = new arrays[type](bytes);
    }
    return read;
  } finally {
    await session.close();
  }
}

const some = (most: number, least = 1): fc.Arbitrary<number> => fc.integer({ min: least, max: most });

const convolution = fc
  .record({
    channels: fc.constantFrom(3, 4, 8, 12),
    kernel: fc.constantFrom(1, 2, 3, 5),
    stride: fc.constantFrom(1, 1, 1, 2),
    after: fc.constantFrom("-> relu", "-> bn -> relu", "-> bn", "-> gelu -> dropout 0.25", "-> tanh", ""),
  })
  .map(({ channels, kernel, stride, after }) => {
    const bias = after.startsWith("-> bn") ? "bias off" : "";
    return `conv ${channels}@${kernel}x${kernel} stride ${stride} pad ${kernel >> 1} ${bias} ${after}`;
  });

const residual = fc
  .record({ kernel: fc.constantFrom(1, 3, 5), joined: fc.constantFrom("add", "mul", "concat") })
  .map(({ kernel, joined }) => {
    const inside = `conv 8@${kernel}x${kernel} pad ${kernel >> 1}`;
    return `conv 8@3x3 pad 1 -> relu\n  ${joined} {\n    branch { ${inside} -> bn -> relu -> ${inside} }\n    branch { }\n  }`;
  });

const other = fc.constantFrom("relu", "pool max 2 stride 1", "pool avg 2", "bn", "dropout 0.5");

/** Small networks of all that makes chains end: statistics over images, strides, windows, branches, random numbers. */
export const randomModels = (mostImages: number): fc.Arbitrary<ModelUse> =>
  fc
    .record({
      layers: fc.array(fc.oneof({ weight: 4, arbitrary: convolution }, residual, other), {
        minLength: 2,
        maxLength: 5,
      }),
      input: fc.tuple(some(4), some(11, 8), some(11, 8)),
      batch: fc.constantFrom(...[1, 3, 8, 12, 16].filter((batch) => batch <= mostImages)),
      groupElements: fc.constantFrom(1, 1 << 12),
    })
    .map(({ layers, input: [channels, height, width], batch, groupElements }) => ({
      source: `model Random {\n  input ${channels}@${height}x${width}\n  ${layers.join("\n  ")}\n  fc ${classes}\n}\n`,
      batch,
      winograd: { split: 0, join: 0, groupElements, channelsFirst: false, inputGradient: "transpose" },
    }));
