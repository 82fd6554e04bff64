/**
 * Tuning: the schedules that are fastest on a device, kernel by kernel.
 *
 * In: a model, its recipe, an open device, a time limit. Out: a row for each kernel that was measured, the winners, and the
 * whole step before and after. What holds: the dearest kernels come first; what was found stays when time runs out; a
 * choice that makes the whole step slower is not kept.
 */
import { compile, type CompileOptions } from "../../compiler/compile.ts";
import type { DataCounts } from "../../compiler/model/lowerModel.ts";
import type { RunnablePlan } from "../../compiler/plan/plan.ts";
import type { Schedule } from "../../compiler/schedule/schedule.ts";
import { type TuningSubject, tuningPlan, tuningSubjects } from "../../compiler/tuning/tuning.ts";
import type { CheckedModel, TrainingRecipe } from "../../language/checkedProgram.ts";
import type { Device, Session } from "../device/device.ts";
import { writeGeneratedData } from "../profile/generatedData.ts";
import { openPlanState } from "../train/planState.ts";
import { measureCandidates, median, type Measurement } from "./measure.ts";

export interface TuneOptions {
  readonly model: CheckedModel;
  readonly recipe: TrainingRecipe;
  readonly counts: DataCounts;
  readonly device: Device;
  readonly fuse?: boolean;
  readonly seconds: number;
  readonly signal?: AbortSignal;
  /** Called after each kernel. */
  readonly onProgress?: (progress: TuneProgress) => void;
}

export interface TuneProgress {
  readonly done: number;
  readonly total: number;
  /** Of the kernels' time, the part that was looked at: 0 to 1. */
  readonly share: number;
  /** The kernel that is measured next. */
  readonly next: string;
}

export interface TunedKernel extends Measurement {
  readonly key: string;
  readonly name: string;
  /** How often a step has it. */
  readonly count: number;
}

export interface Step {
  readonly defaultMilliseconds: number;
  readonly milliseconds: number;
}

export interface TuneResult {
  readonly kernels: readonly TunedKernel[];
  /** Distinct kernels of a step. */
  readonly total: number;
  /** What is worth keeping, by key. */
  readonly schedules: ReadonlyMap<string, Schedule>;
  /** Undefined where no schedule was found that differs. */
  readonly step: Step | undefined;
}

const program = "trainStep";

export async function tune(options: TuneOptions): Promise<TuneResult> {
  const { device, signal, seconds } = options;
  const subjects = await byCost(options);
  // Compiling the program is no part of the limit: else a short one would measure nothing on a slow machine.
  const deadline = performance.now() + 1000 * seconds;
  const isOver = (): boolean => signal?.aborted === true || performance.now() > deadline;
  const whole = subjects.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const kernels: TunedKernel[] = [];
  let seen = 0;
  for (const [done, { subject, milliseconds }] of subjects.entries()) {
    if (isOver()) break;
    options.onProgress?.({ done, total: subjects.length, share: seen / whole, next: subject.name });
    seen += milliseconds;
    const plan = tuningPlan(subject, device.target);
    if (!plan || plan.buffers.reduce((sum, { bytes }) => sum + bytes, 0) > mostBytes) continue;
    const found = await measureCandidates(device, plan, { isOver });
    const { key, name, dispatches } = subject;
    if (found) kernels.push({ key, name, count: dispatches.length, ...found });
  }
  const winners = new Map(kernels.flatMap(({ key, schedule, isDefault }) => (isDefault ? [] : [[key, schedule]])));
  const step = winners.size > 0 ? await compareSteps(options, winners) : undefined;
  const isFaster = step !== undefined && step.milliseconds < step.defaultMilliseconds;
  return { kernels, total: subjects.length, schedules: isFaster ? winners : new Map(), step };
}

/** A kernel that touches more is not worth the memory: it copies images of the data set. */
const mostBytes = 1 << 29;

/** Rounds of the profile that puts kernels in order. */
const orderRounds = 3;

interface Timed {
  readonly subject: TuningSubject;
  readonly milliseconds: number;
}

function optionsOf({ counts, device, fuse = true }: TuneOptions): CompileOptions {
  return { counts, target: device.target, fuse };
}

/** The distinct kernels, those first that take most of a step. */
async function byCost(options: TuneOptions): Promise<Timed[]> {
  const { model, recipe, device } = options;
  const { programs, plan } = compile(model, recipe, { ...optionsOf(options), separate: true });
  const scheduled = programs.find(({ name }) => name === program);
  if (!scheduled) return [];
  const rounds = await onSession(device, plan, async (session) => {
    const found = [];
    for (let round = 0; round < orderRounds; round++) found.push((await session.profile(program, 2)) ?? []);
    return found;
  });
  const timeOf = (dispatch: number): number => median(rounds.map((times) => times[dispatch]?.milliseconds ?? 1));
  return tuningSubjects(scheduled, device.target)
    .map((subject): Timed => {
      const milliseconds = subject.dispatches.reduce((sum, i) => sum + timeOf(i), 0);
      return { subject, milliseconds };
    })
    .toSorted((a, b) => b.milliseconds - a.milliseconds);
}

async function onSession<T>(device: Device, plan: RunnablePlan, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await device.open(plan);
  try {
    await prepare(session, plan);
    return await work(session);
  } finally {
    await session.close();
  }
}

/** Made-up data, and a few runs: drivers compile at the first one. */
async function prepare(session: Session, plan: RunnablePlan): Promise<void> {
  await session.run("initialise");
  writeGeneratedData(openPlanState(session, plan), plan);
  await session.run(program, 2);
}

const stepRounds = 9;
/** Milliseconds of one round of whole steps. */
const roundTime = 60;

/** Whole steps with the default schedules and with the others, in turns. */
async function compareSteps(options: TuneOptions, schedules: ReadonlyMap<string, Schedule>): Promise<Step> {
  const { model, recipe, device } = options;
  const before = compile(model, recipe, optionsOf(options)).plan;
  const after = compile(model, recipe, { ...optionsOf(options), schedules }).plan;
  return onSession(device, before, (first) =>
    onSession(device, after, async (second) => {
      const once = await elapsed(() => first.run(program));
      const steps = Math.max(1, Math.round(roundTime / once));
      const times: [number[], number[]] = [[], []];
      for (let round = 0; round < stepRounds; round++)
        for (const [i, session] of [first, second].entries())
          times[i]?.push((await elapsed(() => session.run(program, steps))) / steps);
      return { defaultMilliseconds: median(times[0]), milliseconds: median(times[1]) };
    }),
  );
}

async function elapsed(work: () => Promise<void>): Promise<number> {
  const before = performance.now();
  await work();
  return Math.max(0.001, performance.now() - before);
}
