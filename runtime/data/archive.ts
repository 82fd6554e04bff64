/**
 * Reads files out of a .tar.gz (or .tar) into memory.
 *
 * In: an archive and the files wanted of it. Out: their bytes. What holds: nothing is unpacked to disk, so no absolute
 * name, "..", or link in an archive leads anywhere; memory is taken for files of the expected size only.
 */
import type { ReadEntry } from "tar";
import { reasonOf, RuntimeFailure, systemCode } from "../errors.ts";

export interface WantedFiles {
  /** The folder in which the archive has them; they may also lie at its top. */
  readonly folder: string;
  readonly names: readonly string[];
  /** The size of each. */
  readonly bytes: number;
}

const archiveReasons: Readonly<Record<string, string>> = {
  TAR_BAD_ARCHIVE: "it is no .tar.gz archive",
  TAR_ENTRY_INVALID: "it is no .tar.gz archive, or a damaged one",
  Z_BUF_ERROR: "it is cut off",
  Z_DATA_ERROR: "it is damaged",
};

/** Throws a `RuntimeFailure` of kind "data" with this remedy: unreadable, damaged, a file missing or of another size. */
export async function readArchive(
  path: string,
  wanted: WantedFiles,
  remedy: string,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const collected = new Map<string, Collected>();
  const onReadEntry = (entry: ReadEntry): void => {
    const name = wanted.names.find((one) => [one, `${wanted.folder}/${one}`].includes(plainPath(entry.path)));
    if (name !== undefined && entry.type !== "SymbolicLink" && entry.type !== "Link")
      collected.set(name, collect(entry, wanted.bytes));
  };
  const failure = (text: string, cause?: unknown): RuntimeFailure =>
    new RuntimeFailure("data", `${path} cannot be used: ${text}`, remedy, { cause });
  // Loaded for those who have an archive: it is many files.
  const { list } = await import("tar");
  try {
    await list({ file: path, strict: true, onReadEntry });
  } catch (problem) {
    throw failure(archiveReasons[systemCode(problem)] ?? reasonOf(problem), problem);
  }
  const files = new Map<string, Uint8Array>();
  for (const name of wanted.names) {
    const found = collected.get(name);
    if (!found) throw failure(`it holds no ${wanted.folder}/${name}`);
    if (found.size !== wanted.bytes) throw failure(`its ${name} has ${found.size} bytes; ${wanted.bytes} are expected`);
    files.set(name, found.bytes);
  }
  return files;
}

interface Collected {
  /** As the archive says. */
  readonly size: number;
  readonly bytes: Uint8Array;
}

/** Fills the bytes while the archive is read; an entry of another size is passed over. */
function collect(entry: ReadEntry, expected: number): Collected {
  if (entry.size !== expected) return { size: entry.size, bytes: new Uint8Array() };
  const bytes = new Uint8Array(expected);
  let at = 0;
  entry.on("data", (chunk: Uint8Array) => {
    bytes.set(chunk, at);
    at += chunk.length;
  });
  return { size: entry.size, bytes };
}

function plainPath(path: string): string {
  return path.replace(/^\.\//, "");
}
