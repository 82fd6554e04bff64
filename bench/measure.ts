/**
 * One task on several stacks, side by side.
 *
 * In: a task's folder, the stacks. Out: what each came to. What holds: losses (or logits) are compared before anything is
 * timed; stacks take turns, so that whatever slows the machine slows all of them; each has a limit in time; one that fails has
 * its reason as its result.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Facts } from "./protocol.ts";
import { type Command, openStack, type StackClient, StackFailure } from "./stackClient.ts";
import type { StackEntry, StackName, Variant } from "./stackTable.ts";
import { difference } from "./statistics.ts";
import { type Task, writeTask } from "./task.ts";

export interface MeasureSettings {
  readonly rounds: number;
  /** About so long is a turn, and all turns of one stack together, in milliseconds. */
  readonly turn: number;
  readonly budget: number;
  /** Whether drivers' caches are emptied first, for the time that a first run takes. */
  readonly cold: boolean;
  readonly peaks: boolean;
}

export interface Agreement {
  readonly with: StackName;
  /** The largest difference of losses or logits, as a part of the largest. */
  readonly difference: number;
  readonly holds: boolean;
}

export interface StackResult {
  readonly stack: StackName;
  readonly title: string;
  /** Why there is nothing more. */
  failure?: string;
  /** The fastest variant, and milliseconds a step of each in the trial. */
  variant?: string;
  trials?: Readonly<Record<string, number>>;
  /** Milliseconds from the start of the process to the first result: without drivers' caches, and with them. */
  firstRun?: { readonly cold?: number; readonly warm: number };
  /** Losses of the first steps, or the logits of the first batch. */
  values: readonly number[];
  agreement?: Agreement | string;
  /** Milliseconds a step, by round. */
  times: number[];
  facts?: Facts;
}

interface Turn {
  readonly result: StackResult;
  readonly client: StackClient;
  /** Of one step, in milliseconds. */
  estimate: number;
  next: number;
  spent: number;
}

const mostSteps = 100;
/** The first loss shows the forward pass, the second one every gradient; later ones drift apart by rounding alone. */
const verifiedSteps = 2;
const trials = 5;
/** Steps that take longer are slow: fewer of them have to do. */
const slow = 2500;
/**
 * Adam's first step goes by the signs of the gradients, so that rounding turns the smallest of them around: losses then differ
 * by some thousandths in deep networks, and by hundredths where a gradient is wrong.
 */
const tolerance = { train: 5e-3, predict: 1e-3 } as const;

export async function measureTask(
  folder: string,
  task: Omit<Task, "threads" | "count" | "options">,
  stacks: readonly (readonly [StackName, StackEntry])[],
  settings: MeasureSettings,
  tell: (what: string) => void,
): Promise<StackResult[]> {
  const results: StackResult[] = [];
  const turns: Turn[] = [];
  try {
    for (const [stack, entry] of stacks) {
      tell(`${entry.title}: first steps`);
      const result: StackResult = { stack, title: entry.title, values: [], times: [] };
      results.push(result);
      await guarded(result, async () => void turns.push(await prepare(folder, task, entry, result, settings)));
    }
    compareValues(results, stacks, tolerance[task.mode]);
    await takeTurns(turns, settings, tell);
    for (const { result, client } of turns)
      await guarded(result, async () => void (result.facts = await client.facts(settings.peaks)));
  } finally {
    await Promise.all(turns.map(({ client }) => client.close()));
  }
  return results;
}

/** A failure of the stack becomes its result. */
async function guarded(result: StackResult, work: () => Promise<void>): Promise<void> {
  if (result.failure !== undefined) return;
  try {
    await work();
  } catch (problem) {
    if (!(problem instanceof StackFailure)) throw problem;
    result.failure = problem.message;
  }
}

/** Opens every variant of a stack and keeps the fastest. */
async function prepare(
  folder: string,
  task: Omit<Task, "threads" | "count" | "options">,
  entry: StackEntry,
  result: StackResult,
  settings: MeasureSettings,
): Promise<Turn> {
  const estimates: Record<string, number> = {};
  let best: Turn | undefined;
  for (const variant of entry.variants) {
    await writeTask(folder, { ...task, options: variant.options });
    // Results of the variant that is kept: the others' are in `trials`.
    const own: StackResult = { ...result };
    const turn = await openVariant(folder, entry, variant, own, settings);
    estimates[variant.name] = turn.estimate;
    if (best && best.estimate <= turn.estimate) {
      await turn.client.close();
      continue;
    }
    await best?.client.close();
    best = turn;
    Object.assign(result, own, { variant: variant.name, trials: estimates });
  }
  if (!best) throw new StackFailure("it has no variant");
  return { ...best, result };
}

