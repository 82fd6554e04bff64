/**
 * Training steps of random small networks in chains: legal under the interpreter (nothing outside of its buffer, no race,
 * no scratch that nobody wrote), and the same bits as kernel by kernel, by any number of threads, lanes and workgroups.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Target } from "../../compiler/target.ts";
import { type CpuDevice, openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import {
  interpretSteps,
  type ModelPrograms,
  type ModelUse,
  programsOf,
  randomModels,
  runSteps,
} from "../support/chainedModels.ts";
import { targets } from "../support/targets.ts";

/** Channels and groups of images so that convolutions by tiles lie in scratch. */
const tiled: ModelUse = {
  source: `model Tiled {
  input 3@8x8
  conv 8@3x3 pad 1 bias off -> bn -> relu
  add {
    branch { conv 8@3x3 pad 1 bias off -> bn -> relu -> conv 8@3x3 pad 1 bias off -> bn }
    branch { }
  }
  relu -> pool max 2
  conv 4@5x5 pad 2 -> relu
  fc 10
}`,
  batch: 16,
  winograd: { split: 0, join: 0, groupElements: 1, channelsFirst: false, inputGradient: "transpose" },
};

/** Kernels of the training step, and dispatches. */
function counts({ programs }: ModelPrograms): { readonly kernels: number; readonly dispatches: number } {
  const step = programs.find(({ name }) => name === "trainStep")?.dispatches ?? [];
  return { kernels: step.flatMap(({ kernels }) => kernels).length, dispatches: step.length };
}

function inScratch({ programs }: ModelPrograms): number {
  return programs.flatMap(({ tensors }) => [...tensors.values()].filter(({ storage }) => storage.kind === "scratch"))
    .length;
}

type States = Readonly<Record<string, ArrayLike<number>>>;

/** Bit for bit; says where first not. */
function expectSame(found: States, wanted: States): void {
  for (const [name, data] of Object.entries(wanted))
    for (let i = 0; i < data.length; i++)
      if (!Object.is(found[name]?.[i], data[i]))
        expect.fail(`${name}: element ${i} of ${data.length} is ${found[name]?.[i]}, should be ${data[i]}`);
}

function checkInterpreted(use: ModelUse, target: Target): void {
  const [chained, apart] = [false, true].map((separate) => programsOf(use, target, separate));
  if (!chained || !apart) throw new Error("two ways");
  expectSame(interpretSteps(chained), interpretSteps(apart));
}

describe("interpreted", () => {
  const check = (use: ModelUse): void => checkInterpreted(use, targets.wasm);

  it("convolutions by tiles, in scratch", () => {
    expect(inScratch(programsOf(tiled, targets.wasm, false))).toBeGreaterThan(4);
    expect(inScratch(programsOf(tiled, targets.wasm, true))).toBe(0);
    check(tiled);
  });

  it("random networks", { timeout: 300_000 }, () => {
    fc.assert(fc.property(randomModels(8), check), { numRuns: 6, seed: 21 });
  });
});

/** All kinds of kernels in little time. */
const small: ModelUse = {
  source: `model Small {
  input 3@12x12
  conv 4@5x5 -> bn -> relu -> pool max 2
  dropout 0.25
  fc 12 -> relu
  fc 10
}`,
  batch: 16,
};

const { wasm: _, "an engine that joins vectors": __, ...gpus } = targets;

describe.each(Object.entries(gpus))("interpreted for %s", (_name, target) => {
  it("many kernels of a step share a dispatch, and do what they do apart", { timeout: 300_000 }, () => {
    const chained = counts(programsOf(small, target, false));
    expect(chained.dispatches).toBeLessThan(chained.kernels * (target.software ? 0.5 : 0.8));
    expect(counts(programsOf(small, target, true)).dispatches).toBe(chained.kernels);
    checkInterpreted(small, target);
  });

  it("random networks", { timeout: 300_000 }, () => {
    fc.assert(
      fc.property(randomModels(8), ({ source, batch }) => checkInterpreted({ source, batch }, target)),
      { numRuns: 3, seed: 23 },
    );
  });
});

describe("on the CPU device", () => {
  let devices: CpuDevice[] = [];
  beforeAll(async () => {
    devices = await Promise.all([1, 2, 3].map((threads) => openCpuDevice({ threads })));
  });
  afterAll(() => Promise.all(devices.map((device) => device.close())));

  const check = async (use: ModelUse): Promise<void> => {
    const [first, ...others] = devices;
    if (!first) throw new Error("no device");
    const apart = await runSteps(programsOf(use, first.target, true), first);
    const chained = programsOf(use, first.target, false);
    for (const device of [first, ...others]) expectSame(await runSteps(chained, device), apart);
  };

  it("convolutions by tiles, in scratch", () => check(tiled));

  it("random networks", { timeout: 300_000 }, async () => {
    await fc.assert(fc.asyncProperty(randomModels(16), check), { numRuns: 20, seed: 22 });
  });

  it("random networks, for engines that join vectors and for others", { timeout: 300_000 }, async () => {
    const [device] = devices;
    if (!device) throw new Error("no device");
    const plain: Target = { kind: "wasm", relaxedSimd: device.target.kind === "wasm" && device.target.relaxedSimd };
    const joined: Target = { ...plain, keepsOrder: true, joinsVectors: true };
    const property = fc.asyncProperty(randomModels(16), async (use) => {
      const lossOf = async (target: Target): Promise<number> =>
        (await runSteps(programsOf(use, target, false), device))["metrics.lastLoss"]?.[0] ?? NaN;
      const [found, wanted] = [await lossOf(joined), await lossOf(plain)];
      // Sums are added in another order; two steps of Adam widen that.
      expect(Math.abs(found - wanted)).toBeLessThan(5e-3 * Math.max(1, wanted));
    });
    await fc.assert(property, { numRuns: 15, seed: 24 });
  });
});
