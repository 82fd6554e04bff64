/** CIFAR-10's files as users may have them: a folder, an archive, and everything that can be wrong with either. */
import { access, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readCifarFolder } from "../../../runtime/data/cifar10.ts";
import { loadData } from "../../../runtime/data/loadData.ts";
import { openCpuDevice } from "../../../runtime/device/cpu/cpuDevice.ts";
import type { Room } from "../../../runtime/room.ts";
import type { DataSet } from "../../../runtime/data/dataSet.ts";
import {
  archiveBytes,
  batchBytes,
  batches,
  cifarEntries,
  fileNames,
  recordBytes,
  recordsAFile,
  tarBytes,
  temporaryFolder,
  writeBatches,
} from "./dataSupport.ts";

function load(path: string): Promise<{ data: DataSet }> {
  return loadData("cifar10", { path, recordsAFile });
}

function expectSmallSet(data: DataSet): void {
  expect(data.train.count).toBe(5 * recordsAFile);
  expect(data.test.count).toBe(recordsAFile);
  expect(data.image).toEqual([3, 32, 32]);
  const [third, test] = [batchBytes(2), batchBytes(5)];
  // Record 3 of the third file is image 27 of the training set.
  expect(data.train.labels[27]).toBe(third[3 * recordBytes]);
  const picture = third.subarray(3 * recordBytes + 1, 4 * recordBytes);
  expect(Buffer.compare(data.train.images.subarray(27 * 3072, 28 * 3072), picture)).toBe(0);
  expect(Buffer.compare(data.test.images.subarray(0, 3072), test.subarray(1, recordBytes))).toBe(0);
  expect(data.test.labels[0]).toBe(test[0]);
}

async function archiveOf(bytes: Uint8Array, name = "cifar.tar.gz"): Promise<string> {
  const path = join(await temporaryFolder(), name);
  await writeFile(path, bytes);
  return path;
}

test("a folder with the files, or with cifar-10-batches-bin in it", async () => {
  const folder = await temporaryFolder();
  await writeBatches(join(folder, "cifar-10-batches-bin"));
  expectSmallSet((await load(folder)).data);
  expectSmallSet((await load(join(folder, "cifar-10-batches-bin"))).data);
});

test("in the background: counts at once, bytes when they are there, and what is wrong with them", async () => {
  const folder = await temporaryFolder();
  await writeBatches(folder);
  const options = { path: folder, recordsAFile, inBackground: true };
  const { data } = await loadData("cifar10", options);
  expect([data.train.count, data.test.count]).toEqual([5 * recordsAFile, recordsAFile]);
  await data.whole;
  expectSmallSet(data);
  const [, second = ""] = fileNames;
  await writeFile(join(folder, second), batchBytes(1).subarray(1));
  const { data: damaged } = await loadData("cifar10", options);
  await expect(damaged.whole).rejects.toThrow(`${second} is cut off`);
});

test("images to train on lie in a device's room, where it has one", async () => {
  const folder = await temporaryFolder();
  await writeBatches(folder);
  const device = await openCpuDevice({ threads: 1 });
  onTestFinished(() => device.close());
  const rooms: Room[] = [];
  const roomFor = (bytes: number): Room | undefined => {
    const room = device.roomFor?.(bytes);
    if (room) rooms.push(room);
    return room;
  };
  const { data } = await loadData("cifar10", { path: folder, recordsAFile, inBackground: true, roomFor });
  await data.whole;
  expectSmallSet(data);
  expect(rooms).toHaveLength(1);
  expect(data.train.images.buffer).toBe(rooms[0]?.bytes.buffer);
  // There is none left for another one.
  const again = await loadData("cifar10", { path: folder, recordsAFile, roomFor });
  expectSmallSet(again.data);
  expect(again.data.train.images.buffer).toBeInstanceOf(ArrayBuffer);
});

test("the official set has 50,000 and 10,000 images", async () => {
  const folder = await temporaryFolder();
  await writeBatches(folder, new Map(fileNames.map((name) => [name, new Uint8Array(10_000 * recordBytes)])));
  const { train, test: held } = await readCifarFolder(folder);
  expect([train.count, train.images.length, held.count]).toEqual([50_000, 50_000 * 3072, 10_000]);
});

test("an archive: compressed or not, with its folder, a leading ./, or none", async () => {
  expectSmallSet((await load(await archiveOf(archiveBytes()))).data);
  expectSmallSet((await load(await archiveOf(tarBytes(cifarEntries()), "plain.tar"))).data);
  const dotted = cifarEntries().map((entry) => ({ ...entry, name: `./${entry.name}` }));
  expectSmallSet((await load(await archiveOf(archiveBytes(dotted)))).data);
  const flat = [...batches()].map(([name, bytes]) => ({ name, bytes }));
  expectSmallSet((await load(await archiveOf(archiveBytes(flat)))).data);
});

async function folderWith(change: (files: Map<string, Buffer>) => void): Promise<string> {
  const folder = await temporaryFolder();
  const files = batches();
  change(files);
  await writeBatches(folder, files);
  return folder;
}

