/**
 * Stores in loops: many stores of one kind become a loop with one of them.
 *
 * In: statements. Out: the same, but where a run of stores to one buffer writes a regular grid of places, what it writes is
 * put into memory of the lane, and a loop moves it on. Software adapters compile each store as branches for every lane, in
 * time that grows as the square of their number. What holds: each place gets the same value, before anything reads it or
 * stores to its buffer.
 */
import { add, index, multiply, termsKey, variable } from "../nest/integer.ts";
import type { Condition, Scratch, Statement } from "../nest/loopNest.ts";
import { mapLoads } from "../nest/mapAccesses.ts";
import { printCondition } from "../nest/printNest.ts";
import { distanceOf, straightRuns, type Turns, turnsOver } from "./accessGrid.ts";
import type { Names } from "./names.ts";

type Store = Extract<Statement, { kind: "store" }>;

/** `memories` receives memory of the lanes, which holds what is stored later. */
export function loopStores(statements: readonly Statement[], names: Names, memories: Scratch[]): Statement[] {
  const inside = statements.map((statement): Statement => {
    if (statement.kind !== "loop" && statement.kind !== "if") return statement;
    return { ...statement, body: loopStores(statement.body, names, memories) };
  });
  return straightRuns(inside).flatMap((run) => loopRun(run, names, memories));
}

/** Stores whose places differ by constants, under one condition, by their numbers in the run. */
interface Group {
  readonly buffer: string;
  readonly stores: Map<number, Store>;
}

function groupsOf(run: readonly Statement[]): Group[] {
  const groups = new Map<string, Group>();
  run.forEach((statement, i) => {
    if (statement.kind !== "store" || (statement.where && !isOfIntegers(statement.where))) return;
    const { buffer, index: at, where } = statement;
    const key = `${buffer}[${termsKey(at)}] ${where ? printCondition(where) : ""}`;
    const group = groups.get(key) ?? { buffer, stores: new Map<number, Store>() };
    group.stores.set(i, statement);
    groups.set(key, group);
  });
  return [...groups.values()];
}

/** Integers stay as they are: such a condition holds later, too. */
function isOfIntegers(condition: Condition): boolean {
  if (condition.kind === "and" || condition.kind === "or") return condition.conditions.every(isOfIntegers);
  return condition.kind === "not" ? isOfIntegers(condition.condition) : condition.kind === "inRange";
}

/** Whether the stores may wait for the last of them: nothing on the way reads their buffer or stores to it. */
function mayWait({ buffer, stores }: Group, run: readonly Statement[]): boolean {
  const numbers = [...stores.keys()];
  const [first = 0, last = 0] = [numbers[0], numbers.at(-1)];
  return run.every((statement, i) => {
    if (i <= first || i > last) return true;
    let reads = false;
    mapLoads(statement, (load) => {
      reads ||= load.buffer === buffer;
      return load;
    });
    return !reads && (statement.kind !== "store" || statement.buffer !== buffer || stores.has(i));
  });
}

function loopRun(run: readonly Statement[], names: Names, memories: Scratch[]): Statement[] {
  const instead = new Map<number, Statement[]>();
  for (const group of groupsOf(run)) {
    const ordered = [...group.stores].toSorted(([, a], [, b]) => a.index.constant - b.index.constant);
    const turns = turnsOver(ordered.map(([, store]) => store.index));
    const first = ordered[0]?.[1];
    if (!turns || !first || !mayWait(group, run)) continue;
    const memory = { name: names.fresh("held"), length: ordered.length, perLane: true };
    memories.push(memory);
    ordered.forEach(([i, { value }], place) => {
      instead.set(i, [{ kind: "store", buffer: memory.name, index: index(place), value }]);
    });
    const last = [...group.stores.keys()].at(-1) ?? 0;
    instead.set(last, [...(instead.get(last) ?? []), moveOn(first, turns, memory.name, names)]);
  }
  return run.flatMap((statement, i) => instead.get(i) ?? [statement]);
}

/** The loop that stores what is held; `first` is the store of the first place. */
function moveOn(first: Store, turns: Turns, memory: string, names: Names): Statement {
  const { width, count } = turns;
  const counter = variable(names.fresh("turn"), count);
  const turn = index(counter);
  const at = add(first.index, distanceOf(turn, turns));
  const body = Array.from({ length: width }, (_, i): Store => {
    const value = { kind: "load", buffer: memory, index: add(multiply(turn, width), i) } as const;
    return { ...first, index: add(at, i), value };
  });
  return { kind: "loop", variable: counter, count, body };
}
