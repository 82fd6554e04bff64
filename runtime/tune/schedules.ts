/**
 * Tuned schedules in files.
 *
 * In: a device, the compiler's version; or a file or run folder that a user names. Out: schedules by key. What holds: a cache
 * belongs to one adapter, driver and compiler; one that cannot be read is as good as none, and says so; what a user names
 * must be readable.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readSchedule } from "../../compiler/lower/legalSchedule.ts";
import type { Schedule } from "../../compiler/schedule/schedule.ts";
import type { DeviceDescription } from "../device/device.ts";
import { reasonOf, RuntimeFailure, systemCode } from "../errors.ts";
import { fileFailure, writeAtomically } from "../files/atomic.ts";
import { makeFolder } from "../files/makeFolder.ts";

export type Schedules = ReadonlyMap<string, Schedule>;

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

/** `schedules` as JSON: an object by key, in the order of the keys. */
export function schedulesToJson(schedules: Schedules): Record<string, Schedule> {
  return Object.fromEntries([...schedules].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** The schedules in a parsed file; undefined where it is not such a file. Entries that are no schedules are left out. */
function fromJson(value: unknown): Schedules | undefined {
  if (typeof value !== "object" || value === null || !("schedules" in value)) return undefined;
  const { schedules } = value;
  if (typeof schedules !== "object" || schedules === null || Array.isArray(schedules)) return undefined;
  const entries = Object.entries(schedules).flatMap(([key, entry]: [string, unknown]) => {
    const schedule = readSchedule(entry);
    return schedule ? [[key, schedule] as const] : [];
  });
  return new Map(entries);
}

export interface Cached {
  readonly schedules: Schedules;
  /** What is wrong with the file, in words. */
  readonly warning?: string;
}

export async function readTuned(path: string): Promise<Cached> {
  try {
    const schedules = fromJson(JSON.parse(await readFile(path, "utf8")));
    return schedules ? { schedules } : { schedules: new Map(), warning: `${path} holds no schedules; it is ignored` };
  } catch (problem) {
    if (systemCode(problem) === "ENOENT") return { schedules: new Map() };
    const reason = problem instanceof SyntaxError ? "it is no JSON" : reasonOf(problem);
    return { schedules: new Map(), warning: `${path} is ignored: ${reason}` };
  }
}

/** Adds to what the file has: schedules of the kernels that were looked at now take the place of earlier ones. */
export async function writeTuned(
  path: string,
  of: TunedFor,
  { looked, schedules }: { readonly looked: readonly string[]; readonly schedules: Schedules },
): Promise<void> {
  const merged = new Map((await readTuned(path)).schedules);
  for (const key of looked) merged.delete(key);
  for (const [key, schedule] of schedules) merged.set(key, schedule);
  const content = { cnnc: of.cnnc, device: of.device, schedules: schedulesToJson(merged) };
  await makeFolder(dirname(path)).catch((problem: unknown) => {
    throw fileFailure(path, problem);
  });
  await writeAtomically(path, `${JSON.stringify(content, undefined, 1)}\n`);
}

/** Of a run folder, its `run.json`. Throws a `RuntimeFailure` ("files") where nothing can be read. */
export async function readNamedSchedules(path: string): Promise<Schedules> {
  const remedy = "Name a run folder, its run.json, or a file that `cnnc tune` wrote.";
  try {
    const file = (await stat(path)).isDirectory() ? join(path, "run.json") : path;
    const schedules = fromJson(JSON.parse(await readFile(file, "utf8")));
    if (schedules) return schedules;
  } catch (problem) {
    const reason = problem instanceof SyntaxError ? "it is no JSON" : reasonOf(problem);
    throw new RuntimeFailure("files", `the schedules in ${path} cannot be read: ${reason}`, remedy, { cause: problem });
  }
  throw new RuntimeFailure("files", `${path} holds no schedules`, remedy);
}
