/** One at a time, whatever happens to the one that has the lock. */
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { withLock } from "../../../runtime/files/lock.ts";
import { temporaryFolder } from "../data/dataSupport.ts";

const times = { old: 10_000, patience: 20_000 };

test("work of several never overlaps, and the lock is gone afterwards", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "lock");
  let [inside, most, done] = [0, 0, 0];
  const work = async (): Promise<void> => {
    most = Math.max(most, ++inside);
    await setTimeout(2);
    inside--;
    done++;
  };
  await Promise.all(Array.from({ length: 12 }, () => withLock(path, work, times)));
  expect({ most, done }).toEqual({ most: 1, done: 12 });
  expect(await readdir(folder)).toEqual([]);
});

test("work that fails gives the lock back", async () => {
  const path = join(await temporaryFolder(), "lock");
  await expect(withLock(path, () => Promise.reject(new Error("it broke")), times)).rejects.toThrow("it broke");
  expect(await withLock(path, () => Promise.resolve(7), times)).toBe(7);
});

test("what a killed process left is taken over once it is old", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "lock");
  await writeFile(path, "");
  const minuteAgo = Date.now() / 1000 - 60;
  await utimes(path, minuteAgo, minuteAgo);
  const results = await Promise.all([1, 2, 3].map((n) => withLock(path, () => Promise.resolve(n), times)));
  expect(results).toEqual([1, 2, 3]);
  expect(await readdir(folder)).toEqual([]);
});

test("a lock that stays fresh is waited for, not for ever", async () => {
  const path = join(await temporaryFolder(), "lock");
  await writeFile(path, "");
  await expect(withLock(path, () => Promise.resolve(), { ...times, patience: 50 })).rejects.toMatchObject({
    name: "LockTaken",
  });
});

test("a folder that is not there is told as such", async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "there"));
  await expect(withLock(join(folder, "gone", "lock"), () => Promise.resolve(), times)).rejects.toMatchObject({
    code: "ENOENT",
  });
});
