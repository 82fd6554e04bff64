/**
 * Measures the candidates of one kernel on a device.
 *
 * In: an open device and a tuning plan. Out: the times of the default and of the fastest candidate. What holds: a candidate
 * is timed only if it writes what the default one writes, but for rounding; candidates take turns, so that a slow moment
 * of the machine falls on all of them.
 */
import type { TuningBuffer, TuningPlan } from "../../compiler/tuning/tuning.ts";
import type { Schedule } from "../../compiler/schedule/schedule.ts";
import type { Device, Session } from "../device/device.ts";

export interface Measurement {
  readonly schedule: Schedule;
  readonly isDefault: boolean;
  readonly defaultMilliseconds: number;
  readonly milliseconds: number;
  /** Candidates that were timed, and those that computed something else. */
  readonly tried: number;
  readonly refused: number;
}

export interface MeasureOptions {
  /** Whether to end where it is. */
  readonly isOver: () => boolean;
}

/** What a candidate must gain to be taken: less may be chance. */
const leastGain = 1.03;
/** Rounds in which all candidates take turns; those much slower than the best drop out after each. */
const rounds = 4;
const dropOut = 1.25;
/** Rounds between the default and the best alone. */
const finalRounds = 9;
/** Milliseconds of one turn, and most runs in it. */
const turnTime = 8;
const mostRuns = 50;
/** Milliseconds of a kernel whose candidates are measured to the end when time is over: compiling them was the greater part. */
const quick = 100;

interface Contestant {
  readonly program: string;
  readonly schedule: Schedule;
  best: number;
}

/** Undefined where time ran out before anything was known. */
export async function measureCandidates(
  device: Device,
  { plan, candidates, buffers }: TuningPlan,
  { isOver }: MeasureOptions,
): Promise<Measurement | undefined> {
  const session = await device.open(plan);
  try {
    const [first] = candidates;
    if (!first) return undefined;
    const inputs = buffers.map((buffer, i) => madeUp(buffer, i));
    const expected = await outputsOf(session, first.program, buffers, inputs);
    const open: Contestant[] = [{ ...first, best: Infinity }];
    let refused = 0;
    for (const candidate of candidates.slice(1)) {
      if (isOver()) break;
      const found = await outputsOf(session, candidate.program, buffers, inputs);
      if (found.every((values, i) => agree(values, expected[i]))) open.push({ ...candidate, best: Infinity });
      else refused++;
    }
    const found = await contest(session, open, isOver);
    return found && { ...found, tried: open.length, refused };
  } finally {
    await session.close();
  }
}

async function contest(
  session: Session,
  all: readonly Contestant[],
  isOver: () => boolean,
): Promise<Omit<Measurement, "tried" | "refused"> | undefined> {
  const [first] = all;
  if (!first || (isOver() && all.length === 1)) return undefined;
  const once = await timeOf(session, first.program, 1);
  const isLate = (): boolean => once > quick && isOver();
  if (isLate()) return undefined;
  const runs = Math.max(1, Math.min(mostRuns, Math.ceil(turnTime / once)));
  let open = all;
  for (let round = 0; round < rounds && !isLate(); round++) {
    for (const contestant of open)
      contestant.best = Math.min(contestant.best, await timeOf(session, contestant.program, runs));
    const best = Math.min(...open.map((contestant) => contestant.best));
    open = open.filter((contestant) => contestant === first || contestant.best < dropOut * best);
  }
  const winner = open.reduce((a, b) => (b.best < a.best ? b : a));
  const kept = { schedule: first.schedule, isDefault: true, defaultMilliseconds: first.best, milliseconds: first.best };
  if (winner === first || first.best < leastGain * winner.best) return kept;
  // The best of many is partly luck: both again, in turns.
  const [before, after]: [number[], number[]] = [[], []];
  for (let round = 0; round < finalRounds; round++) {
    before.push(await timeOf(session, first.program, runs));
    after.push(await timeOf(session, winner.program, runs));
  }
  const [defaultMilliseconds, milliseconds] = [median(before), median(after)];
  if (defaultMilliseconds < leastGain * milliseconds)
    return { ...kept, defaultMilliseconds, milliseconds: defaultMilliseconds };
  return { schedule: winner.schedule, isDefault: false, defaultMilliseconds, milliseconds };
}

/** By the device's clock, or by ours where it has none. */
async function timeOf(session: Session, program: string, runs: number): Promise<number> {
  const before = performance.now();
  const [time] = (await session.profile(program, runs)) ?? [];
  if (time) return Math.max(1e-6, time.milliseconds);
  await session.run(program, runs);
  return Math.max(1e-6, (performance.now() - before) / runs);
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/**
 * Numbers from 0.25 to 1 without a pattern: positive, since some tensors hold variances. Indices are 0, which is always
 * one, and bytes too.
 */
export function madeUp({ type, bytes }: TuningBuffer, seed: number): Uint8Array {
  const words = Math.ceil(bytes / 4);
  if (type !== "f32") return new Uint8Array(4 * words);
  const values = new Float32Array(words);
  for (let i = 0; i < words; i++)
    values[i] = 0.25 + (0.75 * (Math.imul(i + 1 + (seed << 20), 0x9e3779b1) >>> 8)) / (1 << 24);
  return new Uint8Array(values.buffer);
}

/** Writes all buffers anew and runs a candidate once: what it leaves in those that it writes. */
async function outputsOf(
  session: Session,
  program: string,
  buffers: readonly TuningBuffer[],
  inputs: readonly Uint8Array[],
): Promise<Float32Array[]> {
  // What is only read is still there.
  buffers.forEach(({ isWritten }, i) => {
    const bytes = inputs[i];
    if (bytes && (isWritten || program.endsWith(" 0"))) session.write(i, 0, bytes);
  });
  await session.run(program);
  const found: Float32Array[] = [];
  for (const [i, { isWritten, type, bytes, rows }] of buffers.entries()) {
    if (!isWritten || type !== "f32") continue;
    const read = await session.read(i, 0, Math.ceil(bytes / 4) * 4);
    const values = new Float32Array(read.buffer, read.byteOffset, read.byteLength / 4);
    found.push(rows ? values.filter((_, at) => at % rows.pitch < rows.columns) : values);
  }
  return found;
}

/** Of the largest element, and of each one: sums in float32 in another order. */
const tolerance = { whole: 1e-4, each: 1e-3 };

export function agree(values: Float32Array, expected: Float32Array | undefined): boolean {
  if (expected?.length !== values.length) return false;
  let largest = 0;
  for (const value of expected) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  return values.every((value, i) => {
    const wanted = expected[i] ?? 0;
    if (Object.is(value, wanted)) return true;
    return Math.abs(value - wanted) <= tolerance.whole * largest + tolerance.each * Math.abs(wanted);
  });
}
