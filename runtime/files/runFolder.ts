/**
 * The folder of a run: the program, `run.json`, `metrics.jsonl`, checkpoints, curves.
 *
 * In: a path. Out: functions that write its files. What holds: every file is replaced as a whole (atomic.ts); a file of an
 * earlier run stays until the new one is complete and is then kept in `earlier-1`, `earlier-2`, ….
 */
import { copyFile, link, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { systemCode } from "../errors.ts";
import type { EpochRecord } from "../train/epochRecord.ts";
import { diskWriter, fileFailure, writeAtomically, type Writer } from "./atomic.ts";
import { makeFolder } from "./makeFolder.ts";

export interface RunFolder {
  readonly path: string;
  readonly writeProgram: (source: string) => Promise<void>;
  readonly writeRun: (run: object) => Promise<void>;
  /** Begins the records anew. */
  readonly startMetrics: () => Promise<void>;
  readonly appendMetrics: (record: EpochRecord) => Promise<void>;
  readonly writeCheckpoint: (which: "last" | "best", bytes: Uint8Array) => Promise<void>;
  readonly writeCurve: (svg: string, png: Uint8Array | undefined) => Promise<void>;
}

/** Creates the folder and tries it out; throws a `RuntimeFailure` of kind "files" where it cannot be written to. */
export async function openRunFolder(path: string, writer: Writer = diskWriter): Promise<RunFolder> {
  const keep = await prepare(path, writer);
  const records: EpochRecord[] = [];
  const write = async (name: string, content: string | Uint8Array): Promise<void> => {
    await keep(name);
    await writeAtomically(join(path, name), content, writer);
  };
  const writeMetrics = (): Promise<void> => write("metrics.jsonl", records.map(metricsLine).join(""));
  return {
    path,
    writeProgram: (source) => write("program.cnn", source),
    writeRun: (run) => write("run.json", `${JSON.stringify(run, undefined, 2)}\n`),
    startMetrics: async () => {
      records.length = 0;
      await writeMetrics();
    },
    appendMetrics: async (record) => {
      records.push(record);
      await writeMetrics();
    },
    writeCheckpoint: (which, bytes) => write(`${which}.safetensors`, bytes),
    writeCurve: async (svg, png) => {
      await write("curve.svg", svg);
      if (png) await write("curve.png", png);
    },
  };
}

/** The line of an epoch; a loss that is not finite becomes null, since JSON has no such numbers. */
function metricsLine(record: EpochRecord): string {
  const { epoch, trainLoss, testLoss, testAccuracy, seconds, imagesPerSecond } = record;
  return `${JSON.stringify({ epoch, trainLoss, testLoss, testAccuracy, seconds, imagesPerSecond })}\n`;
}

/** Makes the folder; returns the function that saves an earlier run's file of a name before it is first replaced. */
async function prepare(path: string, writer: Writer): Promise<(name: string) => Promise<void>> {
  try {
    await makeFolder(path);
    const probe = join(path, `.writable-${process.pid}`);
    try {
      await writer.write(probe, "");
    } finally {
      await rm(probe, { force: true });
    }
    const names = await readdir(path);
    const earlier = new Set(names);
    const numbers = names.map((name) => Number(/^earlier-(\d+)$/.exec(name)?.[1] ?? 0));
    const kept = join(path, `earlier-${Math.max(0, ...numbers) + 1}`);
    return async (name) => {
      if (earlier.delete(name)) await keepFile(path, kept, name);
    };
  } catch (problem) {
    throw fileFailure(path, problem);
  }
}

async function keepFile(folder: string, kept: string, name: string): Promise<void> {
  const [from, to] = [join(folder, name), join(kept, name)];
  try {
    await makeFolder(kept);
    // A second name takes no space; some file systems have none.
    await link(from, to).catch(() => copyFile(from, to));
  } catch (problem) {
    // It was removed in the meantime, or is a folder, which writing will complain about.
    if (!["ENOENT", "EISDIR"].includes(systemCode(problem))) throw fileFailure(to, problem);
  }
}
