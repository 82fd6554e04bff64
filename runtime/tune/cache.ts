/**
 * Tuned schedules in the cache folder: a file for each adapter, driver and compiler.
 *
 * In: a device, the compiler's version. Out: schedules by key. What holds: processes that write at the same time lose nothing
 * of one another; a file that cannot be used, because it is damaged or somebody else's, is as good as none, says so, and
 * is moved aside before another takes its place.
 */
import { createHash } from "node:crypto";
import { readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { DeviceDescription } from "../device/device.ts";
import { reasonOf, RuntimeFailure, systemCode } from "../errors.ts";
import { fileFailure, writeAtomically } from "../files/atomic.ts";
import { LockTaken, withLock } from "../files/lock.ts";
import { makeFolder } from "../files/makeFolder.ts";
import { type Schedules, schedulesFromJson, schedulesToJson } from "./schedules.ts";

/** Whom schedules are for. */
export interface TunedFor {
  readonly device: DeviceDescription;
  /** The compiler's version. */
  readonly cnnc: string;
}

/** `…/tuned/llvmpipe-llvm-15-0-6-256-bits-1a2b3c4d.json` */
export function tunedPath(cache: string, { device, cnnc }: TunedFor): string {
  const { kind, name, driver } = device;
  const digest = createHash("sha256")
    .update(JSON.stringify([kind, name, driver, cnnc]))
    .digest("hex")
    .slice(0, 8);
  const slug = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 60)
    .replace(/^-|-$/g, "");
  return join(cache, "tuned", `${slug}-${digest}.json`);
}

export interface Cached {
  readonly schedules: Schedules;
  /** What is wrong with the file, in words. */
  readonly warning?: string;
}

/** What a cache folder has for a device. Never throws. */
export async function readTuned(cache: string, of: TunedFor): Promise<Cached> {
  const path = tunedPath(cache, of);
  try {
    return readText(await readFile(path, "utf8"), path, of);
  } catch (problem) {
    if (systemCode(problem) === "ENOENT") return { schedules: new Map() };
    return ignored(path, problem instanceof SyntaxError ? "it is no JSON" : reasonOf(problem));
  }
}

const ignored = (path: string, reason: string): Cached => ({
  schedules: new Map(),
  warning: `${path} is ignored: ${reason}`,
});

function readText(text: string, path: string, { device, cnnc }: TunedFor): Cached {
  const content: unknown = JSON.parse(text);
  const schedules = schedulesFromJson(content);
  if (!schedules) return ignored(path, "it holds no schedules");
  // Its name says so too, but files are copied and renamed.
  const { device: itsDevice, cnnc: itsVersion } = { device: undefined, cnnc: undefined, ...(content as object) };
  const isOurs = itsVersion === cnnc && isDeepStrictEqual(itsDevice, { ...device });
  return isOurs ? { schedules } : ignored(path, "it is for another device, driver or version of cnnc");
}

/** Throws a `RuntimeFailure` ("files") where nothing can be kept: said before minutes of measuring, not after. */
export async function prepareTuned(cache: string, of: TunedFor): Promise<void> {
  await locked(tunedPath(cache, of), async () => undefined);
}

/**
 * Adds to what the file has: schedules of the kernels that were looked at now take the place of earlier ones. Returns the path.
 */
export async function writeTuned(
  cache: string,
  of: TunedFor,
  { looked, schedules }: { readonly looked: readonly string[]; readonly schedules: Schedules },
): Promise<string> {
  const path = tunedPath(cache, of);
  await locked(path, async () => {
    const before = await readTuned(cache, of);
    if (before.warning !== undefined) await rename(path, `${path}.ignored`);
    const merged = new Map(before.schedules);
    for (const key of looked) merged.delete(key);
    for (const [key, schedule] of schedules) merged.set(key, schedule);
    const content = { cnnc: of.cnnc, device: of.device, schedules: schedulesToJson(merged) };
    await writeAtomically(path, `${JSON.stringify(content, undefined, 1)}\n`);
  });
  return path;
}

async function locked(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await makeFolder(dirname(path));
    await withLock(`${path}.lock`, work);
  } catch (problem) {
    if (problem instanceof LockTaken)
      throw new RuntimeFailure(
        "files",
        `${path} cannot be written: another process is writing it all the time`,
        `If none is, remove ${path}.lock.`,
        { cause: problem },
      );
    const cause = problem instanceof RuntimeFailure ? problem.cause : problem;
    throw fileFailure(path, cause, "XDG_CACHE_HOME");
  }
}
