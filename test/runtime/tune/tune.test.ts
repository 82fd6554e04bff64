/**
 * What tuning does with its time and with what it finds, on a made-up device by a made-up clock: which kernels come first,
 * when it ends, what is kept.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { RunnablePlan } from "../../../compiler/plan/plan.ts";
import { type CheckedModel, checkText, type TrainingRecipe } from "../../../language/index.ts";
import type { Device, Session } from "../../../runtime/device/device.ts";
import { measuringEnd, tune, type TuneProgress, type TuneResult } from "../../../runtime/tune/tune.ts";
import { tuneText } from "../../../runtime/tune/tuneText.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

const text = "model M {\ninput 3@32x32\nconv 8@3x3 -> bn -> relu\nfc 10\n}\ntrain {\ndata shapes\nbatch 4\n}";

function checked(): { model: CheckedModel; recipe: TrainingRecipe } {
  const { program } = checkText(text, "made-up.cnn");
  const [model] = program?.models ?? [];
  if (!model || !program?.recipe) throw new Error("the program has errors");
  return { model, recipe: program.recipe };
}

interface Trial {
  /** Milliseconds of one run of a candidate, by its number. */
  readonly candidate?: (number: number) => number;
  /** Whole steps: with the default schedules, with the tuned ones. */
  readonly steps?: readonly [number, number];
  /** Milliseconds until a plan is open. */
  readonly opening?: number;
  /** Candidates that compute something else. */
  readonly wrong?: number;
  readonly seconds?: number;
  /** The kernel before which Ctrl-C is pressed. */
  readonly interruptAt?: number;
}

const usual = (number: number): number => (number === 2 ? 5 : 10);

interface Tried {
  readonly result: TuneResult;
  readonly told: readonly TuneProgress[];
  /** Milliseconds from the beginning to the end. */
  readonly time: number;
  readonly open: number;
}

async function tried(trial: Trial): Promise<Tried> {
  const { candidate = usual, steps = [100, 90], opening = 100, seconds = 1000 } = trial;
  let wholePlans = 0;
  let open = 0;
  const pass = (milliseconds: number): void => void vi.advanceTimersByTime(milliseconds);
  const sessionOf = (plan: RunnablePlan): Session => {
    const isWhole = plan.programs["trainStep"] !== undefined;
    const stepTime = isWhole ? steps[wholePlans++ === 2 ? 1 : 0] : 0;
    const timeOf = (program: string): number => (isWhole ? stepTime : candidate(Number(program.split(" ")[1])));
    let last = "";
    pass(opening);
    open++;
    return {
      write: () => undefined,
      async read(_, __, bytes) {
        return new Uint8Array(bytes).fill(last === `candidate ${trial.wrong}` ? 64 : 0);
      },
      async run(program, times = 1) {
        last = program;
        pass(times * timeOf(program));
      },
      async profile(program, times = 1) {
        pass(times * timeOf(program));
        // Of a step, later dispatches take longer.
        const of = (dispatch: number): number => (isWhole ? 1 + dispatch : timeOf(program));
        return (plan.programs[program] ?? []).map(({ kernel }, i) => ({ kernel, milliseconds: of(i) }));
      },
      async close() {
        open--;
      },
    };
  };
  const device: Device = {
    description: { kind: "cpu", name: "made up", driver: "0", software: true },
    target: { kind: "wasm", relaxedSimd: false },
    requirements: () => [],
    open: async (plan) => sessionOf(plan),
    close: async () => undefined,
  };
  const { model, recipe } = checked();
  const told: TuneProgress[] = [];
  const controller = new AbortController();
  const onProgress = (progress: TuneProgress): void => {
    told.push(progress);
    if (progress.stage === "measuring" && progress.done === trial.interruptAt) controller.abort();
  };
  const start = performance.now();
  const counts = { train: 8, test: 8 };
  const { signal } = controller;
  const result = await tune({ model, recipe, counts, device, seconds, signal, onProgress });
  return { result, told, time: performance.now() - start, open };
}

test("the dearest kernels come first, each is told with the part of a step that is done", async () => {
  const { told, open } = await tried({});
  const measuring = told.flatMap((progress) => (progress.stage === "measuring" ? [progress] : []));
  expect(told.map(({ stage }) => stage)).toEqual(["opening", ...measuring.map(() => "measuring"), "comparing"]);
  expect(measuring.map(({ done }) => done)).toEqual(measuring.map((_, i) => i));
  expect(measuring.length).toBe(measuring[0]?.total);
  const shares = measuring.map(({ share }) => share);
  const parts = shares.slice(1).map((share, i) => share - (shares[i] ?? 0));
  expect(shares[0]).toBe(0);
  expect(parts).toEqual(parts.toSorted((a, b) => b - a));
  expect(open).toBe(0);
});

