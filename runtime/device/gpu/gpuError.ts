/**
 * What can go wrong with a WebGPU device, said so that a user can act on it.
 */
import { RuntimeFailure } from "../../errors.ts";

export type GpuErrorCode =
  /** The npm package `webgpu` is missing or does not load on this machine. */
  | "no-webgpu"
  /** There is no adapter, or only a software one and that was not allowed. */
  | "no-adapter"
  /** The plan needs more than the device has. */
  | "limits"
  | "out-of-memory"
  | "device-lost"
  /** The device refused what the compiler or the runtime gave it. */
  | "refused";

/** A failure of the device: `message` says what happened, `remedy` what to do about it. */
export class GpuError extends RuntimeFailure {
  override name = "GpuError";

  constructor(
    readonly code: GpuErrorCode,
    message: string,
    remedy: string,
  ) {
    super("device", message, remedy);
  }
}

/** Any thrown value as text. */
export function messageOf(problem: unknown): string {
  return problem instanceof Error ? problem.message : String(problem);
}
