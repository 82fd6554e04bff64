/** The parts of the training loop that need no device. */
import { expect, test } from "vitest";
import { createBurstRunner } from "../../runtime/train/bursts.ts";
import { epochOrder } from "../../runtime/train/epochOrder.ts";
import { stepsPerEpoch } from "../../runtime/train/trainer.ts";

test("an epoch's order is a permutation that seed and epoch fix", () => {
  const order = epochOrder(1, 1, 1000);
  expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  expect(epochOrder(1, 1, 1000)).toEqual(order);
  expect(epochOrder(1, 2, 1000)).not.toEqual(order);
  expect(epochOrder(2, 1, 1000)).not.toEqual(order);
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

test("bursts grow to what a device does in a third of a second, and sum up", async () => {
  const sizes: number[] = [];
  const session = {
    run: async (_: string, times = 1) => {
      sizes.push(times);
      await new Promise((resolve) => setTimeout(resolve, times));
    },
  };
  const seen: number[] = [];
  const done = await createBurstRunner(session, undefined).run(
    "trainStep",
    500,
    async (steps) => void seen.push(steps),
  );
  expect(done).toBe(500);
  expect(sizes[0]).toBe(1);
  expect(Math.max(...sizes)).toBeGreaterThan(50);
  expect(sizes.length).toBeGreaterThan(2);
  expect(seen.at(-1)).toBe(500);
  expect(sizes.reduce((sum, steps) => sum + steps, 0)).toBe(500);
});

test("an abort ends after the burst", async () => {
  const controller = new AbortController();
  const session = { run: async () => {} };
  const done = await createBurstRunner(session, controller.signal).run("trainStep", 1_000_000_000, async () =>
    controller.abort(),
  );
  expect(done).toBe(1);
});

test("a last batch that is not full is left out", () => {
  expect(stepsPerEpoch(50_000, 64)).toBe(781);
  expect(stepsPerEpoch(64, 64)).toBe(1);
});