describe("of a kernel", () => {
  test("the fastest candidate is kept, with the times of both", async () => {
    const { kernels, schedules, step } = (await tried({})).result;
    const chosen = kernels.filter(({ tried: count }) => count > 2);
    expect(chosen.length).toBeGreaterThan(5);
    for (const kernel of chosen)
      expect(kernel).toMatchObject({ isDefault: false, defaultMilliseconds: 10, milliseconds: 5, refused: 0 });
    expect([...schedules.keys()].sort()).toEqual(chosen.map(({ key }) => key).sort());
    expect(step).toEqual({ defaultMilliseconds: 100, milliseconds: 90 });
  });

  test("one that computes something else is never taken, however fast", async () => {
    const { kernels } = (await tried({ wrong: 2 })).result;
    const refused = kernels.filter((kernel) => kernel.refused > 0);
    expect(refused.length).toBeGreaterThan(3);
    for (const kernel of refused) expect(kernel).toMatchObject({ isDefault: true, milliseconds: 10 });
  });

  test("one that is hardly faster is not worth it", async () => {
    const { result } = await tried({ candidate: (number) => (number === 2 ? 9.8 : 10) });
    expect(result.kernels.every(({ isDefault }) => isDefault)).toBe(true);
    expect(result).toMatchObject({ step: undefined, schedules: new Map() });
    expect(tuneText(result)).toContain("no schedule was faster than the default one");
  });
});

test("what makes the whole step slower is not kept", async () => {
  const { result } = await tried({ steps: [100, 101] });
  expect(result.step).toEqual({ defaultMilliseconds: 100, milliseconds: 101 });
  expect(result.schedules.size).toBe(0);
  expect(tuneText(result)).toMatch(/ratio 0\.990; the default schedules stay\n$/);
});

describe("the time limit", () => {
  test("ends measuring, with the time that comparing takes; what was found is kept", async () => {
    const all = (await tried({})).result;
    const { result, time } = await tried({ seconds: 3 });
    expect(result.kernels.length).toBeGreaterThan(1);
    expect(result.kernels.length).toBeLessThan(all.kernels.length);
    expect(result.schedules.size).toBeGreaterThan(0);
    expect(result.share).toBeGreaterThan(0);
    expect(result.share).toBeLessThan(1);
    expect(time).toBeLessThan(7000);
    expect(tuneText(result)).toMatch(/\d+ of \d+ kernels were not measured/);
  });

  test("leaves time for comparing, but half of it is for measuring", () => {
    expect(measuringEnd(1000, 60_000, 500)).toBe(60_500);
    expect(measuringEnd(1000, 60_000, 10_000)).toBe(51_000);
    expect(measuringEnd(1000, 60_000, 40_000)).toBe(71_000);
  });

  test("cuts a kernel with slow candidates short", async () => {
    const { result, time } = await tried({ seconds: 10, candidate: () => 4000 });
    expect(result.kernels).toEqual([]);
    expect(time).toBeLessThan(20_000);
  });
});

describe("Ctrl-C", () => {
  test("keeps what was found until then, compared where that takes no time", async () => {
    const { result } = await tried({ interruptAt: 3 });
    expect(result.kernels.length).toBeLessThanOrEqual(3);
    expect(result.schedules.size).toBe(result.kernels.filter(({ isDefault }) => !isDefault).length);
    expect(result.schedules.size).toBeGreaterThan(0);
    expect(result.step).toBeDefined();
  });

  test("does not wait for a slow driver", async () => {
    const { result, told, open } = await tried({ interruptAt: 3, opening: 5000 });
    expect(told.at(-1)).toMatchObject({ stage: "measuring", done: 3 });
    expect(result.schedules.size).toBeGreaterThan(0);
    expect(tuneText(result)).toContain("whole steps were not compared");
    expect(open).toBe(0);
  });

  test("before the first kernel leaves nothing to keep", async () => {
    const { result } = await tried({ interruptAt: 0 });
    expect(result).toMatchObject({ kernels: [], schedules: new Map(), step: undefined });
    expect(tuneText(result)).toBe("no kernel was measured: `cnnc tune` takes more time with --seconds\n");
  });
});

test("a batch that the data set does not have, and one that does not fit, are told before anything runs", async () => {
  const { model, recipe } = checked();
  const limited: Device = {
    description: { kind: "cpu", name: "made up", driver: "0", software: true },
    target: { kind: "wasm", relaxedSimd: false },
    requirements: (plan) => [
      { what: "all tensors", bytes: plan.buffers.reduce((sum, { bytes }) => sum + bytes, 0), limit: 3 << 20 },
    ],
    open: () => Promise.reject(new Error("it must not be opened")),
    close: async () => undefined,
  };
  const at = (batch: number, train: number): Promise<TuneResult> =>
    tune({
      model,
      recipe: { ...recipe, batch },
      counts: { train, test: 8 },
      device: limited,
      seconds: 1,
    });
  await expect(at(64, 32)).rejects.toMatchObject({ kind: "data", remedy: "Choose a batch of at most 32." });
  await expect(at(64, 64)).rejects.toMatchObject({ kind: "device", remedy: expect.stringMatching(/Use --batch \d+/) });
});
