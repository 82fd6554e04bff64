/** Kernels one after another in one dispatch: every order is kept, and nothing changes a bit. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile, type ScheduledProgram } from "../../compiler/compile.ts";
import type { Kernel, StoredTensor } from "../../compiler/fusion/kernel.ts";
import { isLegal } from "../../compiler/lower/legalSchedule.ts";
import { verifyNest } from "../../compiler/nest/verifyNest.ts";
import { planChains, scratchTensors } from "../../compiler/schedule/chains.ts";
import { drain } from "../../compiler/turns.ts";
import { checkText, type CheckedModel, type TrainingRecipe } from "../../language/index.ts";
import { type CpuDevice, openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import { targets } from "../support/targets.ts";
import { openPlanState } from "../../runtime/train/planState.ts";

const lenet = `model LeNet {
  input 3@32x32
  conv 6@5x5 -> bn -> relu -> pool max 2
  conv 16@5x5 -> bn -> relu -> pool max 2
  fc 24 -> relu
  fc 10
}
train { data shapes
  batch 16
  optimizer adam lr 0.01
}`;

/** Channels and maps for which Winograd's convolutions are taken, a stride, branches that add. */
const residual = `block basic(width, stride = 1) {
  add {
    branch { conv width@3x3 stride stride pad 1 bias off -> bn -> relu -> conv width@3x3 pad 1 bias off -> bn }
    branch { if stride != 1 or width != in.channels { conv width@1x1 stride stride bias off -> bn } }
  }
  relu
}
model Residual {
  input 3@32x32
  conv 16@3x3 pad 1 stride 2 bias off -> bn -> relu
  basic 16
  basic 32 stride 2
  pool avg global
  fc 10
}
train { data shapes
  batch 16
  optimizer sgd lr 0.1 momentum 0.9
}`;

function read(text: string): { model: CheckedModel; recipe: TrainingRecipe } {
  const { program, diagnostics } = checkText(text, "test.cnn");
  const [model] = program?.models ?? [];
  if (!program?.recipe || !model) throw new Error(JSON.stringify(diagnostics));
  return { model, recipe: program.recipe };
}

const counts = { train: 64, test: 16 };

describe("chains of whole training steps", () => {
  let devices: CpuDevice[];
  beforeAll(async () => {
    devices = await Promise.all([1, 2, 3].map((threads) => openCpuDevice({ threads })));
  });
  afterAll(() => Promise.all(devices.map((device) => device.close())));

  /** The parameters after some steps. */
  async function train(text: string, device: CpuDevice, separate: boolean): Promise<Record<string, Float32Array>> {
    const { model, recipe } = read(text);
    const { plan } = compile(model, recipe, { counts, target: device.target, separate });
    const session = await device.open(plan);
    try {
      const state = openPlanState(session, plan);
      state.write("control.seed", Uint32Array.of(7));
      state.write("control.learningRate", Float32Array.of(0.01));
      state.write(
        "train.order",
        Uint32Array.from({ length: counts.train }, (_, i) => i),
      );
      state.write(
        "train.labels",
        Uint8Array.from({ length: counts.train }, (_, i) => (i * 7) % 10),
      );
      const bytes = counts.train * 3 * 32 * 32;
      state.write(
        "train.images",
        Uint8Array.from({ length: bytes }, (_, i) => (i * 7919 + (i >> 5)) % 251),
      );
      await session.run("initialise");
      await session.run("trainStep", 3);
      const names = model.layers.flatMap(({ parameters }) => parameters.map(({ path }) => path));
      const read_: Record<string, Float32Array> = {};
      for (const name of names) read_[name] = await state.read(name);
      return read_;
    } finally {
      await session.close();
    }
  }

  it.each([
    ["LeNet", lenet],
    ["a residual network", residual],
  ])("%s: the same bits chained or apart, by one thread or several", async (_, text) => {
    const [one, two, three] = devices;
    if (!one || !two || !three) throw new Error("three devices");
    const apart = await train(text, two, true);
    expect(Object.values(apart).every((data) => data.every(Number.isFinite))).toBe(true);
    for (const device of [one, two, three]) expect(await train(text, device, false)).toEqual(apart);
  });

  it.each([
    ["LeNet", lenet],
    ["a residual network", residual],
  ])("%s: its nests are legal, and fewer than its kernels", (_, text) => {
    const { model, recipe } = read(text);
    const { programs } = compile(model, recipe, { counts, target: { kind: "wasm", relaxedSimd: true } });
    for (const { dispatches } of programs) for (const { lowered } of dispatches) verifyNest(lowered.nest);
    const step = programs.find(({ name }) => name === "trainStep");
    const kernels = step?.dispatches.flatMap((dispatch) => dispatch.kernels) ?? [];
    expect(step?.dispatches.length).toBeLessThan(kernels.length * 0.6);
    const inScratch = [...(step?.tensors.values() ?? [])].filter(({ storage }) => storage.kind === "scratch");
    expect(inScratch.length).toBeGreaterThan(0);
  });
});

