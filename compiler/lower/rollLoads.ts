/**
 * Rolling loads: what one turn of a loop loads, and the next turn would load again, stays in registers.
 *
 * In: statements. Out: the same with loops whose body has two values of which the first will be in the next turn what the
 * second is in this one (`x[i]` and `x[i + step]`, tests for padding included): the first is computed once before the
 * loop and then takes over the second's value at the end of each turn. A window that slides over rows loads one new row a
 * turn. What holds: only loads of memory that the nest never writes are kept; values are the same.
 */
import { add, type Index, index, substitute, variable, variablesOf } from "../nest/integer.ts";
import { type Condition, type Expression, type Statement, subgroupLaneName } from "../nest/loopNest.ts";
import { printExpression } from "../nest/printNest.ts";

type Loop = Extract<Statement, { kind: "loop" }>;
type Let = Extract<Statement, { kind: "let" }>;

/** `from` becomes what `to` was. */
interface Move {
  readonly from: Let;
  readonly to: Let;
}

export function rollLoads(statements: readonly Statement[], stored: ReadonlySet<string>): Statement[] {
  return statements.flatMap((statement): Statement[] => {
    if (statement.kind === "if") return [{ ...statement, body: rollLoads(statement.body, stored) }];
    if (statement.kind !== "loop") return [statement];
    return rollLoop({ ...statement, body: rollLoads(statement.body, stored) }, stored);
  });
}

function rollLoop(loop: Loop, stored: ReadonlySet<string>): Statement[] {
  const moves = inOrder(movesOf(loop, stored));
  if (moves.length === 0) return [loop];
  const rolled = new Set<Statement>(moves.map(({ from }) => from));
  const atStart = (of: Index): Index => substitute(of, (name) => (name === loop.variable.name ? index(0) : undefined));
  const before = moves.map(({ from }): Statement => {
    return { kind: "variable", name: from.name, initial: specialise(from.value, atStart) ?? from.value };
  });
  const after = moves.map(({ from, to }): Statement => {
    return { kind: "assign", name: from.name, value: { kind: "reference", name: to.name } };
  });
  return [...before, { ...loop, body: [...loop.body.filter((statement) => !rolled.has(statement)), ...after] }];
}

/** Each value with the one whose place it takes in the next turn. */
function movesOf({ variable: counter, count, body }: Loop, stored: ReadonlySet<string>): Move[] {
  const inside = new Set(body.flatMap((statement) => (statement.kind === "letIndex" ? [statement.variable.name] : [])));
  const isKnownBefore = (of: Index): boolean =>
    [...variablesOf(of)].every((name) => !inside.has(name) && name !== subgroupLaneName);
  // In all turns but the last, which has no next one.
  const turn = index(variable(counter.name, count - 1));
  const keyAfter = (value: Expression, turns: number): string | undefined => {
    const found = specialise(value, (of) =>
      substitute(of, (name) => (name === counter.name ? add(turn, turns) : undefined)),
    );
    // A constant, where only padding is met, is nobody's next value: that would make moves go round in circles.
    return found && found.kind !== "constant" ? printExpression(found) : undefined;
  };
  const loads = body.flatMap((statement): Let[] =>
    statement.kind === "let" && keepsLoad(statement.value, stored, isKnownBefore) ? [statement] : [],
  );
  const now = new Map(
    loads.flatMap((load) => {
      const key = keyAfter(load.value, 0);
      return key === undefined ? [] : [[key, load] as const];
    }),
  );
  return loads.flatMap((from): Move[] => {
    const key = keyAfter(from.value, 1);
    const to = key === undefined ? undefined : now.get(key);
    return to && to !== from ? [{ from, to }] : [];
  });
}

/** So that nothing is overwritten before it has moved on. */
function inOrder(moves: readonly Move[]): Move[] {
  const ordered: Move[] = [];
  const placed = new Set<Let>();
  const place = (move: Move): void => {
    if (placed.has(move.from)) return;
    placed.add(move.from);
    // What takes over this one's value goes first.
    for (const other of moves) if (other.to === move.from) place(other);
    ordered.push(move);
  };
  moves.forEach(place);
  return ordered;
}

/** A load of constant memory at a place that is known before the loop, or that or a constant, as padding decides. */
function keepsLoad(value: Expression, stored: ReadonlySet<string>, isKnown: (of: Index) => boolean): boolean {
  if (value.kind === "load") return !stored.has(value.buffer) && isKnown(value.index);
  if (value.kind !== "select" || value.otherwise.kind !== "constant") return false;
  return keepsLoad(value.then, stored, isKnown) && isInteger(value.condition, isKnown);
}

function isInteger(condition: Condition, isKnown: (of: Index) => boolean): boolean {
  if (condition.kind === "and") return condition.conditions.every((part) => isInteger(part, isKnown));
  return condition.kind === "inRange" && isKnown(condition.index);
}

/** The value with other indices, tests decided that then are certain; undefined for what `keepsLoad` refuses. */
function specialise(value: Expression, at: (of: Index) => Index): Expression | undefined {
  if (value.kind === "load") return { ...value, index: at(value.index) };
  if (value.kind === "constant") return value;
  if (value.kind !== "select") return undefined;
  const open: Condition[] = [];
  for (const part of value.condition.kind === "and" ? value.condition.conditions : [value.condition]) {
    if (part.kind !== "inRange") return undefined;
    const moved = at(part.index);
    if (moved.maximum < part.minimum || moved.minimum > part.maximum) return value.otherwise;
    if (moved.minimum < part.minimum || moved.maximum > part.maximum) open.push({ ...part, index: moved });
  }
  const then = specialise(value.then, at);
  const [only] = open;
  if (!then || !only) return then;
  return { ...value, then, condition: open.length === 1 ? only : { kind: "and", conditions: open } };
}
