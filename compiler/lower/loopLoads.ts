/**
 * Loads in loops: many loads of one kind become a loop with one of them.
 *
 * In: statements. Out: the same, but where a run of statements loads a regular grid of places, a loop before it puts them into
 * memory of the lane. Why: as for stores (loopStores.ts). What holds: values are the same; loops of reductions, which run
 * most, stay as they are.
 */
import { add, type Index, index, multiply, termsKey, variable } from "../nest/integer.ts";
import type { Scratch, Statement } from "../nest/loopNest.ts";
import { mapLoads } from "../nest/mapAccesses.ts";
import { distanceOf, straightRuns, type Turns, turnsOver } from "./accessGrid.ts";
import type { Names } from "./names.ts";

/** `memories` receives memory of the lanes, which holds what is loaded. */
export function loopLoads(statements: readonly Statement[], names: Names, memories: Scratch[]): Statement[] {
  const inside = statements.map((statement): Statement => {
    if (statement.kind === "if") return { ...statement, body: loopLoads(statement.body, names, memories) };
    if (statement.kind !== "loop" || accumulates(statement.body)) return statement;
    return { ...statement, body: loopLoads(statement.body, names, memories) };
  });
  return straightRuns(inside).flatMap((run) => loopRun(run, names, memories));
}

/** Whether a loop changes a variable that it does not declare. */
function accumulates(body: readonly Statement[]): boolean {
  const own = new Set(body.flatMap((statement) => (statement.kind === "variable" ? [statement.name] : [])));
  return body.some(
    (statement) =>
      (statement.kind === "assign" && !own.has(statement.name)) ||
      (statement.kind === "loop" && accumulates(statement.body)),
  );
}

/** Loads whose places differ by constants: their places by constant, and the numbers of the statements that make them. */
interface Group {
  readonly buffer: string;
  readonly places: Map<number, Index>;
  readonly first: number;
  last: number;
}

function groupsOf(run: readonly Statement[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  run.forEach((statement, i) =>
    mapLoads(statement, (load) => {
      const { buffer, index: at } = load;
      const key = `${buffer}[${termsKey(at)}]`;
      const group = groups.get(key) ?? { buffer, places: new Map<number, Index>(), first: i, last: i };
      group.places.set(at.constant, at);
      group.last = i;
      groups.set(key, group);
      return load;
    }),
  );
  return groups;
}

/** Where the element of a place is held. */
interface Held {
  readonly memory: string;
  readonly numbers: ReadonlyMap<number, number>;
}

function loopRun(run: readonly Statement[], names: Names, memories: Scratch[]): Statement[] {
  const held = new Map<string, Held>();
  const before = new Map<number, Statement[]>();
  for (const [key, { buffer, places, first, last }] of groupsOf(run)) {
    const ordered = [...places.values()].toSorted((a, b) => a.constant - b.constant);
    const turns = turnsOver(ordered);
    const isStored = run.slice(first, last).some((one) => one.kind === "store" && one.buffer === buffer);
    const start = ordered[0];
    if (!turns || !start || isStored) continue;
    const memory = { name: names.fresh("held"), length: ordered.length, perLane: true };
    memories.push(memory);
    held.set(key, { memory: memory.name, numbers: new Map(ordered.map(({ constant }, i) => [constant, i])) });
    before.set(first, [...(before.get(first) ?? []), fetch(buffer, start, turns, memory.name, names)]);
  }
  return run.flatMap((statement, i) => {
    const changed = mapLoads(statement, (load) => {
      const found = held.get(`${load.buffer}[${termsKey(load.index)}]`);
      const number = found?.numbers.get(load.index.constant);
      return found && number !== undefined ? { ...load, buffer: found.memory, index: index(number) } : load;
    });
    return [...(before.get(i) ?? []), changed];
  });
}

/** The loop that loads what is then held, from the first place on. */
function fetch(buffer: string, start: Index, turns: Turns, memory: string, names: Names): Statement {
  const { width, count } = turns;
  const counter = variable(names.fresh("turn"), count);
  const turn = index(counter);
  const at = add(start, distanceOf(turn, turns));
  const body = Array.from({ length: width }, (_, i): Statement => {
    const value = { kind: "load", buffer, index: add(at, i) } as const;
    return { kind: "store", buffer: memory, index: add(multiply(turn, width), i), value };
  });
  return { kind: "loop", variable: counter, count, body };
}
