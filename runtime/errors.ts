/**
 * Failures of the world outside the program: device, data, files, training. They carry a remedy and are shown without a
 * stack trace; the command line ends with exit code 3.
 */
export type FailureKind = "device" | "data" | "files" | "training";

export class RuntimeFailure extends Error {
  override name = "RuntimeFailure";

  constructor(
    readonly kind: FailureKind,
    message: string,
    /** What the user can do about it, as a sentence. */
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
