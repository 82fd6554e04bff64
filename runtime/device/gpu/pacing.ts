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
  /** 0 until the second run: the first includes the driver's compilation. */
  millisecondsPerStep: number;
  /** How much work is submitted before it is waited for: grows while the estimate holds. */
  roundMilliseconds: number;
  warm: boolean;
  /** The last round slept beyond the end of the work. */
  overslept: boolean;
}

/** A submit holds about so much work, so that it can be encoded while the one before it runs. */
const batchMilliseconds = 50;
const shortestRound = 10;
const longestRound = 500;
/** The part of the estimated time that is slept through: the rest of the wait shows whether the estimate holds. */
const sleptPart = 0.95;
/** A wait shorter than this says that the device had finished before it. */
const noWait = 0.3;
/** Short waits are not worth a sleep, whose end is uncertain by a millisecond. */
const shortestSleep = 1.5;

export function newPace(): Pace {
  return { millisecondsPerStep: 0, roundMilliseconds: shortestRound, warm: false, overslept: false };
}

async function sleepUntil(time: number): Promise<void> {
  const rest = time - performance.now();
  if (rest >= shortestSleep) await new Promise((done) => setTimeout(done, Math.floor(rest)));
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

/** Steps between two waits: one, then two, then as many as the estimate allows. */
function roundSize(work: PacedWork, { millisecondsPerStep, roundMilliseconds, warm }: Pace): number {
  if (!warm) return 1;
  if (millisecondsPerStep === 0) return Math.min(2, work.largestBatch);
  return Math.max(1, Math.floor(roundMilliseconds / millisecondsPerStep));
}

async function runRound(work: PacedWork, steps: number, pace: Pace): Promise<void> {
  const estimate = pace.millisecondsPerStep;
  const batch = batchSize(work, estimate);
  const started = performance.now();
  for (let submitted = 0; submitted < steps; submitted += batch) {
    work.submit(Math.min(batch, steps - submitted));
    // The next batch is submitted while this one runs.
    if (submitted + batch < steps) await sleepUntil(started + (submitted + batch / 2) * estimate);
  }
  await sleepUntil(started + steps * estimate * sleptPart);
  const slept = performance.now();
  await work.settled();
  const ended = performance.now();
  learn(pace, (ended - started) / steps, ended - slept);
}

function batchSize(work: PacedWork, estimate: number): number {
  const steps = estimate > 0 ? Math.floor(batchMilliseconds / estimate) : work.largestBatch;
  return Math.max(1, Math.min(steps, work.largestBatch));
}

/** The measured time is the device's only if it was still working when the wait began; else it is our own sleep. */
function learn(pace: Pace, measured: number, waited: number): void {
  if (!pace.warm) {
    pace.warm = true;
    return;
  }
  const overslept = pace.millisecondsPerStep > 0 && waited < noWait;
  // Once may be chance; twice means that the estimate is far off.
  const shrink = pace.overslept ? 0.6 : 0.9;
  pace.millisecondsPerStep = overslept ? Math.min(pace.millisecondsPerStep, measured) * shrink : measured;
  pace.overslept = overslept;
  const grown = overslept ? pace.roundMilliseconds / 2 : pace.roundMilliseconds * 2;
  pace.roundMilliseconds = Math.min(Math.max(grown, shortestRound), longestRound);
}
