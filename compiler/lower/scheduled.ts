/** What scheduling gives: kernels with their schedules, and the nests into which they were lowered. */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import type { Schedule } from "../schedule/schedule.ts";
import type { LoweredKernel } from "./lowerKernel.ts";

export interface ScheduledKernel {
  readonly kernel: Kernel;
  readonly schedule: Schedule;
  readonly name: string;
  /** Into how many parts its chain cuts the first axis. */
  readonly chunks?: number | undefined;
  /** The key by which its schedule was given; undefined where it has the default one. */
  readonly key?: string | undefined;
}

/** Kernels that run side by side, as one loop nest. */
export interface ScheduledDispatch {
  readonly name: string;
  readonly kernels: readonly ScheduledKernel[];
  readonly lowered: LoweredKernel;
}

export interface ScheduledProgram {
  readonly name: string;
  readonly dispatches: readonly ScheduledDispatch[];
  readonly tensors: ReadonlyMap<number, StoredTensor>;
}
