/**
 * What `cnnc profile` does.
 *
 * In: a file and options. Out: the profile on the output, as text or JSON, and two pictures in a folder. What holds: the
 * device is closed however it ends; made-up images stand in for the data set.
 */
import { join } from "node:path";
import { compile } from "../compiler/compile.ts";
import type { ExecutionPlan } from "../compiler/plan/plan.ts";
import type { Device } from "../runtime/device/device.ts";
import { fileFailure, writeAtomically } from "../runtime/files/atomic.ts";
import { makeFolder } from "../runtime/files/makeFolder.ts";
import { profileProgram, type Profile } from "../runtime/profile/profile.ts";
import { profileSvg } from "../runtime/profile/profileSvg.ts";
import { profileText } from "../runtime/profile/profileText.ts";
import { curvePng } from "../runtime/report/curvePng.ts";
import type { ProfileFlags } from "./commands/profile.ts";
import { type CommandContext, exitCode } from "./context.ts";
import { loadProgram, type LoadedProgram } from "./loadProgram.ts";
import { openDevice } from "./openDevice.ts";
import { restart } from "./restart.ts";

export async function profileFile(file: string, flags: ProfileFlags, context: CommandContext): Promise<number> {
  const loaded = await loadProgram(file, flags, context);
  if (!loaded) return exitCode.program;
  const folder = flags.out ?? join("profiles", loaded.model.name.toLowerCase());
  await makeFolder(folder).catch((problem: unknown) => {
    throw fileFailure(folder, problem);
  });
  const choice = await openDevice(flags);
  if ("restartWith" in choice) return restart(choice.restartWith);
  try {
    const profile = await profileOn(choice.device, loaded, flags);
    const { kernels } = flags;
    context.out.write(
      flags.format === "json" ? `${JSON.stringify(profile, undefined, 2)}\n` : profileText(profile, { kernels }),
    );
    await writePictures(folder, profile, context);
    return exitCode.fine;
  } finally {
    await choice.device.close();
  }
}

function profileOn(device: Device, { model, recipe }: LoadedProgram, flags: ProfileFlags): Promise<Profile> {
  const batch = flags.batch ?? recipe.batch;
  // As many images as a few steps take: the rest of a data set would only fill memory.
  const counts = { train: 4 * batch, test: 4 * batch };
  const planOf = (separate: boolean): ExecutionPlan =>
    compile(model, { ...recipe, batch }, { counts, target: device.target, fuse: flags.fuse, separate }).plan;
  const plans = { asRun: planOf(false), separate: planOf(true) };
  return profileProgram(device, plans, { model: model.name, batch, program: flags.program });
}

async function writePictures(folder: string, profile: Profile, { err }: CommandContext): Promise<void> {
  const svg = profileSvg(profile);
  await writeAtomically(join(folder, "profile.svg"), svg);
  try {
    await writeAtomically(join(folder, "profile.png"), await curvePng(svg));
    err.write(`pictures: ${join(folder, "profile.svg")}, profile.png\n`);
  } catch (problem) {
    const reason = problem instanceof Error ? problem.message : String(problem);
    err.write(`warning: profile.png could not be drawn (${reason}); profile.svg has the same picture\n`);
  }
}
