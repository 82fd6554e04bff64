/**
 * Ctrl-C: the first asks to finish and save, the second leaves at once.
 *
 * In: what to say at the first. Out: a signal for those who work, and the end of listening.
 */
import { exitCode } from "./context.ts";

export interface Interruption {
  readonly signal: AbortSignal;
  stop(): void;
}

export function listenForInterruption(onFirst: () => void): Interruption {
  const controller = new AbortController();
  const listener = (): void => {
    if (controller.signal.aborted) process.exit(exitCode.interrupted);
    controller.abort();
    onFirst();
  };
  const names = ["SIGINT", "SIGTERM"] as const;
  for (const name of names) process.on(name, listener);
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of names) process.off(name, listener);
    },
  };
}
