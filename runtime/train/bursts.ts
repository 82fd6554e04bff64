/**
 * Runs a program many times in bursts: long enough that the device never waits for us, short enough that progress and
 * Ctrl-C are answered.
 *
 * In: a session, a program, a number of times. Out: the number of times it ran, fewer only if stopped.
 */
import type { Session } from "../device/device.ts";

/** Length of a burst in milliseconds. */
const target = 300;

export interface BurstRunner {
  /** `after` is told the steps done so far; it may be slow, and its time counts as the run's. */
  run(program: string, times: number, after: (done: number) => Promise<void>): Promise<number>;
}

/** The runner remembers how long a step of each program takes, so that only the very first burst is a guess: one step. */
export function createBurstRunner(session: Pick<Session, "run">, signal: AbortSignal | undefined): BurstRunner {
  const known = new Map<string, number>();
  return {
    async run(program, times, after) {
      let done = 0;
      while (done < times && signal?.aborted !== true) {
        const milliseconds = known.get(program);
        const wanted = milliseconds === undefined ? 1 : Math.max(1, Math.round(target / milliseconds));
        const steps = Math.min(wanted, times - done);
        const start = performance.now();
        await session.run(program, steps);
        const each = Math.max(0.001, (performance.now() - start) / steps);
        // The first step is slow (pipelines, code, caches): grow at most eightfold, so that a wrong guess does little harm.
        known.set(program, milliseconds === undefined ? each : Math.max(each, milliseconds / 8));
        done += steps;
        await after(done);
      }
      return done;
    },
  };
}