async function openVariant(
  folder: string,
  entry: StackEntry,
  variant: Variant,
  result: StackResult,
  settings: MeasureSettings,
): Promise<Turn> {
  const command: Command = {
    file: entry.file,
    arguments: [...entry.arguments, folder],
    environment: variant.environment,
  };
  const isCold = entry.driverCache && settings.cold;
  const cache = isCold ? await mkdtemp(join(folder, "cache-")) : undefined;
  const environment = { ...variant.environment, ...(cache === undefined ? {} : cacheIn(cache)) };
  let cold: number | undefined;
  if (isCold) {
    const first = await firstRun({ ...command, environment });
    await first.client.close();
    cold = first.milliseconds;
  }
  const { client, milliseconds, values } = await firstRun({ ...command, environment });
  if (cache !== undefined) await rm(cache, { recursive: true, force: true });
  result.firstRun = { ...(cold === undefined ? {} : { cold }), warm: milliseconds };
  const turn: Turn = { result, client, estimate: Infinity, next: 1, spent: 0 };
  result.values = [...values, ...(await verify(turn))];
  return turn;
}

/** Drivers that keep compiled kernels take a folder from one of these. */
function cacheIn(folder: string): Record<string, string> {
  return { MESA_SHADER_CACHE_DIR: folder, __GL_SHADER_DISK_CACHE_PATH: folder };
}

async function firstRun(command: Command) {
  const started = performance.now();
  const client = await openStack(command);
  const { values } = await client.run(0, 1, true);
  return { client, values, milliseconds: performance.now() - started };
}

/** The steps after the first one, whose values are compared; then a short trial for the time of a step. */
async function verify(turn: Turn): Promise<number[]> {
  const values: number[] = [];
  while (turn.next < verifiedSteps) {
    const ran = await turn.client.run(turn.next++, 1, true);
    values.push(...ran.values);
    turn.estimate = ran.milliseconds;
  }
  for (let trial = 0; trial < trials && turn.estimate < slow / 10; trial++) {
    const count = stepsWithin(150, turn.estimate);
    const { milliseconds } = await turn.client.run(turn.next, count);
    turn.next += count;
    // What disturbs a trial makes it slower: the fastest one decides between variants.
    turn.estimate = Math.min(turn.estimate, milliseconds / count);
  }
  return values;
}

function stepsWithin(milliseconds: number, estimate: number): number {
  return Math.max(1, Math.min(mostSteps, Math.round(milliseconds / estimate)));
}

function compareValues(
  results: readonly StackResult[],
  stacks: readonly (readonly [StackName, StackEntry])[],
  limit: number,
): void {
  const entries = new Map(stacks);
  const isComparable = ({ stack, failure }: StackResult): boolean =>
    entries.get(stack)?.comparable === true && failure === undefined;
  const reference =
    results.find((result) => result.stack === "pytorch" && isComparable(result)) ?? results.find(isComparable);
  for (const result of results) {
    const comparable = entries.get(result.stack)?.comparable;
    if (typeof comparable === "string") result.agreement = comparable;
    else if (result.failure === undefined && reference) {
      const most = difference(result.values, reference.values);
      result.agreement = { with: reference.stack, difference: most, holds: most <= limit };
    }
  }
}

/** Every other round goes backwards. */
async function takeTurns(
  turns: readonly Turn[],
  { rounds, turn: length, budget }: MeasureSettings,
  tell: (what: string) => void,
): Promise<void> {
  for (let round = 0; round < rounds; round++)
    for (const turn of round % 2 === 0 ? turns : turns.toReversed()) {
      const { result, client } = turn;
      // Rounds are compared with one another, so a stack that is out of time is so for the rest.
      const enough = round >= (turn.estimate > slow ? 2 : 3);
      if (result.failure !== undefined || result.times.length < round || (enough && turn.spent > budget)) continue;
      tell(`round ${round + 1} of ${rounds}: ${result.title}`);
      await guarded(result, async () => {
        const count = stepsWithin(length, turn.estimate);
        const { milliseconds } = await client.run(turn.next, count);
        turn.next += count;
        turn.spent += milliseconds;
        turn.estimate = milliseconds / count;
        result.times.push(turn.estimate);
      });
    }
}
