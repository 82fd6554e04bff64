/**
 * CIFAR-10 in a cache folder.
 *
 * In: the folder. Out: the data set, downloaded at the first call. What holds: the cached files are complete or absent:
 * they are written elsewhere, flushed, and their folder is renamed; other processes may do the same at the same time.
 */
import { mkdir, mkdtemp, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cifarArchiveFiles, cifarFolder, findBatches, readCifarFolder } from "./cifar10.ts";
import type { RoomFor } from "../room.ts";
import type { DataSet } from "./dataSet.ts";
import { type DownloadOptions, type Source, withDownload } from "./download.ts";

export interface CifarCacheOptions extends DownloadOptions {
  /** Where the archive is; tests have their own. */
  readonly source?: Source;
  /** 10,000; tests have smaller files. */
  readonly recordsAFile?: number;
  /** As `CifarOptions` has them. */
  readonly inBackground?: boolean;
  readonly roomFor?: RoomFor;
}

/** The archive of the data set's author, with its checksum. */
const cifarSource: Source = {
  url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
  bytes: 170_052_171,
  sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
};

export function cachedFolder(cache: string): string {
  return join(cache, cifarFolder);
}

/** Whether the cache has the data set already. */
export async function isCached(cache: string): Promise<boolean> {
  return (await findBatches(cachedFolder(cache))) !== undefined;
}

/** Downloads into the cache. Throws a `RuntimeFailure` of kind "data". */
export async function fillCache(cache: string, options: CifarCacheOptions = {}): Promise<void> {
  const archive = join(cache, "cifar-10-binary.tar.gz");
  await withDownload(options.source ?? cifarSource, archive, options, async (file) => {
    const remedy = "Please report this: the archive has the right checksum.";
    const { recordsAFile } = options;
    const files = await cifarArchiveFiles(file, { remedy, ...(recordsAFile === undefined ? {} : { recordsAFile }) });
    await install(files, cachedFolder(cache));
  });
}

/** Throws a `RuntimeFailure` of kind "data" where a cached file was damaged since. */
export function readCache(cache: string, options: CifarCacheOptions = {}): Promise<DataSet> {
  const { recordsAFile, inBackground = false, roomFor } = options;
  return readCifarFolder(cachedFolder(cache), {
    remedy: `Delete the folder ${cachedFolder(cache)} and start again: CIFAR-10 is then downloaded anew.`,
    inBackground,
    ...(roomFor ? { roomFor } : {}),
    ...(recordsAFile === undefined ? {} : { recordsAFile }),
  });
}

const temporaryPrefix = ".installing-";

async function install(files: ReadonlyMap<string, Uint8Array>, folder: string): Promise<void> {
  await removeLeftovers(dirname(folder));
  const temporary = await mkdtemp(join(dirname(folder), temporaryPrefix));
  try {
    const fresh = join(temporary, "new");
    await mkdir(fresh);
    for (const [name, bytes] of files) await writeFlushed(join(fresh, name), bytes);
    try {
      await rename(fresh, folder);
    } catch {
      // Another process was first; or something is there that is not the data set, which makes room.
      if ((await findBatches(folder)) !== undefined) return;
      await rename(folder, join(temporary, "old"));
      await rename(fresh, folder);
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function writeFlushed(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Removes what processes left that were killed an hour ago or earlier. */
async function removeLeftovers(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith(temporaryPrefix)) continue;
    const info = await stat(join(cache, name)).catch(() => undefined);
    if (info && Date.now() - info.mtimeMs > 3_600_000) await rm(join(cache, name), { recursive: true, force: true });
  }
}