test.each([
  ["cut off", recordsAFile * recordBytes - 1, /data_batch_3\.bin is cut off: it has 36875 bytes; 36876 are expected/],
  ["empty", 0, /data_batch_3\.bin is cut off: it has 0 bytes/],
  ["too long", recordsAFile * recordBytes + 1, /data_batch_3\.bin is no CIFAR-10 batch: it has 36877 bytes/],
])("a file that is %s", async (_, length, message) => {
  const folder = await folderWith((files) => files.set("data_batch_3.bin", Buffer.alloc(length)));
  await expect(load(folder)).rejects.toMatchObject({
    kind: "data",
    message: expect.stringMatching(message),
    remedy: expect.stringContaining("--data"),
  });
});

test("a label above 9 names file and record", async () => {
  const folder = await folderWith((files) =>
    files.get("test_batch.bin")?.fill(10, 7 * recordBytes, 7 * recordBytes + 1),
  );
  await expect(load(folder)).rejects.toMatchObject({
    kind: "data",
    message: `${join(folder, "test_batch.bin")} was altered: record 7 has label 10; CIFAR-10 has labels 0 to 9`,
  });
});

test("a file that is missing, or is a folder", async () => {
  const folder = await folderWith((files) => files.delete("test_batch.bin"));
  const path = join(folder, "test_batch.bin");
  const message = `${path} cannot be read: there is no such file or folder`;
  await expect(load(folder)).rejects.toMatchObject({ kind: "data", message });
  await mkdir(path);
  await expect(load(folder)).rejects.toMatchObject({ message: `${path} cannot be read: it is a folder` });
});

test("a folder without the data says so, and knows the version for Python", async () => {
  const folder = await temporaryFolder();
  await expect(load(folder)).rejects.toMatchObject({
    kind: "data",
    message: `${folder} holds no CIFAR-10 in its binary version (no data_batch_1.bin)`,
  });
  await writeFile(join(folder, "data_batch_1"), "");
  await expect(load(folder)).rejects.toThrow("what it holds is the version for Python");
});

test("a path that does not exist", async () => {
  const path = join(await temporaryFolder(), "nowhere");
  await expect(load(path)).rejects.toMatchObject({
    kind: "data",
    message: `${path} cannot be read: there is no such file or folder`,
  });
});

test.each([
  ["text", Buffer.from("not an archive"), "it is no .tar.gz archive"],
  ["empty", Buffer.alloc(0), "it is no .tar.gz archive"],
  ["noise", batchBytes(9), "no .tar.gz archive"],
  ["cut off", archiveBytes().subarray(0, 100_000), "it is cut off"],
  ["cut off at the very end", archiveBytes().subarray(0, -6), "it is cut off"],
  [
    "another archive",
    archiveBytes([{ name: "a/b.txt", bytes: Buffer.from("x") }]),
    "it holds no cifar-10-batches-bin/",
  ],
])("an archive that is %s", async (_, bytes, message) => {
  await expect(load(await archiveOf(bytes))).rejects.toMatchObject({
    kind: "data",
    message: expect.stringContaining(message),
    remedy: expect.stringContaining("--data"),
  });
});

test("an archive with flipped bytes is refused", async () => {
  const bytes = archiveBytes();
  bytes.fill(0x55, 90_000, 90_100);
  await expect(load(await archiveOf(bytes))).rejects.toMatchObject({ kind: "data" });
});

test("a file of another size in an archive takes no memory and is named", async () => {
  const files = batches().set("data_batch_2.bin", Buffer.alloc(5));
  await expect(load(await archiveOf(archiveBytes(cifarEntries(files))))).rejects.toThrow(
    "its data_batch_2.bin has 5 bytes; 36876 are expected",
  );
});

test("names and links in an archive lead nowhere", async () => {
  const folder = await temporaryFolder();
  const outside = join(folder, "outside.bin");
  await writeFile(outside, batchBytes(0));
  const evil = [
    { name: "../outside.txt", bytes: Buffer.from("evil") },
    { name: join(folder, "absolute.txt"), bytes: Buffer.from("evil") },
    { name: "cifar-10-batches-bin/../../up.txt", bytes: Buffer.from("evil") },
    { name: "cifar-10-batches-bin/sub", type: "2", link: folder } as const,
    { name: "cifar-10-batches-bin/sub/through.txt", bytes: Buffer.from("evil") },
  ];
  await mkdir(join(folder, "in"));
  const path = join(folder, "in", "cifar.tar.gz");
  await writeFile(path, archiveBytes([...evil, ...cifarEntries()]));
  expectSmallSet((await load(path)).data);
  expect((await readdir(folder)).sort()).toEqual(["in", "outside.bin"]);
  expect(await readdir(join(folder, "in"))).toEqual(["cifar.tar.gz"]);
  await expect(access(join(dirname(folder), "outside.txt"))).rejects.toThrow();
  for (const type of ["1", "2"] as const) {
    const first = { name: "cifar-10-batches-bin/data_batch_1.bin", type, link: outside };
    const rest = cifarEntries().filter(({ name }) => name !== first.name);
    await writeFile(path, archiveBytes([first, ...rest]));
    await expect(load(path)).rejects.toThrow("it holds no cifar-10-batches-bin/data_batch_1.bin");
  }
});

test("a folder that is reached by a symbolic link is the user's choice", async () => {
  const folder = await temporaryFolder();
  await writeBatches(join(folder, "real"));
  await symlink(join(folder, "real"), join(folder, "link"));
  expectSmallSet((await load(join(folder, "link"))).data);
});
