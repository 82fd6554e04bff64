/**
 * Ctrl-C: the first asks to finish and save, the second leaves at once.
 *
 * In: what to say at the first. Out: a signal for those who work; a beginning and an end of listening. What holds: outside
 * of these, Ctrl-C ends the process at once, as it does by itself.
 */
import { setImmediate } from "node:timers/promises";
import { exitCode } from "./context.ts";

export interface Interruption {
  readonly signal: AbortSignal;
  readonly listen: () => void;
  /** Ends listening after telling a signal that came while this thread was busy. */
  readonly stop: () => Promise<void>;
}

/** Milliseconds in which a second signal is the first one again: npm passes on what the terminal has sent to all. */
const echo = 50;

const signals = ["SIGINT", "SIGTERM"] as const;

export function createInterruption(onFirst: () => void): Interruption {
  const controller = new AbortController();
  let first = 0;
  const listener = (): void => {
    const now = performance.now();
    if (!controller.signal.aborted) {
      first = now;
      controller.abort();
      onFirst();
    } else if (now - first > echo) process.exit(exitCode.interrupted);
  };
  return {
    signal: controller.signal,
    listen: () => {
      for (const name of signals) process.on(name, listener);
    },
    async stop() {
      // Node.js looks for signals between two rounds of immediates, not always before the first.
      await setImmediate();
      await setImmediate();
      for (const name of signals) process.off(name, listener);
    },
  };
}
