/** An error of the compiler itself, never of the user's program. */
export class InvariantError extends Error {
  override name = "InvariantError";
}
