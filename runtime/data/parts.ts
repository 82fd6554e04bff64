/**
 * Parts of downloads that earlier attempts left behind.
 *
 * In: the path of a download. Out: the largest part, renamed. What holds: a part that another process still writes is left
 * alone: it belongs to a living process, or something was written lately (the process may live in another container).
 */
import { readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { systemCode } from "../errors.ts";

/** More than any download waits for its next byte, in milliseconds. */
const silence = 20_000;

/** Renames the largest part that belongs to nobody to `part`, if there is one, and removes the others. */
export async function takeUpPart(path: string, part: string): Promise<void> {
  const found: { file: string; size: number }[] = [];
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.`) || !name.endsWith(".part")) continue;
    const file = join(dirname(path), name);
    const info = await stat(file).catch(() => undefined);
    const owner = /\.(\d+)-\d+\.part$/.exec(name)?.[1];
    const isFree = owner === undefined || (!isAlive(Number(owner)) && Date.now() - (info?.mtimeMs ?? 0) > silence);
    if (info && isFree) found.push({ file, size: info.size });
  }
  found.sort((a, b) => b.size - a.size);
  const [largest, ...others] = found;
  for (const { file } of others) await rm(file, { force: true });
  if (!largest) return;
  try {
    await rename(largest.file, part);
    const now = new Date();
    await utimes(part, now, now);
  } catch (problem) {
    // Another process took it up in this moment.
    if (systemCode(problem) !== "ENOENT") throw problem;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (problem) {
    return systemCode(problem) === "EPERM";
  }
}
