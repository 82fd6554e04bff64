/**
 * Where the time of a program goes: every kernel's time beside what it has to do and what the device can do.
 *
 * In: an open device and plans for it. Out: a `Profile`, plain data. What holds: times are medians over rounds, taken by the
 * device's own clock dispatch by dispatch; the whole step is timed apart, by running it as training does. Data is made up:
 * no kernel's time depends on it.
 */
import type { ExecutionPlan, PlanKernel } from "../../compiler/plan/plan.ts";
import type { Device, DeviceDescription, KernelTime, Session } from "../device/device.ts";
import { RuntimeFailure } from "../errors.ts";
import { openPlanState } from "../train/planState.ts";
import { writeGeneratedData } from "./generatedData.ts";
import { bestOf, measurePeaks, type Peaks } from "./peaks.ts";

export const phases = ["forward", "backward", "update"] as const;
export type Phase = (typeof phases)[number];

/** One dispatch of the program. */
export interface KernelProfile {
  /** As in the plan, with the line of the source. */
  readonly name: string;
  /** The layer that it computes, the first one of several. */
  readonly layer: string;
  /** Line of that layer in the program; 0 where it belongs to no line. */
  readonly line: number;
  readonly phase: Phase;
  /** `filter gradient` */
  readonly role: string;
  readonly milliseconds: number;
  readonly operations: number;
  /** Read and written. */
  readonly bytes: number;
}

export interface Profile {
  readonly model: string;
  readonly program: string;
  readonly batch: number;
  readonly device: DeviceDescription;
  readonly peaks: Peaks;
  /** Of a whole run of the program, several in a row. */
  readonly stepMilliseconds: number;
  /** In the order in which they run. */
  readonly kernels: readonly KernelProfile[];
}

export interface ProfileOptions {
  readonly model: string;
  readonly batch: number;
  readonly program: string;
}

/** Rounds of the profile, and the time for which whole steps are run, in milliseconds. */
const rounds = 9;
const stepTime = 1000;
/** Runs of a dispatch between two looks at the clock, for devices that have only ours. */
const runs = 5;

/** One program compiled twice: as training runs it, and with every kernel as a dispatch of its own. */
export interface ProfiledPlans {
  readonly asRun: ExecutionPlan;
  readonly separate: ExecutionPlan;
}

/** Throws a `RuntimeFailure` ("device") where the device has no clock for single kernels. */
export async function profileProgram(device: Device, plans: ProfiledPlans, options: ProfileOptions): Promise<Profile> {
  const { program } = options;
  const before = await measurePeaks(device);
  const stepMilliseconds = await onSession(device, plans.asRun, program, (session) => timeSteps(session, program));
  const times = await onSession(device, plans.separate, program, (session) => timeKernels(session, program));
  // Clocks change with heat and with what else runs: peaks are measured on both sides of what is compared with them.
  const peaks = bestOf(before, await measurePeaks(device));
  const kernels = times.flatMap(({ kernel, milliseconds }) => {
    const of = plans.separate.kernels[kernel];
    return of ? [profileOf(of, milliseconds)] : [];
  });
  return { ...options, device: device.description, peaks, stepMilliseconds, kernels };
}

async function onSession<T>(
  device: Device,
  plan: ExecutionPlan,
  program: string,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await device.open(plan);
  try {
    await prepare(session, plan, program);
    return await work(session);
  } finally {
    await session.close();
  }
}

async function prepare(session: Session, plan: ExecutionPlan, program: string): Promise<void> {
  const state = openPlanState(session, plan);
  await session.run("initialise");
  writeGeneratedData(state, plan);
  // Drivers compile at the first run; some more, until caches and clocks have settled.
  await session.run(program, 3);
}

/** The median of a few bursts. */
async function timeSteps(session: Session, program: string): Promise<number> {
  const once = await elapsed(() => session.run(program));
  const steps = Math.max(1, Math.round(stepTime / rounds / once));
  const found: number[] = [];
  for (let round = 0; round < rounds; round++) found.push((await elapsed(() => session.run(program, steps))) / steps);
  return median(found);
}

async function elapsed(work: () => Promise<void>): Promise<number> {
  const before = performance.now();
  await work();
  return Math.max(0.001, performance.now() - before);
}

async function timeKernels(session: Session, program: string): Promise<KernelTime[]> {
  const found: (readonly KernelTime[])[] = [];
  for (let round = 0; round < rounds; round++) {
    const times = await session.profile(program, runs);
    if (!times)
      throw new RuntimeFailure(
        "device",
        "this GPU has no timestamps, so its kernels cannot be timed one by one",
        "Profile on another device: --device cpu.",
      );
    found.push(times);
  }
  return (found[0] ?? []).map(({ kernel }, i) => ({
    kernel,
    milliseconds: median(found.map((times) => times[i]?.milliseconds ?? 0)),
  }));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function profileOf({ name, origins, cost }: PlanKernel, milliseconds: number): KernelProfile {
  const [origin = { layer: name, line: 0, role: "forward" }] = origins;
  return {
    name,
    layer: origin.layer,
    line: origin.line,
    phase: phaseOf(origin),
    role: origin.role,
    milliseconds,
    operations: cost.operations,
    bytes: cost.bytesRead + cost.bytesWritten,
  };
}

function phaseOf({ layer, role }: { readonly layer: string; readonly role: string }): Phase {
  if (layer === "optimizer") return "update";
  return role.includes("gradient") ? "backward" : "forward";
}
