/**
 * CIFAR-10 in its official binary layout: six files of 10,000 records, a label byte and 3072 bytes of picture each
 * (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009).
 *
 * In: a folder or an archive. Out: a `DataSet`. What holds: damaged files are named with what was expected and what was
 * found.
 */
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf, RuntimeFailure } from "../errors.ts";
import { readArchive } from "./archive.ts";
import { ordinaryRoom, type RoomFor } from "../room.ts";
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
  /** Resolves when it is known which data there are, while files are still being read (`DataSet.whole`). */
  readonly inBackground?: boolean;
  /** For the images to train on. */
  readonly roomFor?: RoomFor;
}

interface Source {
  /** How people know it. */
  readonly name: string;
  readonly pathOf: (file: string) => string;
  /** Fills the target as far as the file goes; resolves with the length of the file. */
  readonly readInto: (file: string, target: Uint8Array) => Promise<number>;
  readonly remedy: string;
  readonly recordsAFile: number;
  readonly roomFor?: RoomFor | undefined;
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
  const { remedy = defaultRemedy, recordsAFile = 10_000, roomFor } = options;
  const batches = await findBatches(folder);
  if (batches === undefined) throw new RuntimeFailure("data", await whatIsMissing(folder), remedy);
  const pathOf = (file: string): string => join(batches, file);
  const readInto = (file: string, target: Uint8Array): Promise<number> =>
    readFileInto(pathOf(file), target).catch((problem: unknown) => {
      throw new RuntimeFailure("data", `${pathOf(file)} cannot be read: ${reasonOf(problem)}`, remedy, {
        cause: problem,
      });
    });
  const { whole, ...data } = assemble({ name: folder, pathOf, readInto, remedy, recordsAFile, roomFor });
  if (options.inBackground) return { ...data, whole };
  await whole;
  return data;
}

async function readFileInto(path: string, target: Uint8Array): Promise<number> {
  const file = await open(path);
  try {
    let done = 0;
    while (done < target.length) {
      const { bytesRead } = await file.read(target, done, target.length - done, done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    // A file that is longer is told by its own length.
    return done < target.length ? done : (await file.stat()).size;
  } finally {
    await file.close();
  }
}

async function whatIsMissing(folder: string): Promise<string> {
  const text = `${folder} holds no CIFAR-10 in its binary version (no ${trainFiles[0]})`;
  const isPython =
    (await isThere(join(folder, "data_batch_1"))) || (await isThere(join(folder, "cifar-10-batches-py")));
  return isPython ? `${text}; what it holds is the version for Python` : text;
}

/** Reads a .tar.gz (or .tar) with the files. Throws a `RuntimeFailure` of kind "data". */
export async function readCifarArchive(path: string, options: CifarOptions = {}): Promise<DataSet> {
  const { remedy = defaultRemedy, recordsAFile = 10_000, roomFor } = options;
  const files = await cifarArchiveFiles(path, options);
  const readInto = async (file: string, target: Uint8Array): Promise<number> => {
    const bytes = files.get(file) ?? new Uint8Array();
    target.set(bytes.subarray(0, target.length));
    return bytes.length;
  };
  const { whole, ...data } = assemble({
    name: path,
    pathOf: (file) => `${file} in ${path}`,
    readInto,
    remedy,
    recordsAFile,
    roomFor,
  });
  await whole;
  return data;
}

/** The bytes of the six files, each of the right size. Throws a `RuntimeFailure` of kind "data". */
export function cifarArchiveFiles(path: string, options: CifarOptions): Promise<ReadonlyMap<string, Uint8Array>> {
  const { remedy = defaultRemedy, recordsAFile = 10_000 } = options;
  return readArchive(path, { folder: cifarFolder, names: cifarFiles, bytes: recordsAFile * recordBytes }, remedy);
}

/** Begins to read. */
function assemble(source: Source): DataSet & { readonly whole: Promise<void> } {
  const train = openSplit(source, trainFiles, source.roomFor);
  const test = openSplit(source, testFiles);
  const whole = train.read().then(() => test.read());
  // Whoever waits for it hears of a failure.
  whole.catch(() => {});
  return {
    name: "cifar10",
    classes,
    image: [3, 32, 32],
    train: train.split,
    test: test.split,
    note: source.name,
    whole,
  };
}

/** Room for a split, and how to fill it: all files at once, into one piece of memory, where their records are then moved together. */
function openSplit(
  source: Source,
  files: readonly string[],
  roomFor: RoomFor = () => undefined,
): { readonly split: Split; readonly read: () => Promise<void> } {
  const fileBytes = source.recordsAFile * recordBytes;
  const count = files.length * source.recordsAFile;
  const room = roomFor(files.length * fileBytes) ?? ordinaryRoom(files.length * fileBytes);
  const all = room.bytes;
  const labels = new Uint8Array(count);
  const read = async (): Promise<void> => {
    const parts = files.map((_, i) => all.subarray(i * fileBytes, (i + 1) * fileBytes));
    const reading = parts.map((part, i) => source.readInto(files[i] ?? "", part));
    // Of several failures the first file's is told, whichever comes first.
    for (const one of reading) one.catch(() => {});
    for (const [i, part] of parts.entries()) checkBatch(source, files[i] ?? "", part, (await reading[i]) ?? 0);
    for (let record = 0; record < count; record++) {
      const start = record * recordBytes;
      labels[record] = all[start] ?? 0;
      room.copyWithin(record * imageBytes, start + 1, start + recordBytes);
    }
  };
  return { split: { images: all.subarray(0, count * imageBytes), labels, count }, read };
}

/** `found` is the length of the file, whatever of it was read. */
function checkBatch({ pathOf, remedy, recordsAFile }: Source, file: string, bytes: Uint8Array, found: number): void {
  const expected = recordsAFile * recordBytes;
  if (found !== expected) {
    const what = found < expected ? "is cut off" : "is no CIFAR-10 batch";
    const text = `${pathOf(file)} ${what}: it has ${found} bytes; ${expected} are expected`;
    throw new RuntimeFailure("data", text, remedy);
  }
  for (let record = 0; record < recordsAFile; record++) {
    const label = bytes[record * recordBytes] ?? 0;
    if (label < classes.length) continue;
    const text = `${pathOf(file)} was altered: record ${record} has label ${label}; CIFAR-10 has labels 0 to 9`;
    throw new RuntimeFailure("data", text, remedy);
  }
}