describe("on a software adapter", () => {
  const target = { ...targets["a software GPU"], maximumBindings: 16 };

  it("a step of LeNet is at most 16 dispatches", () => {
    const { model, recipe } = read(lenet.replace("fc 24", "fc 120 -> relu -> fc 84").replace("batch 16", "batch 64"));
    const { programs } = compile(model, recipe, { counts, target, programs: ["trainStep"] });
    expect(programs[0]?.dispatches.length).toBeLessThanOrEqual(16);
  });

  it.each([
    ["LeNet", lenet],
    ["a residual network", residual],
  ])("%s: kernels of a chain have its chunks, and names that tell where it begins and ends", (_, text) => {
    const { model, recipe } = read(text);
    const { programs } = compile(model, recipe, { counts, target, programs: ["trainStep"] });
    const chains = programs.flatMap(({ dispatches }) => dispatches).filter(({ name }) => name.includes(" kernels)"));
    expect(chains.length).toBeGreaterThan(0);
    for (const { name, kernels, lowered } of chains) {
      expect(name).toContain(kernels[0]?.name);
      expect(new Set(kernels.map(({ chunks }) => chunks)).size).toBeLessThanOrEqual(2);
      for (const kernel of kernels)
        expect(isLegal(kernel.schedule, { ...kernel, tensors: tensorsOf(programs), target })).toBe(true);
      verifyNest(lowered.nest);
    }
  });

  it("a schedule of a chain leaves nothing to other workgroups", () => {
    const { model, recipe } = read(lenet);
    const { programs } = compile(model, recipe, { counts, target, programs: ["trainStep"] });
    const tensors = tensorsOf(programs);
    const chained = programs
      .flatMap(({ dispatches }) => dispatches.flatMap(({ kernels }) => kernels))
      .filter(({ chunks, schedule }) => chunks !== undefined && schedule.rounds);
    expect(chained.length).toBeGreaterThan(10);
    for (const kernel of chained) {
      const { rounds: _, ...schedule } = kernel.schedule;
      expect(isLegal(kernel.schedule, { ...kernel, tensors, target })).toBe(true);
      expect(isLegal(schedule, { ...kernel, tensors, target })).toBe(false);
    }
  });
});

function tensorsOf(programs: readonly ScheduledProgram[]): ReadonlyMap<number, StoredTensor> {
  return programs[0]?.tensors ?? new Map();
}

/** A kernel over `[16, 4096]` that reads each tensor at its own row, or at the first one. */
function kernelOf(output: number, reads: readonly { tensor: number; isLocal: boolean }[]): Kernel {
  const origin = { layer: `k${output}`, line: 0, role: "forward" };
  return {
    origins: [origin],
    domain: [16, 4096],
    extents: [],
    accumulators: [],
    inPlace: false,
    outputs: [
      {
        tensor: output,
        value: ([row, column]) =>
          reads.reduce<ReturnType<Kernel["outputs"][number]["value"]>>(
            (sum, { tensor, isLocal }) => ({
              kind: "binary",
              operator: "add",
              left: sum,
              right: {
                kind: "access",
                tensor,
                coordinates: [isLocal && row ? row : zeroIndex, column ?? zeroIndex],
              },
            }),
            { kind: "constant", value: 1 },
          ),
      },
    ],
  };
}

const zeroIndex = { constant: 0, terms: [], minimum: 0, maximum: 0, key: "0" };

function stored(id: number): StoredTensor {
  return { id, label: `t${id}`, shape: [16, 4096], type: "f32", storage: { kind: "temporary" } };
}

describe("planning", () => {
  const programs = fc
    .array(fc.array(fc.record({ back: fc.integer({ min: 1, max: 6 }), isLocal: fc.boolean() }), { maxLength: 3 }), {
      minLength: 1,
      maxLength: 14,
    })
    .map((all) =>
      all.map((reads, i) =>
        reads.map(({ back, isLocal }) => ({ tensor: i - back, isLocal })).filter(({ tensor }) => tensor >= 0),
      ),
    );

  it("runs each kernel once, after all that it reads, and reads inside of a chain in its own rows alone", () => {
    fc.assert(
      fc.property(programs, (all) => {
        const kernels = all.map((reads, i) => kernelOf(i, reads));
        const tensors = new Map(all.map((_, i) => [i, stored(i)]));
        const chains = drain(planChains(kernels, tensors));
        const order = chains.flatMap((chain) => chain.kernels);
        expect(order.toSorted((a, b) => a - b)).toEqual(all.map((_, i) => i));
        const chainOf = new Map(chains.flatMap((chain, c) => chain.kernels.map((k) => [k, c] as const)));
        all.forEach((reads, k) => {
          for (const { tensor, isLocal } of reads) {
            expect(order.indexOf(tensor)).toBeLessThan(order.indexOf(k));
            if (chainOf.get(tensor) === chainOf.get(k)) expect(isLocal).toBe(true);
          }
        });
        for (const id of scratchTensors(chains, kernels, tensors).keys())
          all.forEach((reads, k) => {
            if (reads.some(({ tensor }) => tensor === id)) expect(chainOf.get(k)).toBe(chainOf.get(id));
          });
      }),
      { numRuns: 200, seed: 53 },
    );
  });

  it("joins what stays in its rows", () => {
    const kernels = [
      kernelOf(0, []),
      kernelOf(1, [{ tensor: 0, isLocal: true }]),
      kernelOf(2, [{ tensor: 1, isLocal: true }]),
    ];
    const tensors = new Map([0, 1, 2].map((i) => [i, stored(i)]));
    expect(drain(planChains(kernels, tensors))).toEqual([{ kernels: [0, 1, 2], chunks: 16 }]);
  });
});
