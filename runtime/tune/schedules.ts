/**
 * Schedules in files.
 *
 * In: a file or run folder that a user names, or what JSON holds. Out: schedules by key. What holds: what a user names must
 * be readable.
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { readSchedule } from "../../compiler/lower/legalSchedule.ts";
import type { Schedule } from "../../compiler/schedule/schedule.ts";
import { reasonOf, RuntimeFailure } from "../errors.ts";

export type Schedules = ReadonlyMap<string, Schedule>;

/** `schedules` as JSON: an object by key, in the order of the keys. */
export function schedulesToJson(schedules: Schedules): Record<string, Schedule> {
  return Object.fromEntries([...schedules].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** The schedules in a parsed file; undefined where it is not such a file. Entries that are no schedules are left out. */
export function schedulesFromJson(value: unknown): Schedules | undefined {
  if (typeof value !== "object" || value === null || !("schedules" in value)) return undefined;
  const { schedules } = value;
  if (typeof schedules !== "object" || schedules === null || Array.isArray(schedules)) return undefined;
  const entries = Object.entries(schedules).flatMap(([key, entry]: [string, unknown]) => {
    const schedule = readSchedule(entry);
    return schedule ? [[key, schedule] as const] : [];
  });
  return new Map(entries);
}

/** Of a run folder, its `run.json`. Throws a `RuntimeFailure` ("files") where nothing can be read. */
export async function readNamedSchedules(path: string): Promise<Schedules> {
  const remedy = "Name a run folder, its run.json, or a file that `cnnc tune` wrote.";
  try {
    const file = (await stat(path)).isDirectory() ? join(path, "run.json") : path;
    const schedules = schedulesFromJson(JSON.parse(await readFile(file, "utf8")));
    if (schedules) return schedules;
  } catch (problem) {
    const reason = problem instanceof SyntaxError ? "it is no JSON" : reasonOf(problem);
    throw new RuntimeFailure("files", `the schedules in ${path} cannot be read: ${reason}`, remedy, { cause: problem });
  }
  throw new RuntimeFailure("files", `${path} holds no schedules`, remedy);
}
