/**
 * Data sets by name.
 *
 * In: a name, perhaps a path. Out: the data in memory. CIFAR-10 comes from the path, else from the cache, else from its
 * site; where it can't be had and the caller allows it, the generated `shapes` stand in, with a notice that says why.
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { RuntimeFailure } from "../errors.ts";
import { unpack } from "./archive.ts";
import { cifarFolder, findBatches, readCifar10 } from "./cifar10.ts";
import type { DataSet } from "./dataSet.ts";
import { download, type Source } from "./download.ts";
import { generateShapes } from "./shapes.ts";

export interface LoadProgress {
  readonly what: string;
  readonly done: number;
  readonly total: number | undefined;
}

export interface LoadOptions {
  /** A folder or an archive; without it the cache or a download. */
  readonly path?: string;
  readonly cacheFolder?: string;
  /** Whether `shapes` may stand in for data that can't be had. */
  readonly fallback?: boolean;
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
  /** For tests: where the archive is. */
  readonly source?: Source;
}

/** The archive of the data set's authors (Krizhevsky 2009) and its published checksum. */
const cifarSource: Source = {
  url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
  bytes: 170_052_171,
  md5: "c32a1d4ab5d03f1284b67883e8d87530",
};

export function defaultCacheFolder(): string {
  const { XDG_CACHE_HOME: base } = process.env;
  return join(base !== undefined && base !== "" ? base : join(homedir(), ".cache"), "cnnc");
}

async function cifarFromPath(path: string): Promise<DataSet> {
  const info = await stat(path).catch(() => undefined);
  if (!info)
    throw new RuntimeFailure("data", `there is no ${path}`, "Give --data an existing folder or a .tar.gz archive.");
  if (info.isDirectory()) return readCifar10(path, path);
  const temporary = await mkdtemp(join(tmpdir(), "cnnc-"));
  try {
    const folder = join(temporary, cifarFolder);
    await unpack(path, cifarFolder, folder);
    return await readCifar10(folder, path);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function cifarFromCache(options: LoadOptions): Promise<DataSet> {
  const cache = options.cacheFolder ?? defaultCacheFolder();
  const folder = join(cache, cifarFolder);
  if ((await findBatches(folder)) === undefined) {
    const archive = join(cache, "cifar-10-binary.tar.gz");
    const isThere = await stat(archive).then(
      () => true,
      () => false,
    );
    if (!isThere) {
      const { onProgress, signal } = options;
      await download(options.source ?? cifarSource, archive, {
        ...(onProgress ? { onProgress: (done, total) => onProgress({ what: "CIFAR-10", done, total }) } : {}),
        ...(signal ? { signal } : {}),
      });
    }
    await unpack(archive, cifarFolder, folder);
    await rm(archive, { force: true });
  }
  return readCifar10(folder, folder);
}

/** Throws a `RuntimeFailure` of kind "data". */
export async function loadData(
  name: "cifar10" | "shapes",
  options: LoadOptions = {},
): Promise<{ data: DataSet; notice?: string }> {
  if (name === "shapes") return { data: generateShapes() };
  if (options.path !== undefined) return { data: await cifarFromPath(options.path) };
  try {
    return { data: await cifarFromCache(options) };
  } catch (problem) {
    if (!options.fallback || !(problem instanceof RuntimeFailure) || options.signal?.aborted) throw problem;
    const notice = `CIFAR-10 is not here and ${problem.message}.\nTraining on the generated set "shapes" instead.`;
    return { data: generateShapes(), notice };
  }
}
