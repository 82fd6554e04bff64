/** Work in turns, for callers that do nothing else between them. */
export function drain<Result>(turns: Generator<unknown, Result>): Result {
  for (;;) {
    const turn = turns.next();
    if (turn.done) return turn.value;
  }
}
