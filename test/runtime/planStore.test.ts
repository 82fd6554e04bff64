/** Plans of earlier runs: found for the same training only, and as good as the ones that were compiled. */
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PlanPart } from "../../compiler/plan/plan.ts";
import { checkText } from "../../language/index.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import { sharedText } from "../../runtime/device/gpu/sharedText.ts";
import { obtainPlan } from "../../runtime/train/obtainPlan.ts";
import { openPlanStore, type PlanInputs } from "../../runtime/train/planStore.ts";
import { afterTwoSteps } from "../support/afterSteps.ts";
import { targets } from "../support/targets.ts";

const text = `model Small {
  input 3@32x32
  conv 4@3x3 stride 2 -> bn -> relu
  fc 10
}
train { data shapes
  batch 8
  optimizer sgd lr 0.1
}`;

function inputsOf(program: string, target: keyof typeof targets = "wasm"): PlanInputs {
  const { program: checked } = checkText(program, "small.cnn");
  const [model] = checked?.models ?? [];
  if (!model || !checked?.recipe) throw new Error("the program has errors");
  return {
    model,
    recipe: checked.recipe,
    counts: { train: 32, test: 16 },
    target: targets[target],
    fuse: true,
    schedules: new Map(),
    programs: ["initialise", "trainStep"],
  };
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cnnc-plans-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const noDevice = {};

async function keepOne(inputs = inputsOf(text), build = "one"): Promise<string> {
  const { keep } = await obtainPlan(inputs, noDevice, openPlanStore(folder, build));
  await keep();
  const names = await readdir(folder);
  return join(folder, names.at(-1) ?? "");
}

describe("a device that prepares", () => {
  it("is given the kernels of a plan for a GPU while it is made", async () => {
    const given: PlanPart[] = [];
    // No kernel has its bindings merged, which happens when tensors have their places.
    const target = { ...targets["a software GPU"], maximumBindings: 32 };
    const device = { prepare: (part: PlanPart) => void given.push(part) };
    const { plan } = await obtainPlan({ ...inputsOf(text), target }, device, undefined);
    const early = given.flatMap((part) => (part instanceof Uint8Array ? [] : [sharedText(part.source)]));
    const texts = new Set(plan.kernels.map(({ source }) => sharedText(source)));
    expect(early).toHaveLength(given.length);
    // Each once.
    expect(early).toHaveLength(texts.size);
    expect(new Set(early)).toEqual(texts);
  });
});

describe("a plan that was kept", () => {
  it.each(["wasm", "a software GPU"] as const)("is what the compiler made, for %s", async (target) => {
    const inputs = inputsOf(text, target);
    const { plan: made } = await obtainPlan(inputs, noDevice, undefined);
    await keepOne(inputs);
    const kept = await openPlanStore(folder, "one").find(inputsOf(text, target));
    const { kernels, ...rest } = made;
    expect(kept?.plan).toMatchObject(rest);
    const sources = kernels.map(({ source }) => (target === "wasm" ? "" : source));
    expect(kept?.plan.kernels.map(({ source }) => source)).toEqual(sources);
    expect(kept?.plan.kernels.map(({ bindings }) => bindings)).toEqual(kernels.map(({ bindings }) => bindings));
  });

  it("trains to the same bits", async () => {
    await keepOne();
    const device = await openCpuDevice({ threads: 2 });
    const store = openPlanStore(folder, "one");
    const parameters = await Promise.all(
      [store, undefined].map(async (from) => {
        const { plan } = await obtainPlan(inputsOf(text), device, from);
        return afterTwoSteps(device, plan);
      }),
    );
    await device.close();
    expect(parameters[0]?.some((byte) => byte !== 0)).toBe(true);
    expect(parameters[0]).toEqual(parameters[1]);
  });

  it("is not found for anything else", async () => {
    await keepOne();
    const same = inputsOf(text);
    const store = openPlanStore(folder, "one");
    expect(await store.find(same)).toBeDefined();
    const others: PlanInputs[] = [
      inputsOf(text.replace("relu", "tanh")),
      inputsOf(text.replace("batch 8", "batch 4")),
      inputsOf(text, "a GPU"),
      { ...same, counts: { train: 33, test: 16 } },
      { ...same, fuse: false },
      { ...same, programs: ["evaluateStep"] },
      { ...same, target: { kind: "wasm", relaxedSimd: true } },
      { ...same, target: { kind: "wasm", relaxedSimd: false, unsharedMemory: true } },
      { ...same, target: { kind: "wasm", relaxedSimd: false, keepsOrder: true } },
      { ...same, target: { kind: "wasm", relaxedSimd: false, keepsOrder: true, joinsVectors: true } },
    ];
    for (const other of others) expect(await store.find(other)).toBeUndefined();
    expect(await openPlanStore(folder, "two").find(same)).toBeUndefined();
  });

  it("is as good as none where the file is damaged, and is kept anew", async () => {
    const path = await keepOne();
    const bytes = await readFile(path);
    for (const damaged of [bytes.subarray(0, 100), Buffer.from("nonsense"), flipped(bytes)]) {
      await writeFile(path, damaged);
      expect(await openPlanStore(folder, "one").find(inputsOf(text))).toBeUndefined();
    }
    await keepOne();
    expect(await openPlanStore(folder, "one").find(inputsOf(text))).toBeDefined();
  });
});

/** One bit in the middle. */
function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const middle = copy.length >> 1;
  copy[middle] = (copy[middle] ?? 0) ^ 4;
  return copy;
}

describe("the folder", () => {
  it("may be one that cannot be written", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    const { plan, keep } = await obtainPlan(inputsOf(text), noDevice, openPlanStore(join(file, "plans"), "one"));
    await expect(keep()).resolves.toBeUndefined();
    expect(plan.kernels.length).toBeGreaterThan(0);
  });

  it("keeps the plans that were used last", async () => {
    const old = (name: string, day: number): Promise<void> => {
      const path = join(folder, name);
      return writeFile(path, "").then(() => utimes(path, day, day));
    };
    for (let day = 1; day <= 60; day++) await old(`${day}.plan.gz`, day);
    await old("notes.txt", 0);
    await keepOne();
    expect(await openPlanStore(folder, "one").find(inputsOf(text))).toBeDefined();
    const names = await readdir(folder);
    expect(names).toHaveLength(49);
    expect(names).toContain("notes.txt");
    expect(names).toContain("60.plan.gz");
    expect(names).not.toContain("1.plan.gz");
  });
});
