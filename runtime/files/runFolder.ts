/**
 * The folder of a run: the program, `run.json`, `metrics.jsonl`, checkpoints, curves. Every file is replaced as a whole
 * (atomic.ts), so an older run's files stay until the new ones are complete.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { EpochRecord } from "../train/epochRecord.ts";
import { fileFailure, writeAtomically } from "./atomic.ts";

export interface RunFolder {
  readonly path: string;
  readonly writeProgram: (source: string) => Promise<void>;
  readonly writeRun: (run: object) => Promise<void>;
  /** Forgets the records of an earlier run. */
  readonly startMetrics: () => Promise<void>;
  readonly appendMetrics: (record: EpochRecord) => Promise<void>;
  readonly writeCheckpoint: (which: "last" | "best", bytes: Uint8Array) => Promise<void>;
  readonly writeCurve: (svg: string, png: Uint8Array | undefined) => Promise<void>;
}

/** Creates the folder and tries it out; throws a `RuntimeFailure` of kind "files" where it can't be written to. */
export async function openRunFolder(path: string): Promise<RunFolder> {
  try {
    await mkdir(path, { recursive: true });
  } catch (problem) {
    throw fileFailure(path, problem);
  }
  const probe = join(path, ".writable");
  await writeAtomically(probe, "");
  await rm(probe, { force: true });
  const records: EpochRecord[] = [];
  const write = (name: string, content: string | Uint8Array): Promise<void> =>
    writeAtomically(join(path, name), content);
  const writeMetrics = (): Promise<void> =>
    write("metrics.jsonl", records.map((record) => `${JSON.stringify(record)}\n`).join(""));
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
