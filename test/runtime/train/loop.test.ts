/** The order of images and the bursts of steps: the parts of the training loop that need no device. */
import { expect, test } from "vitest";
import { createBurstRunner } from "../../../runtime/train/bursts.ts";
import { epochOrder, stepsPerEpoch } from "../../../runtime/train/epochOrder.ts";

test("an epoch's order is a permutation that seed and epoch fix", () => {
  const order = epochOrder(1, 1, 1000);
  expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  expect(epochOrder(1, 1, 1000)).toEqual(order);
  expect(epochOrder(1, 2, 1000)).not.toEqual(order);
  expect(epochOrder(2, 1, 1000)).not.toEqual(order);
  // The next seed's epoch is not this seed's next epoch.
  expect(epochOrder(2, 1, 1000)).not.toEqual(epochOrder(1, 2, 1000));
});

test("these permutations, on every machine", () => {
  expect([...epochOrder(1, 1, 10)]).toEqual([7, 3, 4, 9, 6, 2, 1, 0, 8, 5]);
  expect([...epochOrder(42, 7, 10)]).toEqual([8, 2, 9, 7, 4, 0, 3, 6, 5, 1]);
  expect(new Set(epochOrder(4_294_967_295, 1, 3))).toEqual(new Set([0, 1, 2]));
  expect([...epochOrder(1, 1, 1)]).toEqual([0]);
  expect([...epochOrder(1, 1, 0)]).toEqual([]);
});

test("every image comes to every place alike", () => {
  // 10 places, 20,000 permutations: each count is 2000 within 5 deviations of sqrt(20000 * 0.1 * 0.9) = 42.
  const counts = Array.from({ length: 10 }, () => Array.from({ length: 10 }, () => 0));
  for (let epoch = 0; epoch < 20_000; epoch++)
    epochOrder(7, epoch, 10).forEach((image, place) => {
      const row = counts[place];
      if (row) row[image] = (row[image] ?? 0) + 1;
    });
  for (const count of counts.flat()) expect(Math.abs(count - 2000)).toBeLessThan(212);
});

/** A session whose steps take this long each; keeps what it was asked to run. */
function slowSession(milliseconds: (program: string) => number): {
  asked: [string, number][];
  run: (program: string, times?: number) => Promise<void>;
} {
  const asked: [string, number][] = [];
  const run = async (program: string, times = 1): Promise<void> => {
    asked.push([program, times]);
    await new Promise((resolve) => setTimeout(resolve, times * milliseconds(program)));
  };
  return { asked, run };
}

test("bursts grow to what a device does in a third of a second, and sum up", async () => {
  // A timer may be early: a first burst that seems shorter must not let the second take all the rest.
  const session = slowSession(() => 2);
  const seen: number[] = [];
  const done = await createBurstRunner(session, undefined).run(
    "trainStep",
    500,
    async (steps) => void seen.push(steps),
  );
  const sizes = session.asked.map(([, times]) => times);
  expect(done).toBe(500);
  expect(sizes[0]).toBe(1);
  expect(Math.max(...sizes)).toBeGreaterThan(50);
  expect(sizes.length).toBeGreaterThan(2);
  // `after` is told the sum so far, after each burst.
  let sum = 0;
  expect(seen).toEqual(sizes.map((size) => (sum += size)));
  expect(sum).toBe(500);
});

test("each program has its own pace, which the next run goes on with", async () => {
  const session = slowSession((program) => (program === "slow" ? 400 : 1));
  const runner = createBurstRunner(session, undefined);
  await runner.run("slow", 2, async () => {});
  await runner.run("fast", 100, async () => {});
  const before = session.asked.length;
  await runner.run("fast", 40, async () => {});
  expect(session.asked.slice(0, 2)).toEqual([
    ["slow", 1],
    ["slow", 1],
  ]);
  expect(session.asked.slice(before).length).toBeLessThanOrEqual(2);
});

test("an abort ends after the burst; nothing runs after it", async () => {
  const controller = new AbortController();
  const session = slowSession(() => 0);
  const runner = createBurstRunner(session, controller.signal);
  expect(await runner.run("trainStep", 1_000_000_000, async () => controller.abort())).toBe(1);
  expect(await runner.run("trainStep", 10, async () => {})).toBe(0);
  expect(session.asked).toHaveLength(1);
});

test("no steps, and what a device or the caller throws", async () => {
  const session = slowSession(() => 0);
  const runner = createBurstRunner(session, undefined);
  expect(await runner.run("trainStep", 0, async () => {})).toBe(0);
  expect(session.asked).toEqual([]);
  await expect(runner.run("trainStep", 5, () => Promise.reject(new Error("no number")))).rejects.toThrow("no number");
  const broken = createBurstRunner({ run: () => Promise.reject(new Error("lost")) }, undefined);
  await expect(broken.run("trainStep", 5, async () => {})).rejects.toThrow("lost");
});

test("a last batch that is not full is left out", () => {
  expect(stepsPerEpoch(50_000, 64)).toBe(781);
  expect(stepsPerEpoch(64, 64)).toBe(1);
  expect(stepsPerEpoch(63, 64)).toBe(0);
});
