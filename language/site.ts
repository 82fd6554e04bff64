/**
 * Where a layer or a line of a recipe stands: what its definition may ask when it is checked.
 */
import type { Shape, Span } from "./checkedProgram.ts";
import type { Reporter } from "./diagnostic.ts";

export interface Site {
  /** The shape that arrives. */
  readonly input: Shape;
  readonly report: Reporter;
  /** The words of an argument or option if it is given, else those of the whole layer. */
  readonly place: (key: string) => Span;
}
