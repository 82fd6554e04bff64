/**
 * Running many steps without waiting while the device works.
 *
 * In: a way to submit steps and to wait for them. Out: all steps done, in order. Waiting on a WebGPU promise in Node
 * keeps a core busy, which a software adapter needs for its own work; so the time that the submitted steps will take is
 * estimated from earlier ones and slept through, and only the rest is waited for.
 */

export interface PacedWork {
  /** Submits `steps` steps. */
  submit(steps: number): void;
  /** Resolves when all that is submitted is done; rejects if the device failed. */
  settled(): Promise<void>;
  /** Most steps in one submit. */
  readonly largestBatch: number;
}

/** What is remembered of a program between runs. */
export interface Pace {
  /** Undefined until a run has measured it: the first run includes the driver's compilation. */
  millisecondsPerStep: number | undefined;
  warm: boolean;
}

/** A submit holds about so much work, so that it can be encoded while the one before it runs. */
const batchMilliseconds = 50;
/** Steps that are submitted and not yet known to be done take at most about so long. */
const unconfirmedMilliseconds = 500;
/** Short waits are not worth a sleep, whose end is uncertain by a millisecond. */
const shortestSleep = 1.5;

const sleep = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds));

async function sleepUntil(time: number): Promise<void> {
  const rest = time - performance.now();
  if (rest >= shortestSleep) await sleep(Math.floor(rest));
}

/** Runs `steps` steps and updates `pace`. */
export async function runPaced(work: PacedWork, steps: number, pace: Pace): Promise<void> {
  let remaining = steps;
  while (remaining > 0) {
    const count = Math.min(remaining, roundSize(work, pace));
    await runRound(work, count, pace);
    remaining -= count;
  }
}

/** Steps between two confirmations: one, then two, then as many as the estimate allows. */
function roundSize(work: PacedWork, { millisecondsPerStep, warm }: Pace): number {
  if (!warm) return 1;
  if (millisecondsPerStep === undefined) return Math.min(2, work.largestBatch);
  return Math.max(1, Math.floor(unconfirmedMilliseconds / millisecondsPerStep));
}

async function runRound(work: PacedWork, steps: number, pace: Pace): Promise<void> {
  const estimate = pace.millisecondsPerStep ?? 0;
  const started = performance.now();
  let submitted = 0;
  while (submitted < steps) {
    const batch = Math.min(steps - submitted, batchSize(work, estimate));
    work.submit(batch);
    submitted += batch;
    // The next batch is submitted while this one runs.
    if (submitted < steps) await sleepUntil(started + (submitted - batch / 2) * estimate);
  }
  await sleepUntil(started + steps * estimate * 0.97);
  await work.settled();
  const measured = (performance.now() - started) / steps;
  if (pace.warm) pace.millisecondsPerStep = blend(pace.millisecondsPerStep, measured);
  pace.warm = true;
}

function batchSize(work: PacedWork, estimate: number): number {
  const steps = estimate > 0 ? Math.floor(batchMilliseconds / estimate) : work.largestBatch;
  return Math.max(1, Math.min(steps, work.largestBatch));
}

/**
 * Follows a faster device at once and a slower one slowly: an estimate that is too high sleeps through idle time and
 * then measures its own sleep, so it must come down by itself.
 */
function blend(before: number | undefined, measured: number): number {
  if (before === undefined) return measured;
  return measured < before ? measured * 0.98 : before + 0.2 * (measured - before);
}
