/**
 * Makes a folder and those it lies in.
 *
 * In: a path. Out: nothing, or the error of the file system. (Node's own `recursive` never returns where a folder is there
 * and yet nothing can be made in it that does not exist: in /proc, say.)
 */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { systemCode } from "../errors.ts";

/** Does nothing where the folder is there already. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (problem) {
    const code = systemCode(problem);
    if (code === "EEXIST" && (await isFolder(path))) return;
    const parent = dirname(path);
    if (code !== "ENOENT" || parent === path) throw problem;
    // Another process may have made it just now.
    if (!(await isFolder(parent))) await makeFolder(parent);
    await mkdir(path).catch(async (later: unknown) => {
      // Or this one.
      if (systemCode(later) !== "EEXIST" || !(await isFolder(path))) throw later;
    });
  }
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );
}
