/** Folders in folders, made by several at once. */
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeFolder } from "../../../runtime/files/makeFolder.ts";
import { temporaryFolder } from "../data/dataSupport.ts";

test("deep folders, by many at the same time, again and again", async () => {
  const base = await temporaryFolder();
  for (let round = 0; round < 20; round++) {
    const paths = Array.from({ length: 8 }, (_, i) => join(base, `${round}`, "a", "b", `${i % 2}`));
    await Promise.all(paths.map(makeFolder));
    for (const path of paths) expect((await stat(path)).isDirectory()).toBe(true);
  }
});

test("a file in the way, and a place where nothing can be made", async () => {
  const base = await temporaryFolder();
  await writeFile(join(base, "file"), "");
  await expect(makeFolder(join(base, "file"))).rejects.toMatchObject({ code: "EEXIST" });
  await expect(makeFolder(join(base, "file", "x"))).rejects.toMatchObject({ code: "ENOTDIR" });
});

test.runIf(process.platform === "linux")("a folder of the system that takes no others", async () => {
  await expect(makeFolder("/proc/cnnc/x")).rejects.toMatchObject({ code: "ENOENT" });
});
