/**
 * What `cnnc train` does: program, data, device, training, farewell.
 *
 * In: a file and options. Out: the exit code and a run folder. What holds: the device is closed however it ends.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TrainingRecipe } from "../language/index.ts";
import { loadData } from "../runtime/data/loadData.ts";
import type { DataSet } from "../runtime/data/dataSet.ts";
import type { Device } from "../runtime/device/device.ts";
import { reasonOf } from "../runtime/errors.ts";
import { reach } from "../runtime/milestones.ts";
import { openRunFolder, type RunFolder } from "../runtime/files/runFolder.ts";
import { defaultCacheFolder } from "../runtime/files/cacheFolder.ts";
import { curveText } from "../runtime/report/curveText.ts";
import { createProgress } from "../runtime/report/progress.ts";
import { openPlanStore, type PlanStore } from "../runtime/train/planStore.ts";
import { stepsPerEpoch } from "../runtime/train/epochOrder.ts";
import { train, type TrainingResult } from "../runtime/train/trainer.ts";
import { readTuned } from "../runtime/tune/cache.ts";
import { readNamedSchedules, type Schedules, schedulesToJson } from "../runtime/tune/schedules.ts";
import type { TrainFlags } from "./commands/train.ts";
import { type CommandContext, exitCode } from "./context.ts";
import { continuation } from "./continuation.ts";
import { downloadMeter } from "./downloadMeter.ts";
import { createInterruption, type Interruption } from "./interruption.ts";
import { loadProgram, type LoadedProgram } from "./loadProgram.ts";
import { openDevice } from "./openDevice.ts";
import { restart } from "./restart.ts";
import { tuneOn } from "./tuneProgram.ts";
import { UserError } from "./userError.ts";
import { buildNumber, version } from "./version.ts";

export async function trainProgram(file: string, flags: TrainFlags, context: CommandContext): Promise<number> {
  const loaded = await loadProgram(file, flags, context);
  if (!loaded) return exitCode.program;
  reach("program checked");
  const program = { ...loaded, recipe: withFlags(loaded.recipe, flags) };
  checkFlags(file, flags, loaded.recipe);
  const weights = await readWeights(flags.weights);
  const named = flags.schedules === undefined ? undefined : await readNamedSchedules(flags.schedules);
  const choice = await openDevice(flags);
  if ("restartWith" in choice) return restart(choice.restartWith);
  const { device, reason } = choice;
  reach("device opened");
  try {
    const { name, driver } = device.description;
    context.err.write(`device: ${name} (${driver}): ${reason}\n`);
    return await trainOn({
      flags,
      program,
      device,
      context,
      ...(weights ? { weights } : {}),
      ...(named ? { named } : {}),
    });
  } finally {
    await device.close();
  }
}

/** Options that would do nothing are mistakes. */
function checkFlags(file: string, flags: TrainFlags, recipe: TrainingRecipe): void {
  const { data, schedules, tune, tuned } = flags;
  if (schedules !== undefined && (tune || !tuned))
    throw new UserError("--schedules says already which schedules to use", "Leave out --tune and --no-tuned.");
  if (tune && !tuned) throw new UserError("--tune and --no-tuned contradict one another", "Leave one of them out.");
  if (data !== undefined && recipe.data.name !== "cifar10")
    throw new UserError(
      `\`${file}\` trains on ${recipe.data.name}, which is built in: --data has no meaning there`,
      "Leave --data out, or write `data cifar10` in the program.",
    );
}

/** Options take precedence over the program. */
function withFlags(recipe: TrainingRecipe, { epochs, batch, lr, seed }: TrainFlags): TrainingRecipe {
  return {
    ...recipe,
    epochs: epochs ?? recipe.epochs,
    batch: batch ?? recipe.batch,
    seed: seed ?? recipe.seed,
    optimizer: { ...recipe.optimizer, learningRate: lr ?? recipe.optimizer.learningRate },
  };
}

