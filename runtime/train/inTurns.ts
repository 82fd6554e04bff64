/**
 * A compilation that gives way: whatever waits (files being read, a device at work) has its turn after each of the compiler's.
 */
import { nextTurn } from "../nextTurn.ts";

/** The engine compiles modules of so many kernels while the next ones are printed. */
export const kernelsAModule = 8;

/** `each` is given what a turn has finished. */
export async function inTurns<Part, Result>(
  turns: Generator<Part | undefined, Result>,
  each: (part: Part) => void = () => {},
): Promise<Result> {
  for (;;) {
    await nextTurn();
    const turn = turns.next();
    if (turn.done) return turn.value;
    if (turn.value !== undefined) each(turn.value);
  }
}
