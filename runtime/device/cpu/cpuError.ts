/**
 * What can go wrong with the CPU device, said so that a user can act on it.
 */
import { RuntimeFailure } from "../../errors.ts";

export type CpuErrorCode =
  /** The JavaScript engine has no WebAssembly SIMD with threads. */
  | "no-simd"
  /** The plan needs more memory than a WebAssembly program may have. */
  | "limits"
  | "out-of-memory"
  /** A thread ended, or a kernel left its memory. */
  | "thread-failed"
  /** The plan is not one for this device, or the session is closed. */
  | "refused";

/** A failure of the device: `message` says what happened, `remedy` what to do about it. */
export class CpuError extends RuntimeFailure {
  override name = "CpuError";

  constructor(
    readonly code: CpuErrorCode,
    message: string,
    remedy: string,
  ) {
    super("device", message, remedy);
  }
}
