/**
 * Running many steps so that the device never waits for us.
 *
 * In: a way to submit steps and to wait for what is submitted. Out: all steps done, in order. What holds: while one batch
 * runs, the next one is submitted; no more than two are under way, and each takes about as long as the last two say.
 */

export interface PacedWork {
  /** Submits `steps` steps. */
  submit(steps: number): void;
  /** Resolves when all that is submitted by now is done; rejects if the device failed. */
  settled(): Promise<void>;
  /** Most steps in one submit. */
  readonly largestBatch: number;
}

/** What is remembered of a program between runs. */
export interface Pace {
  /** 0 until the second batch: the first includes the driver's compilation. */
  millisecondsPerStep: number;
  warm: boolean;
  /** A step's time by the last batch after the first. */
  last?: number;
}

/** Short enough that drivers do not take the device for hung, long enough that waiting between batches costs nothing. */
const batchMilliseconds = 100;

export function newPace(): Pace {
  return { millisecondsPerStep: 0, warm: false };
}

/** Runs `steps` steps and updates `pace`. */
export async function runPaced(work: PacedWork, steps: number, pace: Pace): Promise<void> {
  let before: Promise<void> = Promise.resolve();
  let free = performance.now();
  for (let submitted = 0; submitted < steps;) {
    const size = batchSize(work, pace);
    // The device has nothing to do while the first batch is encoded.
    const count = Math.min(steps - submitted, submitted === 0 ? Math.ceil(size / 8) : size);
    const started = performance.now();
    work.submit(count);
    submitted += count;
    const done = work.settled().then(() => {
      const ended = performance.now();
      learn(pace, (ended - Math.max(started, free)) / count);
      free = ended;
    });
    done.catch(() => {}); // It is looked at below, after the batch before it.
    await before;
    // The size of the next batch is not known yet.
    if (pace.millisecondsPerStep === 0) await done;
    before = done;
  }
  await before;
}

/** One step, then two, then as many as the measured time allows. */
function batchSize({ largestBatch }: PacedWork, { millisecondsPerStep, warm }: Pace): number {
  if (!warm) return 1;
  if (millisecondsPerStep === 0) return Math.min(2, largestBatch);
  return Math.max(1, Math.min(Math.floor(batchMilliseconds / millisecondsPerStep), largestBatch));
}

/**
 * The slower of the last two batches counts: where we notice late that one ended, as on a busy machine, the next seems to
 * take no time.
 */
function learn(pace: Pace, millisecondsPerStep: number): void {
  if (pace.warm) {
    pace.millisecondsPerStep = Math.max(millisecondsPerStep, pace.last ?? 0);
    pace.last = millisecondsPerStep;
  }
  pace.warm = true;
}
