/**
 * Loads or stores of a straight run of statements that lie in a regular grid, so that a loop can make them.
 *
 * In: accesses to one buffer whose places differ by constants. Out: the turns of a loop over them, and how far the place of
 * each turn is from the first; or nothing where they are no grid.
 */
import { add, divide, type Index, index, multiply, remainder } from "../nest/integer.ts";
import type { Statement } from "../nest/loopNest.ts";
import { leastTurns } from "../schedule/schedule.ts";

/** So many places, `step` elements apart. */
interface Level {
  readonly step: number;
  readonly count: number;
}

/** A loop over a grid: each turn makes `width` accesses to neighbours. */
export interface Turns {
  readonly width: number;
  readonly count: number;
  readonly levels: readonly Level[];
}

/** The turns over places that ascend; undefined where they are no grid, or too few for a loop. */
export function turnsOver(places: readonly Index[]): Turns | undefined {
  const [first] = places;
  if (!first || places.length < leastTurns) return undefined;
  const grid = gridOf(places.map(({ constant }) => constant));
  const turns = grid && turnsOf(grid, first);
  return turns && turns.count >= leastTurns ? turns : undefined;
}

/** The levels, innermost first. */
function gridOf(places: readonly number[]): Level[] | undefined {
  const [first = 0, second] = places;
  if (second === undefined) return [];
  const step = second - first;
  let most = 1;
  while (places[most] === first + most * step) most++;
  for (let count = step === 0 ? 0 : most; count > 1; count--) {
    if (places.length % count !== 0) continue;
    const heads = places.filter((_, i) => i % count === 0);
    const isRegular = places.every((place, i) => place === (heads[Math.floor(i / count)] ?? 0) + (i % count) * step);
    const outer = isRegular ? gridOf(heads) : undefined;
    if (outer) return [{ step, count }, ...outer];
  }
  return undefined;
}

/** Four at a time where they are aligned, so that they are one vector in memory. */
function turnsOf([inner, ...outer]: readonly Level[], { constant, terms }: Index): Turns {
  const isAligned = constant % 4 === 0 && terms.every(({ factor }) => factor % 4 === 0);
  const isRow = inner?.step === 1 && inner.count % 4 === 0;
  const inFours = isRow && isAligned && outer.every(({ step }) => step % 4 === 0);
  const levels = inner ? [inFours ? { step: 4, count: inner.count / 4 } : inner, ...outer] : outer;
  const count = levels.reduce((product, level) => product * level.count, 1);
  return { width: inFours ? 4 : 1, count, levels: levels.filter((level) => level.count > 1) };
}

/** How far the place of a turn is from the first. */
export function distanceOf(turn: Index, { levels }: Turns): Index {
  let rest = turn;
  let sum = index(0);
  levels.forEach(({ step, count }, i) => {
    const isLast = i === levels.length - 1;
    sum = add(sum, multiply(isLast ? rest : remainder(rest, count), step));
    rest = divide(rest, count);
  });
  return sum;
}

const isStraight = ({ kind }: Statement): boolean =>
  kind === "let" || kind === "letIndex" || kind === "variable" || kind === "assign" || kind === "store";

/** Statements that run one after another and do nothing but compute, load and store; and the others, one by one. */
export function straightRuns(statements: readonly Statement[]): Statement[][] {
  const runs: Statement[][] = [];
  let isOpen = false;
  for (const statement of statements) {
    const last = runs.at(-1);
    const continues = isStraight(statement);
    if (isOpen && continues && last) last.push(statement);
    else runs.push([statement]);
    isOpen = continues;
  }
  return runs;
}