async function readWeights(path: string | undefined): Promise<{ bytes: Uint8Array; name: string } | undefined> {
  if (path === undefined) return undefined;
  try {
    return { bytes: await readFile(path), name: path };
  } catch (problem) {
    throw new UserError(
      `the weights \`${path}\` cannot be read: ${reasonOf(problem)}`,
      "Name a .safetensors file of an earlier run.",
    );
  }
}

interface Job {
  readonly flags: TrainFlags;
  readonly program: LoadedProgram;
  readonly device: Device;
  readonly context: CommandContext;
  readonly weights?: { readonly bytes: Uint8Array; readonly name: string };
  /** The schedules that `--schedules` names. */
  readonly named?: Schedules;
}

async function trainOn(job: Job): Promise<number> {
  const { flags, program, device, context } = job;
  // The folder comes first: a download of minutes must not end in a folder that cannot be written.
  const folder = await openRunFolder(flags.out ?? join("runs", program.model.name.toLowerCase()));
  const data = await readData(job);
  if (!data) return exitCode.interrupted;
  reach("data found");
  const schedules = await chooseSchedules(job);
  if (!schedules) return exitCode.interrupted;
  const { epochs, batch } = program.recipe;
  const progress = createProgress(context.out, { epochs, stepsPerEpoch: stepsPerEpoch(data.train.count, batch) });
  const interruption = createInterruption(() => {
    context.err.write("\nFinishing the step and saving. Press Ctrl-C again to leave at once.\n");
  });
  try {
    const { model, recipe } = program;
    const { signal } = interruption;
    const weights = job.weights ? { weights: job.weights } : {};
    // Written when it is known which schedules are used.
    let isTold = false;
    const onSchedules = async (used: Schedules): Promise<void> => {
      if (!isTold) tellSchedules(job, used);
      isTold = true;
      await folder.writeProgram(program.source);
      await folder.writeRun({ ...describeRun(job, data), schedules: schedulesToJson(used) });
    };
    const options = { model, recipe, data, device, folder, progress, signal, fuse: flags.fuse, ...weights };
    const store = planStore(flags);
    const training = train({ ...options, schedules, onSchedules, ...(store ? { store } : {}) });
    // `train` has compiled by now. Before that Ctrl-C ends the process at once: there is nothing to save.
    interruption.listen();
    const result = await training;
    progress.stop();
    return sayFarewell(job, folder, result);
  } finally {
    await interruption.stop();
    progress.stop();
  }
}

/** Of the built command only: sources may change between two runs. */
function planStore({ fresh = false }: TrainFlags): PlanStore | undefined {
  const build = buildNumber();
  if (build === undefined) return undefined;
  const store = openPlanStore(join(defaultCacheFolder(), "plans"), build);
  return fresh ? { ...store, find: async () => undefined } : store;
}

/** Those that the user names; else those of the cache, tuned anew if asked for. Undefined if the user stopped it. */
async function chooseSchedules({ flags, named, program, device, context }: Job): Promise<Schedules | undefined> {
  if (named) return named;
  if (!flags.tuned) return new Map();
  if (flags.tune) {
    const { model, recipe } = program;
    const { wasInterrupted } = await tuneOn({ model, recipe, device, fuse: flags.fuse, seconds: 60 }, context);
    if (wasInterrupted) {
      context.err.write("Stopped before training began; there is nothing more to save.\n");
      return undefined;
    }
  }
  const { schedules, warning } = await readTuned(defaultCacheFolder(), {
    device: device.description,
    cnnc: version(),
  });
  if (warning !== undefined) context.err.write(`warning: ${warning}\n`);
  return schedules;
}

