/**
 * CIFAR-10 in its official binary layout: six files of 10,000 records, a label byte and 3072 bytes of picture each
 * (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009).
 *
 * In: a folder or an archive. Out: a `DataSet`. What holds: damaged files are named with what was expected and what was
 * found.
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf, RuntimeFailure } from "../errors.ts";
import { readArchive } from "./archive.ts";
import type { DataSet, Split } from "./dataSet.ts";

export const cifarFolder = "cifar-10-batches-bin";
const trainFiles = [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin`);
const testFiles = ["test_batch.bin"];
export const cifarFiles: readonly string[] = [...trainFiles, ...testFiles];
const imageBytes = 3 * 32 * 32;
const recordBytes = 1 + imageBytes;
const classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"] as const;

const defaultRemedy =
  "Give --data a folder or archive with CIFAR-10's binary version (cifar-10-batches-bin), or leave it out to download.";

export interface CifarOptions {
  /** What the user can do if the files are not right. */
  readonly remedy?: string;
  /** 10,000; tests have smaller files. */
  readonly recordsAFile?: number;
}

interface Source {
  /** How people know it. */
  readonly name: string;
  readonly pathOf: (file: string) => string;
  readonly read: (file: string) => Promise<Uint8Array>;
  readonly remedy: string;
  readonly recordsAFile: number;
}

/** The folder that holds the batches, `folder` itself or one inside it; undefined where there is none. */
export async function findBatches(folder: string): Promise<string | undefined> {
  for (const candidate of [folder, join(folder, cifarFolder)])
    if (await isThere(join(candidate, trainFiles[0] ?? ""))) return candidate;
  return undefined;
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Reads a folder that holds the files or `cifar-10-batches-bin`. Throws a `RuntimeFailure` of kind "data". */
export async function readCifarFolder(folder: string, options: CifarOptions = {}): Promise<DataSet> {
  const { remedy = defaultRemedy, recordsAFile = 10_000 } = options;
  const batches = await findBatches(folder);
  if (batches === undefined) throw new RuntimeFailure("data", await whatIsMissing(folder), remedy);
  const pathOf = (file: string): string => join(batches, file);
  const read = (file: string): Promise<Uint8Array> =>
    readFile(pathOf(file)).catch((problem: unknown) => {
      throw new RuntimeFailure("data", `${pathOf(file)} cannot be read: ${reasonOf(problem)}`, remedy, {
        cause: problem,
      });
    });
  return assemble({ name: folder, pathOf, read, remedy, recordsAFile });
}

async function whatIsMissing(folder: string): Promise<string> {
  const text = `${folder} holds no CIFAR-10 in its binary version (no ${trainFiles[0]})`;
  const isPython =
    (await isThere(join(folder, "data_batch_1"))) || (await isThere(join(folder, "cifar-10-batches-py")));
  return isPython ? `${text}; what it holds is the version for Python` : text;
}

/** Reads a .tar.gz (or .tar) with the files. Throws a `RuntimeFailure` of kind "data". */
export async function readCifarArchive(path: string, options: CifarOptions = {}): Promise<DataSet> {
  const { remedy = defaultRemedy, recordsAFile = 10_000 } = options;
  const files = await cifarArchiveFiles(path, options);
  const read = async (file: string): Promise<Uint8Array> => files.get(file) ?? new Uint8Array();
  return assemble({ name: path, pathOf: (file) => `${file} in ${path}`, read, remedy, recordsAFile });
}

/** The bytes of the six files, each of the right size. Throws a `RuntimeFailure` of kind "data". */
export function cifarArchiveFiles(path: string, options: CifarOptions): Promise<ReadonlyMap<string, Uint8Array>> {
  const { remedy = defaultRemedy, recordsAFile = 10_000 } = options;
  return readArchive(path, { folder: cifarFolder, names: cifarFiles, bytes: recordsAFile * recordBytes }, remedy);
}

async function assemble(source: Source): Promise<DataSet> {
  return {
    name: "cifar10",
    classes,
    image: [3, 32, 32],
    train: await readSplit(source, trainFiles),
    test: await readSplit(source, testFiles),
    note: source.name,
  };
}

/** A failure is for whoever awaits it, be it later; nothing where there is no further file. */
function read(source: Source, file: string | undefined): Promise<Uint8Array> {
  const reading = file === undefined ? Promise.resolve(new Uint8Array()) : source.read(file);
  reading.catch(() => {});
  return reading;
}

async function readSplit(source: Source, files: readonly string[]): Promise<Split> {
  const count = files.length * source.recordsAFile;
  const images = new Uint8Array(count * imageBytes);
  const labels = new Uint8Array(count);
  let at = 0;
  // While one file is taken apart, the next one is read.
  let next = read(source, files[0]);
  for (const [i, file] of files.entries()) {
    const bytes = await next;
    next = read(source, files[i + 1]);
    checkBatch(source, file, bytes);
    // One call a record, without an object for it.
    const records = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let start = 0; start < bytes.length; start += recordBytes, at++) {
      labels[at] = bytes[start] ?? 0;
      records.copy(images, at * imageBytes, start + 1, start + recordBytes);
    }
  }
  return { images, labels, count };
}

function checkBatch({ pathOf, remedy, recordsAFile }: Source, file: string, bytes: Uint8Array): void {
  const expected = recordsAFile * recordBytes;
  if (bytes.length !== expected) {
    const what = bytes.length < expected ? "is cut off" : "is no CIFAR-10 batch";
    const text = `${pathOf(file)} ${what}: it has ${bytes.length} bytes; ${expected} are expected`;
    throw new RuntimeFailure("data", text, remedy);
  }
  for (let record = 0; record < recordsAFile; record++) {
    const label = bytes[record * recordBytes] ?? 0;
    if (label < classes.length) continue;
    const text = `${pathOf(file)} was altered: record ${record} has label ${label}; CIFAR-10 has labels 0 to 9`;
    throw new RuntimeFailure("data", text, remedy);
  }
}
