/**
 * One process at a time: a lock is a file that only one of them can make.
 *
 * In: a path, and work. Out: what the work gives. What holds: the work of no two holders of one path overlaps; what a process
 * left behind that was killed is removed once it is old. Throws what the file system does, or a `LockTaken`.
 */
import { open, rename, rm, stat } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { systemCode } from "../errors.ts";

export interface LockTimes {
  /** Milliseconds after which a lock was left behind: holders are done in a few. */
  readonly old: number;
  /** Milliseconds to wait at most. */
  readonly patience: number;
}

const usualTimes: LockTimes = { old: 10_000, patience: 30_000 };

/** Somebody else has the lock all the time. */
export class LockTaken extends Error {
  override name = "LockTaken";
}

export async function withLock<T>(path: string, work: () => Promise<T>, times: LockTimes = usualTimes): Promise<T> {
  await take(path, times);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string, { old, patience }: LockTimes): Promise<void> {
  const end = performance.now() + patience;
  while (!(await make(path))) {
    if (performance.now() > end) throw new LockTaken(`${path} is there all the time`);
    await removeOld(path, old);
    // Waiters that wake at different times hinder one another less.
    await setTimeout(5 + 20 * Math.random());
  }
}

async function make(path: string): Promise<boolean> {
  try {
    await (await open(path, "wx")).close();
    return true;
  } catch (problem) {
    if (systemCode(problem) === "EEXIST") return false;
    throw problem;
  }
}

async function removeOld(path: string, old: number): Promise<void> {
  const info = await stat(path).catch(() => undefined);
  if (!info || Date.now() - info.mtimeMs < old) return;
  // Of several that see it only one moves it away.
  const aside = `${path}.${process.pid}-${performance.now()}`;
  await rename(path, aside).catch(() => undefined);
  await rm(aside, { force: true });
}
