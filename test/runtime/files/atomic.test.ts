/** A file is replaced whole or not at all. */
import { spawnSync } from "node:child_process";
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { diskWriter, writeAtomically, type Writer } from "../../../runtime/files/atomic.ts";
import { temporaryFolder } from "../data/dataSupport.ts";

/** Writes half of the content, then fails as the system does. */
function failingWriter(code: string): Writer {
  return {
    async write(path, content) {
      await diskWriter.write(path, content.slice(0, content.length / 2));
      throw Object.assign(new Error(`${code}: something, write`), { code });
    },
  };
}

test("text and bytes, new and in the place of another file", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "file");
  await writeAtomically(path, "naïve");
  expect(await readFile(path, "utf8")).toBe("naïve");
  await writeAtomically(path, Uint8Array.of(1, 2, 3));
  expect([...(await readFile(path))]).toEqual([1, 2, 3]);
  expect(await readdir(folder)).toEqual(["file"]);
});

test.each([
  ["ENOSPC", "the disk is full", "Free some space"],
  ["EDQUOT", "the disk quota is used up", "Free some space"],
  ["EACCES", "permission denied", "that you may write to"],
  ["EROFS", "the file system is read-only", "another file system"],
  ["EIO", "the disk reports an error", "Check the path"],
])("%s while writing: the file is as it was, nothing lies about", async (code, reason, remedy) => {
  const folder = await temporaryFolder();
  const path = join(folder, "last.safetensors");
  await writeFile(path, "earlier");
  await expect(writeAtomically(path, "later and longer", failingWriter(code))).rejects.toMatchObject({
    name: "RuntimeFailure",
    kind: "files",
    message: `${path} cannot be written: ${reason}`,
    remedy: expect.stringContaining(remedy),
  });
  expect(await readFile(path, "utf8")).toBe("earlier");
  expect(await readdir(folder)).toEqual(["last.safetensors"]);
});

test("the target is a folder, or lies in a file, or in a folder that is gone", async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "taken", "inner"), { recursive: true });
  await expect(writeAtomically(join(folder, "taken"), "x")).rejects.toMatchObject({
    kind: "files",
    message: `${join(folder, "taken")} cannot be written: it is a folder`,
    remedy: expect.stringContaining("Move that folder away"),
  });
  expect(await readdir(folder)).toEqual(["taken"]);
  await writeFile(join(folder, "file"), "");
  await expect(writeAtomically(join(folder, "file", "x"), "x")).rejects.toThrow("a part of the path is a file");
  await expect(writeAtomically(join(folder, "gone", "x"), "x")).rejects.toThrow("no such file or folder");
});

// Root may write anywhere.
test.skipIf(process.getuid?.() === 0)("a read-only folder", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "file"), "earlier");
  await chmod(folder, 0o500);
  await expect(writeAtomically(join(folder, "file"), "later")).rejects.toMatchObject({
    kind: "files",
    message: `${join(folder, "file")} cannot be written: permission denied`,
  });
  await chmod(folder, 0o700);
  expect(await readFile(join(folder, "file"), "utf8")).toBe("earlier");
});

// A limit of the shell is a real failing write, without root and without a disk to fill.
test.skipIf(process.platform === "win32")("a write that the system cuts short", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "file");
  await writeFile(path, "earlier");
  const { build } = await import("esbuild");
  const script = join(await temporaryFolder(), "write.mjs");
  await build({
    stdin: {
      contents: `import { writeAtomically } from "./runtime/files/atomic.ts";
        process.on("SIGXFSZ", () => {});
        await writeAtomically(process.argv[2], new Uint8Array(100_000)).catch((problem) => console.log(problem.kind, problem.message));`,
      resolveDir: join(import.meta.dirname, "../../.."),
    },
    outfile: script,
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "silent",
  });
  const command = `ulimit -f 20; exec "$0" "$@"`;
  const { stdout } = spawnSync("sh", ["-c", command, process.execPath, script, path], { encoding: "utf8" });
  expect(stdout).toBe(`files ${path} cannot be written: the file grows larger than is allowed here\n`);
  expect(await readFile(path, "utf8")).toBe("earlier");
  expect(await readdir(folder)).toEqual(["file"]);
});

test("two writers at the same time: one of both contents, whole", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "file");
  const contents = ["a", "b", "c"].map((letter) => letter.repeat(100_000));
  await Promise.all(contents.map((content) => writeAtomically(path, content)));
  expect(contents).toContain(await readFile(path, "utf8"));
  expect((await stat(path)).size).toBe(100_000);
  expect(await readdir(folder)).toEqual(["file"]);
});
