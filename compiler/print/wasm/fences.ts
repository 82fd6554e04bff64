/**
 * Fences: where straight-line code is cut into pieces that fit the vector registers.
 *
 * In: statements one after another. Out: pieces to be fenced off. Why: V8 (measured with 11.3, and read in its scheduler)
 * places the loads of a basic block first and the arithmetic after them, so an unrolled loop body holds all its operands
 * at a time, spills, and runs at a third of its speed. A piece inside of a loop that never goes round keeps loads and
 * arithmetic together at the price of one test: nine unrolled taps of a convolution go from 23 to 51 GFLOP/s.
 */
import type { Statement } from "../../nest/loopNest.ts";
import { readsOf } from "./statementReads.ts";

/** Statements `start` to `end - 1`. */
export interface Piece {
  readonly start: number;
  readonly end: number;
}

/** Vector registers that V8 leaves to a function; a product that is not fused takes one more. */
const vectorRegisters = 15;
/** A fence is not worth its test for fewer assignments and definitions. */
const smallestPiece = 4;

interface Cost {
  readonly loads: number;
  readonly uses: ReadonlySet<string>;
  readonly defines: string | undefined;
  readonly assigns: string | undefined;
}

/** Pieces to fence, in order and disjoint. */
export function fencedPieces(statements: readonly Statement[], relaxedSimd: boolean): readonly Piece[] {
  const registers = relaxedSimd ? vectorRegisters : vectorRegisters - 1;
  const pieces: Piece[] = [];
  for (let start = 0; start < statements.length; start++) {
    let end = start;
    while (end < statements.length && isStraight(statements[end])) end++;
    if (end - start > smallestPiece) pieces.push(...cutRun(statements, { start, end }, registers));
    start = end;
  }
  return pieces;
}

/** Stores, loops and branches keep their place by themselves. */
function isStraight(statement: Statement | undefined): boolean {
  return statement?.kind === "let" || statement?.kind === "assign" || statement?.kind === "letIndex";
}

function cutRun(statements: readonly Statement[], run: Piece, registers: number): Piece[] {
  const costs = statements.slice(run.start, run.end).map(costOf);
  const loads = costs.reduce((sum, cost) => sum + cost.loads, 0);
  const outer = outerValues(costs);
  if (outer + loads <= registers) return [];
  const live = liveLets(costs);
  const lets = new Set(costs.flatMap(({ defines }) => (defines === undefined ? [] : [defines])));
  const pieces: Piece[] = [];
  let start = 0;
  while (start < costs.length) {
    const end = bestCut(costs, live, { start, registers: registers - outer, lets });
    // What follows the last fence needs none.
    if (end < costs.length) pieces.push({ start: run.start + start, end: run.start + end });
    start = end;
  }
  return pieces;
}

/** Values from before the run, accumulators included: they stay in registers all the way. */
function outerValues(costs: readonly Cost[]): number {
  const defined = new Set<string>();
  const outer = new Set<string>();
  for (const { uses, defines, assigns } of costs) {
    for (const name of uses) if (!defined.has(name)) outer.add(name);
    if (assigns !== undefined) outer.add(assigns);
    if (defines !== undefined) defined.add(defines);
  }
  return outer.size;
}

/** Before each statement, and after the last: how many `let`s of the run are still needed. */
function liveLets(costs: readonly Cost[]): readonly number[] {
  const lastUse = new Map<string, number>();
  costs.forEach(({ uses }, i) => uses.forEach((name) => lastUse.set(name, i)));
  const changes = Array.from({ length: costs.length + 2 }, () => 0);
  costs.forEach(({ defines }, i) => {
    const last = defines === undefined ? undefined : lastUse.get(defines);
    if (last === undefined) return;
    changes[i + 1] = (changes[i + 1] ?? 0) + 1;
    changes[last + 1] = (changes[last + 1] ?? 0) - 1;
  });
  let count = 0;
  return changes.map((change) => (count += change));
}

const none: Cost = { loads: 0, uses: new Set(), defines: undefined, assigns: undefined };

/** The cut after `start` across which the fewest values live, as far on as registers allow. */
function bestCut(
  costs: readonly Cost[],
  live: readonly number[],
  { start, registers, lets }: { start: number; registers: number; lets: ReadonlySet<string> },
): number {
  let used = 0;
  let best = start;
  const met = new Set<string>();
  for (let at = start; at < costs.length; at++) {
    const { loads, uses, defines } = costs[at] ?? none;
    used += loads;
    // What lives on without being used here waits on the stack; what is from before the run has its register.
    for (const name of uses) {
      if (lets.has(name) && !met.has(name)) used++;
      met.add(name);
    }
    if (defines !== undefined) met.add(defines);
    if (used > registers && best > start) return best;
    const isLong = at + 1 - start >= smallestPiece;
    if (isLong && (best === start || (live[at + 1] ?? 0) <= (live[best] ?? 0))) best = at + 1;
  }
  return costs.length;
}

function costOf(statement: Statement): Cost {
  const { names, buffers } = readsOf(statement);
  return {
    loads: buffers.length,
    uses: names,
    defines: statement.kind === "let" ? statement.name : undefined,
    assigns: statement.kind === "assign" ? statement.name : undefined,
  };
}
