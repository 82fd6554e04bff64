/**
 * A session on WebGPU. A file of its own: users of the library need no types of WebGPU for it.
 */
import type { Session } from "../device.ts";

export type { KernelTime } from "../device.ts";
export type GpuSession = Session;
