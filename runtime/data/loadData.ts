/**
 * Data sets by name.
 *
 * In: a name, perhaps a path. Out: the data in memory. CIFAR-10 comes from the path, else from the cache, else from its
 * site; where it cannot be had and the caller allows it, the generated `shapes` stand in, with a notice that says why.
 * What holds: files that are there and wrong are an error, never a reason to train on something else.
 */
import { stat } from "node:fs/promises";
import { reasonOf, RuntimeFailure } from "../errors.ts";
import { defaultCacheFolder } from "../files/cacheFolder.ts";
import { readCifarArchive, readCifarFolder } from "./cifar10.ts";
import { type CifarCacheOptions, fillCache, isCached, readCache } from "./cifarCache.ts";
import type { DataSet } from "./dataSet.ts";
import { generateShapes } from "./shapes.ts";

export interface LoadProgress {
  readonly what: string;
  readonly done: number;
  readonly total: number | undefined;
}

export interface LoadOptions extends Omit<CifarCacheOptions, "onProgress"> {
  /** A folder or an archive; without it the cache or a download. */
  readonly path?: string;
  readonly cacheFolder?: string;
  /** Whether `shapes` may stand in for data that cannot be had. */
  readonly fallback?: boolean;
  readonly onProgress?: (progress: LoadProgress) => void;
}

/** Throws a `RuntimeFailure` of kind "data". */
export async function loadData(
  name: "cifar10" | "shapes",
  options: LoadOptions = {},
): Promise<{ data: DataSet; notice?: string }> {
  if (name === "shapes") return { data: await generateShapes(options.signal) };
  if (options.path !== undefined) return { data: await cifarFromPath(options.path, options) };
  const cache = options.cacheFolder ?? defaultCacheFolder();
  const { onProgress, ...rest } = options;
  if (!(await isCached(cache)))
    try {
      await fillCache(cache, {
        ...rest,
        ...(onProgress ? { onProgress: (done, total) => onProgress({ what: "CIFAR-10", done, total }) } : {}),
      });
    } catch (problem) {
      if (!options.fallback || !(problem instanceof RuntimeFailure) || options.signal?.aborted) throw problem;
      return { data: await generateShapes(options.signal), notice: noticeOf(problem) };
    }
  return { data: await readCache(cache, rest) };
}

function noticeOf({ message, remedy }: RuntimeFailure): string {
  return `CIFAR-10 is not here: ${message}.\nTraining on the generated set "shapes" instead. For CIFAR-10: ${remedy}`;
}

async function cifarFromPath(
  path: string,
  { recordsAFile, inBackground = false, roomFor }: LoadOptions,
): Promise<DataSet> {
  const options = {
    inBackground,
    ...(roomFor ? { roomFor } : {}),
    ...(recordsAFile === undefined ? {} : { recordsAFile }),
  };
  const info = await stat(path).catch((problem: unknown) => {
    const remedy = "Give --data an existing folder or a .tar.gz archive.";
    throw new RuntimeFailure("data", `${path} cannot be read: ${reasonOf(problem)}`, remedy, { cause: problem });
  });
  return info.isDirectory() ? readCifarFolder(path, options) : readCifarArchive(path, options);
}
