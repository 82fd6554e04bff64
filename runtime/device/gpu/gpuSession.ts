/**
 * What a session on WebGPU can besides running. A file of its own: users of the library need no types of WebGPU for it.
 */
import type { Session } from "../device.ts";

/** What one dispatch of a program took on the device. */
export interface KernelTime {
  /** Index in the plan's kernels. */
  readonly kernel: number;
  readonly milliseconds: number;
}

/** A session that can also time single dispatches. */
export interface GpuSession extends Session {
  /** Runs a program once and times each dispatch; undefined where the adapter has no timestamps. */
  profile(program: string): Promise<readonly KernelTime[] | undefined>;
}
