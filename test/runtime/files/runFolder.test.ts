/** The folder of a run: what is in it, and what happens to an earlier run's files. */
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { diskWriter, type Writer } from "../../../runtime/files/atomic.ts";
import { openRunFolder, type RunFolder } from "../../../runtime/files/runFolder.ts";
import type { EpochRecord } from "../../../runtime/train/epochRecord.ts";
import { temporaryFolder } from "../data/dataSupport.ts";

const record = (epoch: number): EpochRecord => ({
  // Not in the order of the file.
  imagesPerSecond: 1000,
  seconds: 1.5,
  epoch,
  trainLoss: 2 / epoch,
  testLoss: 2.5 / epoch,
  testAccuracy: 0.1 * epoch,
});

async function writeEverything(folder: RunFolder, mark: string): Promise<void> {
  await folder.writeProgram(`model ${mark}`);
  await folder.writeRun({ seed: 1, mark });
  await folder.startMetrics();
  for (const epoch of [1, 2]) {
    await folder.writeCheckpoint("last", Buffer.from(`${mark} last ${epoch}`));
    await folder.writeCheckpoint("best", Buffer.from(`${mark} best ${epoch}`));
    await folder.appendMetrics(record(epoch));
    await folder.writeCurve(`<svg>${mark}</svg>`, Buffer.from(`${mark} png`));
  }
}

const files = [
  "best.safetensors",
  "curve.png",
  "curve.svg",
  "last.safetensors",
  "metrics.jsonl",
  "program.cnn",
  "run.json",
];

test("all files of a run, and nothing else", async () => {
  const path = join(await temporaryFolder(), "deep", "run");
  await writeEverything(await openRunFolder(path), "A");
  expect((await readdir(path)).sort()).toEqual(files);
  expect(await readFile(join(path, "program.cnn"), "utf8")).toBe("model A");
  expect(JSON.parse(await readFile(join(path, "run.json"), "utf8"))).toEqual({ seed: 1, mark: "A" });
  expect(await readFile(join(path, "last.safetensors"), "utf8")).toBe("A last 2");
});

test("metrics.jsonl has one object an epoch, with exactly these fields", async () => {
  const path = await temporaryFolder();
  const folder = await openRunFolder(path);
  await folder.startMetrics();
  expect(await readFile(join(path, "metrics.jsonl"), "utf8")).toBe("");
  await folder.appendMetrics({ ...record(1), extra: 1 } as EpochRecord);
  await folder.appendMetrics({ ...record(2), testLoss: Number.POSITIVE_INFINITY });
  expect(await readFile(join(path, "metrics.jsonl"), "utf8")).toBe(
    '{"epoch":1,"trainLoss":2,"testLoss":2.5,"testAccuracy":0.1,"seconds":1.5,"imagesPerSecond":1000}\n' +
      '{"epoch":2,"trainLoss":1,"testLoss":null,"testAccuracy":0.2,"seconds":1.5,"imagesPerSecond":1000}\n',
  );
});

test("an earlier run is kept: in its place until the new file is there, then beside it", async () => {
  const path = await temporaryFolder();
  await writeEverything(await openRunFolder(path), "A");
  const second = await openRunFolder(path);
  expect((await readdir(path)).sort()).toEqual(files);
  await second.startMetrics();
  expect(await readFile(join(path, "best.safetensors"), "utf8")).toBe("A best 2");
  await writeEverything(second, "B");
  await writeEverything(await openRunFolder(path), "C");
  expect((await readdir(path)).sort()).toEqual([...files, "earlier-1", "earlier-2"].sort());
  for (const [folder, mark] of [
    ["earlier-1", "A"],
    ["earlier-2", "B"],
    [".", "C"],
  ] as const) {
    expect(await readFile(join(path, folder, "best.safetensors"), "utf8")).toBe(`${mark} best 2`);
    expect(await readFile(join(path, folder, "program.cnn"), "utf8")).toBe(`model ${mark}`);
    expect((await readFile(join(path, folder, "metrics.jsonl"), "utf8")).trim().split("\n")).toHaveLength(2);
  }
  expect((await readdir(join(path, "earlier-2"))).sort()).toEqual(files);
});

test("files of others in the folder stay as they are", async () => {
  const path = await temporaryFolder();
  await writeFile(join(path, "notes.txt"), "mine");
  await writeEverything(await openRunFolder(path), "A");
  expect(await readFile(join(path, "notes.txt"), "utf8")).toBe("mine");
});

test("a full disk while saving: everything earlier is there, and the run can be repeated", async () => {
  const path = await temporaryFolder();
  let free = Infinity;
  const smallDisk: Writer = {
    async write(file, content) {
      free -= content.length;
      if (free < 0) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
      await diskWriter.write(file, content);
    },
  };
  const folder = await openRunFolder(path, smallDisk);
  await writeEverything(folder, "A");
  free = 10;
  await expect(folder.writeCheckpoint("last", new Uint8Array(1000))).rejects.toMatchObject({
    kind: "files",
    message: `${join(path, "last.safetensors")} cannot be written: the disk is full`,
    remedy: expect.stringContaining("nothing written earlier is lost"),
  });
  expect(await readFile(join(path, "last.safetensors"), "utf8")).toBe("A last 2");
  expect((await readdir(path)).sort()).toEqual(files);
});

test("a path that is a file, or leads through one", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "taken"), "a file");
  await expect(openRunFolder(join(folder, "taken"))).rejects.toMatchObject({
    kind: "files",
    message: `${join(folder, "taken")} cannot be written: there is a file of that name`,
    remedy: "Move that file away, or choose another place with --out.",
  });
  await expect(openRunFolder(join(folder, "taken", "run"))).rejects.toMatchObject({
    kind: "files",
    message: expect.stringContaining("a part of the path is a file"),
  });
});

test("a folder where a file of the run should be", async () => {
  const path = await temporaryFolder();
  await mkdir(join(path, "run.json"));
  const folder = await openRunFolder(path);
  await expect(folder.writeRun({})).rejects.toMatchObject({ kind: "files" });
});

test("a folder that refuses writing says so when it is opened, by its own name", async () => {
  const path = await temporaryFolder();
  const refusing: Writer = {
    write: () => Promise.reject(Object.assign(new Error("EACCES: permission denied, open"), { code: "EACCES" })),
  };
  await expect(openRunFolder(path, refusing)).rejects.toMatchObject({
    kind: "files",
    message: `${path} cannot be written: permission denied`,
    remedy: "Choose a folder that you may write to with --out.",
  });
  expect(await readdir(path)).toEqual([]);
});

// Root may write anywhere.
test.skipIf(process.getuid?.() === 0)("a folder that is read-only", async () => {
  const path = await temporaryFolder();
  await chmod(path, 0o500);
  await expect(openRunFolder(path)).rejects.toThrow(`${path} cannot be written: permission denied`);
});
