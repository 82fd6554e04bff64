/**
 * The order of straight-line code, and its pieces: what is needed together is computed together.
 *
 * In: definitions and stores. Out: the same in an order in which they may run as well, cut into pieces whose values fit the
 * vector registers; what is loaded or stored as one block stays together. How: a greedy list scheduler. What needs nothing
 * but what its piece has already comes first; else what brings something nearest to being computed. Why: the maps of fast
 * convolutions have 36 values and more in every stage, and V8 has 15 registers.
 */
import type { Statement } from "../../nest/loopNest.ts";
import { readsOf } from "./statementReads.ts";

/** Fewer statements need no order. */
const shortest = 24;
/** Longer runs would take too long to order. */
const longest = 4096;
/** Values that a piece loads or has from others: a few more than registers, as the first are done with before the last comes. */
const mostValues = 16;

/** Statements that keep together. */
export interface Unit {
  readonly statements: readonly Statement[];
  readonly loads: number;
  readonly defines: readonly string[];
  /** Names that are defined in the run. */
  readonly names: readonly string[];
  /** Units that define them, and units that use what this one defines. */
  readonly uses: readonly number[];
  readonly users: number[];
}

export type Piece = readonly Unit[];

/** The pieces of statements for which `isArranged` holds; `blockFrom`: how many from a place on keep together. */
export function arrange(statements: readonly Statement[], blockFrom: (from: number) => number): readonly Piece[] {
  return inPieces(unitsOf(statements, blockFrom));
}

/** Whether statements are put in order. */
export function isArranged(statements: readonly Statement[]): boolean {
  return statements.length >= shortest && statements.length <= longest && mayMove(statements);
}

/** Whether some of the statements, or of those inside of them, are. */
export function areSomeArranged(statements: readonly Statement[]): boolean {
  return (
    isArranged(statements) ||
    statements.some((of) => (of.kind === "loop" || of.kind === "if") && areSomeArranged(of.body))
  );
}

/** Definitions and stores only, and nothing is loaded that is stored. */
function mayMove(statements: readonly Statement[]): boolean {
  const stored = new Set<string>();
  const loaded = new Set<string>();
  for (const statement of statements) {
    if (statement.kind === "comment") continue;
    if (statement.kind !== "let" && statement.kind !== "store") return false;
    if (statement.kind === "store") stored.add(statement.buffer);
    for (const buffer of readsOf(statement).buffers) loaded.add(buffer);
  }
  return stored.size > 0 && ![...stored].some((buffer) => loaded.has(buffer));
}

function unitsOf(statements: readonly Statement[], blockFrom: (from: number) => number): Unit[] {
  const units: Unit[] = [];
  const definedBy = new Map<string, number>();
  for (let at = 0; at < statements.length;) {
    const members = statements.slice(at, at + Math.max(1, blockFrom(at)));
    at += members.length;
    const reads = members.map(readsOf);
    const names = [...new Set(reads.flatMap((read) => [...read.names]))].filter((name) => definedBy.has(name));
    const uses = [...new Set(names.map((name) => definedBy.get(name) ?? -1))];
    const defines = members.flatMap((member) => (member.kind === "let" ? [member.name] : []));
    for (const name of defines) definedBy.set(name, units.length);
    for (const use of uses) units[use]?.users.push(units.length);
    const loads = reads.reduce((sum, { buffers }) => sum + buffers.length, 0);
    units.push({ statements: members, loads, defines, names, uses, users: [] });
  }
  return units;
}

function inPieces(units: readonly Unit[]): Piece[] {
  const pieces: Piece[] = [];
  const missing = units.map(({ uses }) => uses.length);
  const ready = new Set(units.flatMap(({ uses }, number) => (uses.length === 0 ? [number] : [])));
  const place = (number: number, { users }: Unit): void => {
    ready.delete(number);
    for (const user of users) if ((missing[user] = (missing[user] ?? 0) - 1) === 0) ready.add(user);
  };
  while (ready.size > 0) pieces.push(fillPiece(units, ready, place));
  return pieces;
}

/** Places units as long as their values fit. */
function fillPiece(
  units: readonly Unit[],
  ready: ReadonlySet<number>,
  place: (number: number, unit: Unit) => void,
): Piece {
  const piece: Unit[] = [];
  const known = new Set<number>();
  /** By unit: values that it needs and the piece does not have. */
  const lacks = units.map(({ uses, loads }) => uses.length + loads);
  const learn = (number: number): void => {
    if (known.has(number)) return;
    known.add(number);
    for (const user of units[number]?.users ?? []) lacks[user] = (lacks[user] ?? 0) - 1;
  };
  let values = 0;
  for (;;) {
    const next = nextOf(units, ready, lacks);
    const unit = units[next?.number ?? -1];
    if (!next || !unit || (piece.length > 0 && next.lack > 0 && values + next.lack > mostValues)) return piece;
    values += next.lack;
    piece.push(unit);
    learn(next.number);
    unit.uses.forEach(learn);
    place(next.number, unit);
  }
}

interface Candidate {
  readonly number: number;
  readonly lack: number;
  /** What the user that is nearest to being computed in this piece lacks beside it. */
  readonly distance: number;
}

/** Of units that are as good, the first in the given order. */
function nextOf(units: readonly Unit[], ready: ReadonlySet<number>, lacks: readonly number[]): Candidate | undefined {
  let best: Candidate | undefined;
  for (const number of ready) {
    const lack = lacks[number] ?? 0;
    let distance = lack === 0 ? -1 : Infinity;
    if (lack > 0) for (const user of units[number]?.users ?? []) distance = Math.min(distance, (lacks[user] ?? 0) - 1);
    if (!best || distance < best.distance || (distance === best.distance && lack < best.lack))
      best = { number, lack, distance };
  }
  return best;
}
