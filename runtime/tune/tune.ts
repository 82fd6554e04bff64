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
import { checkFit, checkImages } from "../train/fit.ts";
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
  readonly onProgress?: (progress: TuneProgress) => void;
}

export type TuneProgress =
  /** Every kernel of a step is compiled and timed, to know which are the dearest. */
  | { readonly stage: "opening" }
  /** Told before each kernel. */
  | {
      readonly stage: "measuring";
      /** Kernels that were looked at, of all. */
      readonly done: number;
      readonly total: number;
      /** Of the kernels' time, the part that was looked at: 0 to 1. */
      readonly share: number;
      /** The kernel that is measured next. */
      readonly next: string;
      /** When measuring ends, by `performance.now()`. */
      readonly end: number;
    }
  /** Whole steps run with the default schedules and with those that were found. */
  | { readonly stage: "comparing" };

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
  /** Of the kernels' time, the part of those that were measured. */
  readonly share: number;
  /** What is worth keeping, by key. */
  readonly schedules: ReadonlyMap<string, Schedule>;
  /** Undefined where no schedule was found that differs, or there was no time to compare. */
  readonly step: Step | undefined;
}

const programs = ["initialise", "trainStep"] as const;
const [, program] = programs;

export async function tune(options: TuneOptions): Promise<TuneResult> {
  const { recipe, counts, signal, seconds, onProgress } = options;
  checkImages(recipe.batch, recipe.data.name, counts.train);
  const start = performance.now();
  onProgress?.({ stage: "opening" });
  const subjects = await byCost(options);
  const opening = performance.now() - start;
  const end = measuringEnd(start, 1000 * seconds, opening);
  const measured = await measureInOrder(subjects, options, end);
  const kernels = measured.map(({ kernel }) => kernel);
  const winners = new Map(kernels.flatMap(({ key, schedule, isDefault }) => (isDefault ? [] : [[key, schedule]])));
  const whole = subjects.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const share = measured.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / whole;
  const result = { kernels, total: subjects.length, share };
  if (winners.size === 0) return { ...result, schedules: winners, step: undefined };
  // Who has pressed Ctrl-C does not wait for a slow driver. Each winner is faster by itself.
  if (signal?.aborted && opening > mostAfterInterrupt) return { ...result, schedules: winners, step: undefined };
  onProgress?.({ stage: "comparing" });
  const step = await compareSteps(options, winners);
  const isFaster = step.milliseconds < step.defaultMilliseconds;
  return { ...result, schedules: isFaster ? winners : new Map(), step };
}

/** Milliseconds for comparing whole steps after Ctrl-C, at most. */
const mostAfterInterrupt = 3000;

/**
 * When measuring has to end. Comparing whole steps takes about as long as opening them did, and that is left for it; but at
 * least half of the limit is for measuring, else a short one would find nothing where drivers compile slowly.
 */
export function measuringEnd(start: number, limit: number, opening: number): number {
  return start + Math.max(limit - opening, opening + limit / 2);
}

/** A kernel that touches more is not worth the memory: it copies images of the data set. */
const mostBytes = 1 << 29;

interface Measured {
  readonly kernel: TunedKernel;
  /** What a step spends on it. */
  readonly milliseconds: number;
}

async function measureInOrder(
  subjects: readonly Timed[],
  { device, signal, onProgress }: TuneOptions,
  end: number,
): Promise<Measured[]> {
  const isOver = (): boolean => signal?.aborted === true || performance.now() > end;
  const whole = subjects.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const measured: Measured[] = [];
  let seen = 0;
  for (const [done, { subject, milliseconds }] of subjects.entries()) {
    if (isOver()) break;
    const { key, name, dispatches } = subject;
    onProgress?.({ stage: "measuring", done, total: subjects.length, share: seen / whole, next: name, end });
    seen += milliseconds;
    const plan = tuningPlan(subject, device.target);
    if (!plan || plan.buffers.reduce((sum, { bytes }) => sum + bytes, 0) > mostBytes) continue;
    const found = await measureCandidates(device, plan, { isOver });
    if (found) measured.push({ kernel: { key, name, count: dispatches.length, ...found }, milliseconds });
  }
  return measured;
}

/** Rounds of the profile that puts kernels in order. */
const orderRounds = 3;

interface Timed {
  readonly subject: TuningSubject;
  readonly milliseconds: number;
}

function optionsOf({ counts, device, fuse = true }: TuneOptions): CompileOptions {
  return { counts, target: device.target, fuse, programs };
}

/** The distinct kernels, those first that take most of a step. */
async function byCost(options: TuneOptions): Promise<Timed[]> {
  const { model, recipe, device } = options;
  const compileAt = (batch: number): ReturnType<typeof compile> =>
    compile(model, { ...recipe, batch }, { ...optionsOf(options), separate: true });
  const { programs: scheduled, plan } = compileAt(recipe.batch);
  checkFit(device, plan, recipe.batch, (batch) => compileAt(batch).plan);
  const step = scheduled.find(({ name }) => name === program);
  if (!step) return [];
  const rounds = await onSession(options, plan, async (session) => {
    const found = [];
    for (let round = 0; round < orderRounds; round++) found.push((await session.profile(program, 2)) ?? []);
    return found;
  });
  const timeOf = (dispatch: number): number => median(rounds.map((times) => times[dispatch]?.milliseconds ?? 1));
  return tuningSubjects(step, device.target)
    .map((subject): Timed => {
      const milliseconds = subject.dispatches.reduce((sum, i) => sum + timeOf(i), 0);
      return { subject, milliseconds };
    })
    .toSorted((a, b) => b.milliseconds - a.milliseconds);
}

async function onSession<T>(
  { device, recipe }: TuneOptions,
  plan: RunnablePlan,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await device.open(plan);
  try {
    await session.run("initialise");
    writeGeneratedData(openPlanState(session, plan), plan, recipe.data.classes);
    // Drivers compile at the first run.
    await session.run(program, 2);
    return await work(session);
  } finally {
    await session.close();
  }
}

const stepRounds = 9;
/** Milliseconds of one round of whole steps. */
const roundTime = 60;

/** Whole steps with the default schedules and with the others, in turns. */
async function compareSteps(options: TuneOptions, schedules: ReadonlyMap<string, Schedule>): Promise<Step> {
  const { model, recipe } = options;
  const before = compile(model, recipe, optionsOf(options)).plan;
  const after = compile(model, recipe, { ...optionsOf(options), schedules }).plan;
  return onSession(options, before, (first) =>
    onSession(options, after, async (second) => {
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
