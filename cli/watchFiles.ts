/**
 * Doing something again whenever files change.
 *
 * In: what to do, which says what to watch. Out: nothing, when the signal comes. What holds: several changes in a row are
 * one; a file may be missing for a while, or be replaced by another one of its name, as editors do when they save.
 */
import { unwatchFile, watchFile, type Stats } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

/** Milliseconds between two looks. Looking works on every file system, and needs no handle of the system's few. */
const INTERVAL = 100;
/** Milliseconds without a change after which a file is taken as saved. */
const QUIET = 50;

/** Calls `run` at once and after each change of the files it returns; those of `paths` count from the beginning. */
export async function watchFiles(
  paths: readonly string[],
  run: () => Promise<readonly string[]>,
  signal: AbortSignal,
): Promise<void> {
  let isChanged = false;
  let wake = (): void => undefined;
  const change = (current: Stats, previous: Stats): void => {
    // The first look at a file that does not exist is reported, too.
    if (current.mtimeMs === 0 && previous.mtimeMs === 0) return;
    isChanged = true;
    wake();
  };
  const watched = new Set<string>();
  const watchOnly = (wanted: ReadonlySet<string>): void => {
    for (const path of watched) if (!wanted.has(path)) unwatchFile(path, change);
    for (const path of wanted) if (!watched.has(path)) watchFile(path, { interval: INTERVAL }, change);
    watched.clear();
    for (const path of wanted) watched.add(path);
  };
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort);
  watchOnly(new Set(paths));
  try {
    while (!signal.aborted) {
      isChanged = false;
      watchOnly(new Set([...paths, ...(await run())]));
      while (!isChanged && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve));
      while (isChanged && !signal.aborted) {
        isChanged = false;
        await wait(QUIET);
      }
    }
  } finally {
    watchOnly(new Set());
    signal.removeEventListener("abort", onAbort);
  }
}
