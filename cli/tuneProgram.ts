/**
 * What `cnnc tune` does, and `cnnc train --tune` before training.
 *
 * In: a program, an open device, a time limit. Out: a table on the output, schedules in the cache folder. What holds: the
 * device is closed however it ends; Ctrl-C keeps what was found.
 */
import type { CheckedModel, TrainingRecipe } from "../language/index.ts";
import type { Device } from "../runtime/device/device.ts";
import { defaultCacheFolder } from "../runtime/files/cacheFolder.ts";
import { tuneMeter } from "../runtime/tune/meter.ts";
import { prepareTuned, writeTuned } from "../runtime/tune/cache.ts";
import type { Schedules } from "../runtime/tune/schedules.ts";
import { tune, type TuneProgress } from "../runtime/tune/tune.ts";
import { tuneText } from "../runtime/tune/tuneText.ts";
import type { TuneFlags } from "./commands/tune.ts";
import { type CommandContext, exitCode } from "./context.ts";
import { dataCounts } from "./dataCounts.ts";
import { createInterruption } from "./interruption.ts";
import { loadProgram } from "./loadProgram.ts";
import { openDevice } from "./openDevice.ts";
import { restart } from "./restart.ts";
import { version } from "./version.ts";

export async function tuneFile(file: string, flags: TuneFlags, context: CommandContext): Promise<number> {
  const loaded = await loadProgram(file, flags, context);
  if (!loaded) return exitCode.program;
  const choice = await openDevice(flags);
  if ("restartWith" in choice) return restart(choice.restartWith);
  const { device } = choice;
  try {
    const recipe = { ...loaded.recipe, batch: flags.batch ?? loaded.recipe.batch };
    const { fuse, seconds } = flags;
    const { wasInterrupted } = await tuneOn({ model: loaded.model, recipe, device, fuse, seconds }, context);
    return wasInterrupted ? exitCode.interrupted : exitCode.fine;
  } finally {
    await device.close();
  }
}

interface TuneJob {
  readonly model: CheckedModel;
  readonly recipe: TrainingRecipe;
  readonly device: Device;
  readonly fuse: boolean;
  readonly seconds: number;
}

/** Tunes, shows the table, writes the cache. */
export async function tuneOn(
  job: TuneJob,
  { out, err }: CommandContext,
): Promise<{ readonly schedules: Schedules; readonly wasInterrupted: boolean }> {
  const { device, recipe } = job;
  const [cache, of] = [defaultCacheFolder(), { device: device.description, cnnc: version() }];
  await prepareTuned(cache, of);
  const interruption = createInterruption(() => {
    err.write("\nFinishing the kernel and keeping what was found. Press Ctrl-C again to leave at once.\n");
  });
  const meter = tuneMeter(err);
  try {
    const { signal } = interruption;
    const onProgress = (progress: TuneProgress): void => {
      // Until something is measured Ctrl-C ends the process at once: there is nothing to keep.
      if (progress.stage === "measuring" && progress.done === 0) interruption.listen();
      meter.show(progress);
    };
    const result = await tune({ ...job, counts: dataCounts[recipe.data.name], signal, onProgress });
    meter.stop();
    out.write(tuneText(result));
    const looked = result.kernels.map(({ key }) => key);
    if (looked.length > 0) {
      const path = await writeTuned(cache, of, { looked, schedules: result.schedules });
      out.write(`${countText(result.schedules.size)} kept in ${path}\n`);
    }
    return { schedules: result.schedules, wasInterrupted: signal.aborted };
  } finally {
    meter.stop();
    await interruption.stop();
  }
}

const countText = (count: number): string => (count === 1 ? "1 schedule" : `${count} schedules`);
