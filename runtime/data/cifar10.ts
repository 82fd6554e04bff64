/**
 * CIFAR-10 in its official binary layout: six files of 10,000 records, a label byte and 3072 bytes of picture each.
 *
 * In: a folder (or the folder around `cifar-10-batches-bin`). Out: a `DataSet`. Damaged files are named with what was
 * expected and what was found.
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { RuntimeFailure } from "../errors.ts";
import type { DataSet, Split } from "./dataSet.ts";

export const cifarFolder = "cifar-10-batches-bin";
const trainFiles = [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin`);
const testFiles = ["test_batch.bin"];
const recordsAFile = 10_000;
const imageBytes = 3 * 32 * 32;
const recordBytes = 1 + imageBytes;
const classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"] as const;

const remedy =
  "Give --data a folder or archive with CIFAR-10's binary version (cifar-10-batches-bin), or leave it out to download.";

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The folder that holds the batches, `folder` itself or inside it; undefined where there is none. */
export async function findBatches(folder: string): Promise<string | undefined> {
  for (const candidate of [folder, join(folder, cifarFolder)])
    if (await exists(join(candidate, trainFiles[0] ?? ""))) return candidate;
  return undefined;
}

async function readSplit(folder: string, files: readonly string[]): Promise<Split> {
  const count = files.length * recordsAFile;
  const images = new Uint8Array(count * imageBytes);
  const labels = new Uint8Array(count);
  let at = 0;
  for (const file of files) {
    const bytes = await readBatch(join(folder, file));
    for (let record = 0; record < recordsAFile; record++, at++) {
      const start = record * recordBytes;
      const label = bytes[start] ?? 255;
      if (label >= classes.length)
        throw new RuntimeFailure(
          "data",
          `${join(folder, file)}: record ${record} has label ${label}; CIFAR-10 has labels 0 to 9. The file was altered.`,
          remedy,
        );
      labels[at] = label;
      images.set(bytes.subarray(start + 1, start + recordBytes), at * imageBytes);
    }
  }
  return { images, labels, count };
}

async function readBatch(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path).catch((problem: unknown) => {
    const text = problem instanceof Error ? problem.message : String(problem);
    throw new RuntimeFailure("data", `${path} can't be read: ${text}`, remedy, { cause: problem });
  });
  const expected = recordsAFile * recordBytes;
  if (bytes.length !== expected)
    throw new RuntimeFailure(
      "data",
      `${path} has ${bytes.length} bytes; ${expected} are expected. The file is ${bytes.length < expected ? "cut off" : "not a CIFAR-10 batch"}.`,
      remedy,
    );
  return bytes;
}

/** Throws a `RuntimeFailure` of kind "data". */
export async function readCifar10(folder: string, note: string): Promise<DataSet> {
  const batches = await findBatches(folder);
  if (batches === undefined)
    throw new RuntimeFailure("data", `${folder} holds no CIFAR-10 (no ${trainFiles[0]})`, remedy);
  return {
    name: "cifar10",
    classes,
    image: [3, 32, 32],
    train: await readSplit(batches, trainFiles),
    test: await readSplit(batches, testFiles),
    note,
  };
}