function tellSchedules({ flags, named, context: { err } }: Job, used: Schedules): void {
  if (named && named.size > 0 && used.size === 0)
    err.write(`warning: none of the schedules in ${flags.schedules} is for a kernel of this program on this device\n`);
  else if (named) err.write(`schedules: ${used.size} of the ${named.size} in ${flags.schedules}\n`);
  else if (used.size > 0) err.write(`schedules: ${used.size} tuned ones; --no-tuned trains without them\n`);
}

/** Undefined if the user stopped it. */
async function readData(job: Job): Promise<DataSet | undefined> {
  const { err } = job.context;
  const interruption = createInterruption(() => {});
  interruption.listen();
  const loaded = await loadUntil(interruption, job);
  if (!loaded || interruption.signal.aborted) {
    err.write("Stopped before training began; there is nothing to save.\n");
    return undefined;
  }
  // Nothing is written before listening has ended: who reads it may answer with Ctrl-C.
  const { data, notice } = loaded;
  if (notice !== undefined) err.write(`${notice}\n`);
  const counts = `${grouped(data.train.count)} to train on, ${grouped(data.test.count)} to test`;
  err.write(`data: ${data.name} (${data.note}), ${counts}\n`);
  return data;
}

/** `50,000`; the engine's own way takes 20 ms at its first call, and training waits for it. */
function grouped(count: number): string {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ",");
}

/** Undefined if aborted. */
async function loadUntil(
  { signal, stop }: Interruption,
  { flags, program, context, device }: Job,
): Promise<Awaited<ReturnType<typeof loadData>> | undefined> {
  const meter = downloadMeter(context.err);
  try {
    return await loadData(program.recipe.data.name, {
      ...(flags.data === undefined ? { fallback: true } : { path: flags.data }),
      onProgress: (progress) => meter.show(progress),
      signal,
      inBackground: true,
      ...(device.roomFor ? { roomFor: device.roomFor } : {}),
    });
  } catch (problem) {
    if (!signal.aborted) throw problem;
    return undefined;
  } finally {
    meter.end();
    await stop();
  }
}

/** What `run.json` holds. */
function describeRun({ flags, program, device, context }: Job, data: DataSet): object {
  const { model, recipe } = program;
  return {
    cnnc: version(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    device: device.description,
    fused: flags.fuse,
    model: model.name,
    data: data.name,
    seed: recipe.seed,
    batch: recipe.batch,
    epochs: recipe.epochs,
    optimizer: recipe.optimizer,
    ...(flags.weights === undefined ? {} : { weights: flags.weights }),
    command: ["cnnc", ...context.arguments],
    started: new Date().toISOString(),
  };
}

function sayFarewell({ program, context }: Job, folder: RunFolder, result: TrainingResult): number {
  const { out, err } = context;
  const { records, best, steps, status } = result;
  const { recipe } = program;
  const width = Math.min(60, (out.columns || 80) - 8);
  if (records.length > 0) out.write(`\n${curveText(records, { epochs: recipe.epochs, width }).trimEnd()}\n\n`);
  if (best) out.write(`best: ${(100 * best.testAccuracy).toFixed(1)} % of the test images after epoch ${best.epoch}\n`);
  for (const warning of result.warnings) err.write(`warning: ${warning}\n`);
  if (status === "finished") {
    out.write(`files: ${folder.path} (weights, metrics.jsonl, curve.svg, curve.png)\n`);
    return exitCode.fine;
  }
  if (steps === 0) {
    err.write("Stopped before the first step; there is nothing to save.\n");
    return exitCode.interrupted;
  }
  const last = join(folder.path, "last.safetensors");
  const left = recipe.epochs - records.length;
  err.write(`Stopped after ${steps.toLocaleString("en")} steps. The weights are in ${last}. To go on from them\n`);
  err.write("for the epochs that are left (the optimizer starts anew):\n");
  const command = continuation(context.arguments, {
    "--weights": last,
    "--epochs": String(left),
    "--out": `${folder.path}-continued`,
  });
  err.write(`  ${command}\n`);
  return exitCode.interrupted;
}
