/**
 * What tuning measures: the kernels of a program, each alone, under every schedule worth a try.
 *
 * In: a compilation with kernels apart (`separate`), and its target. Out: for each distinct kernel a subject, and its plan:
 * one program for each candidate, all on the same buffers. What holds: subjects of one key are one; a candidate that
 * cannot be lowered is left out.
 */
import { planOfNests } from "../calibration/nestPlan.ts";
import type { ScheduledProgram } from "../lower/scheduled.ts";
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import { InvariantError } from "../invariantError.ts";
import { type LoweredKernel, lowerKernel } from "../lower/lowerKernel.ts";
import type { ExecutionPlan } from "../plan/plan.ts";
import { backendFor } from "../schedule/backends.ts";
import { kernelKey } from "../schedule/kernelKey.ts";
import type { Schedule } from "../schedule/schedule.ts";
import type { Target } from "../target.ts";

export interface TuningSubject {
  readonly key: string;
  readonly name: string;
  readonly kernel: Kernel;
  readonly tensors: ReadonlyMap<number, StoredTensor>;
  readonly chunks: number | undefined;
  /** The default. */
  readonly schedule: Schedule;
  /** Numbers of the program's dispatches that compute it. */
  readonly dispatches: readonly number[];
}

/** The distinct kernels of a program, in their order. */
export function tuningSubjects({ dispatches, tensors }: ScheduledProgram, target: Target): TuningSubject[] {
  const subjects = new Map<string, TuningSubject>();
  dispatches.forEach(({ kernels: [only] }, number) => {
    if (!only) return;
    const { kernel, name, chunks, schedule } = only;
    const key = kernelKey(kernel, tensors, target.kind, chunks);
    const before = subjects.get(key) ?? { key, name, kernel, tensors, chunks, schedule, dispatches: [] };
    subjects.set(key, { ...before, dispatches: [...before.dispatches, number] });
  });
  return [...subjects.values()];
}

/** One candidate: its schedule, and the program that runs it. */
export interface TuningCandidate {
  readonly program: string;
  readonly schedule: Schedule;
}

export interface TuningBuffer {
  readonly type: "f32" | "u32" | "u8";
  readonly bytes: number;
  readonly isWritten: boolean;
  /** Rows of so many elements that count, so far apart: what lies between is padding, which some schedules do not write. */
  readonly rows?: { readonly columns: number; readonly pitch: number };
}

export interface TuningPlan {
  readonly plan: ExecutionPlan;
  /** The default first. */
  readonly candidates: readonly TuningCandidate[];
  /** As the plan's. */
  readonly buffers: readonly TuningBuffer[];
}

/** Undefined where there is nothing to choose from, or the kernel binds more than the target allows. */
export function tuningPlan(subject: TuningSubject, target: Target): TuningPlan | undefined {
  const { kernel, tensors, chunks } = subject;
  const text = JSON.stringify(subject.schedule);
  const others = backendFor(target).candidates(kernel, tensors, target, chunks);
  const schedules = [subject.schedule, ...others.filter((other) => JSON.stringify(other) !== text)];
  const lowered = schedules.flatMap((schedule, i) => {
    const nest = lower(subject, schedule, `candidate ${i}`, target);
    return nest ? [{ schedule, nest }] : [];
  });
  const limit = target.kind === "wgsl" ? target.maximumBindings : Infinity;
  // The default must be one of them: the others are measured against it.
  if (lowered.length < 2 || lowered[0]?.schedule !== schedules[0]) return undefined;
  if (lowered.some(({ nest: { nest } }) => nest.bindings.length > limit)) return undefined;
  const nests = lowered.map(({ nest: { nest } }) => nest);
  // Names of bindings depend on the order in which a nest meets its tensors.
  const nameOf = (tensor: number): string => `tensor ${tensor}`;
  const bufferOf = (nest: number, binding: number): string => nameOf(lowered[nest]?.nest.tensors[binding] ?? -1);
  const plan = planOfNests(nests, target, bufferOf);
  const buffers = plan.buffers.map(({ name, bytes }): TuningBuffer => {
    const uses = nests.flatMap(({ bindings }, i) => bindings.filter((_, binding) => bufferOf(i, binding) === name));
    const isWritten = uses.some(({ access }) => access === "readwrite");
    const { shape = [], pitch } = [...tensors.values()].find(({ id }) => nameOf(id) === name) ?? {};
    const rows = pitch === undefined ? {} : { rows: { columns: shape.at(-1) ?? pitch, pitch } };
    return { type: uses[0]?.type ?? "f32", bytes, isWritten, ...rows };
  });
  const candidates = lowered.map(({ schedule, nest: { nest } }) => ({ program: nest.name, schedule }));
  return { plan, candidates, buffers };
}

function lower(
  { kernel, tensors }: TuningSubject,
  schedule: Schedule,
  name: string,
  target: Target,
): LoweredKernel | undefined {
  const subgroupSize = target.kind === "wgsl" ? target.subgroupSize : 0;
  try {
    return lowerKernel({ kernel, schedule, tensors, name, header: [], subgroupSize });
  } catch (problem) {
    if (problem instanceof InvariantError) return undefined;
    throw problem;
  }
}
