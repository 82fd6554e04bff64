/**
 * A mistake on the command line or in the files it names: one message and a way out.
 */
import { exitCode } from "./context.ts";

export class UserError extends Error {
  override name = "UserError";

  constructor(
    message: string,
    /** What to do, as a sentence; may be empty. */
    readonly remedy: string,
    readonly code: number = exitCode.usage,
  ) {
    super(message);
  }
}
