/**
 * Unpacks a .tar.gz next to where it belongs and moves it there in one step; nothing is ever written outside.
 */
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { extract } from "tar";
import { RuntimeFailure } from "../errors.ts";

/** Unpacks the folder `inner` of the archive to `destination`. Throws a `RuntimeFailure` of kind "data". */
export async function unpack(archive: string, inner: string, destination: string): Promise<void> {
  await mkdir(dirname(destination), { recursive: true });
  const temporary = await mkdtemp(join(dirname(destination), `.${basename(destination)}-`));
  try {
    // Only files of the folder that is wanted; tar itself refuses absolute paths and "..", links are left out.
    await extract({
      file: archive,
      cwd: temporary,
      strict: true,
      filter: (path, entry) =>
        path.replace(/^\.\//, "").startsWith(`${inner}/`) &&
        "type" in entry &&
        ["File", "Directory"].includes(entry.type),
    });
    await rm(destination, { recursive: true, force: true });
    await rename(join(temporary, inner), destination);
  } catch (problem) {
    const text = problem instanceof Error ? problem.message : String(problem);
    throw new RuntimeFailure(
      "data",
      `${archive} can't be unpacked: ${text}`,
      "Download the archive again, or give --data a folder with the unpacked files.",
      { cause: problem },
    );
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
