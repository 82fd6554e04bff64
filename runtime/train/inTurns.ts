/**
 * A compilation that gives way: whatever waits (files being read, a device at work) has its turn after each of the compiler's.
 */
import { setImmediate } from "node:timers/promises";

export async function inTurns<Result>(turns: Generator<void, Result>): Promise<Result> {
  for (;;) {
    await setImmediate();
    const turn = turns.next();
    if (turn.done) return turn.value;
  }
}
