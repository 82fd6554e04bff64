/**
 * Writing without losing: a file is written beside its place, flushed, and only then renamed. Whatever fails (a full disk, a
 * crash), what stood there before still stands.
 *
 * In: a path and its content. Out: nothing, or a `RuntimeFailure` that says what the user can do.
 */
import { open, rename, rm } from "node:fs/promises";
import { reasonOf, RuntimeFailure, systemCode } from "../errors.ts";

/** What users can do about the usual errors of a file system; `by` names the option or variable that chooses a place. */
const remedies: Readonly<Record<string, (by: string) => string>> = {
  ENOSPC: (by) => `Free some space, or write elsewhere with ${by}; nothing written earlier is lost.`,
  EDQUOT: (by) => `Free some space, or write elsewhere with ${by}; nothing written earlier is lost.`,
  EACCES: (by) => `Choose a folder that you may write to with ${by}.`,
  EPERM: (by) => `Choose a folder that you may write to with ${by}.`,
  EROFS: (by) => `Choose a place on another file system with ${by}.`,
  EISDIR: (by) => `Move that folder away, or choose another place with ${by}.`,
  EEXIST: (by) => `Move that file away, or choose another place with ${by}.`,
};

export function fileFailure(path: string, problem: unknown, by = "--out"): RuntimeFailure {
  if (problem instanceof RuntimeFailure) return problem;
  const remedy = remedies[systemCode(problem)]?.(by) ?? `Check the path, or choose another place with ${by}.`;
  return new RuntimeFailure("files", `${path} cannot be written: ${reasonOf(problem)}`, remedy, { cause: problem });
}

/** How bytes get into a file; tests put a failing one in its place. */
export interface Writer {
  write(path: string, content: string | Uint8Array): Promise<void>;
}

export const diskWriter: Writer = {
  async write(path, content) {
    const file = await open(path, "w");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
  },
};

let uniqueNumber = 0;

/** Throws a `RuntimeFailure` of kind "files"; then `path` is as it was. */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array,
  writer: Writer = diskWriter,
): Promise<void> {
  const beside = `${path}.${process.pid}-${uniqueNumber++}.partial`;
  try {
    await writer.write(beside, content);
    await rename(beside, path);
  } catch (problem) {
    await rm(beside, { force: true }).catch(() => undefined);
    throw fileFailure(path, problem);
  }
}
