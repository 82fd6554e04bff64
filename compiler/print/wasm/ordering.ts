/**
 * The order of straight-line code: what is needed together is computed together, so that few values live at a time.
 *
 * In: statements one after another. Out: the same in an order in which they may run as well; stores that are made as one
 * block stay together. How: a greedy list scheduler. What frees more values than it makes comes first; else what lacks the
 * least to finish something. Why: V8 keeps the order of loads, stores and fences, and what lives across a fence is spilled
 * beyond its 15 registers; the maps of fast convolutions have 36 values and more in every stage.
 */
import type { Statement } from "../../nest/loopNest.ts";
import { readsOf } from "./statementReads.ts";

/** Fewer statements need no order. */
const shortest = 24;
/** Longer runs would take too long to order. */
const longest = 4096;

/** Statements that keep together. */
interface Unit {
  readonly statements: readonly Statement[];
  readonly defines: readonly string[];
  /** Units whose values it uses. */
  readonly uses: readonly number[];
  readonly users: number[];
  /** Of `uses`, those that are not placed yet. */
  missing: number;
}

/** `blockFrom`: how many of the statements from a place on are stored as one block. */
export function orderStatements(
  statements: readonly Statement[],
  blockFrom: (from: number) => number,
): readonly Statement[] {
  if (statements.length < shortest || statements.length > longest || !mayMove(statements)) return statements;
  return place(unitsOf(statements, blockFrom)).flatMap((unit) => unit.statements);
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
    const uses = new Set<number>();
    for (const member of members)
      for (const name of readsOf(member).names) {
        const unit = definedBy.get(name);
        if (unit !== undefined) uses.add(unit);
      }
    const defines = members.flatMap((member) => (member.kind === "let" ? [member.name] : []));
    for (const name of defines) definedBy.set(name, units.length);
    for (const use of uses) units[use]?.users.push(units.length);
    units.push({ statements: members, defines, uses: [...uses], users: [], missing: uses.size });
  }
  return units;
}

/** Of two units that are ready, which comes first. */
interface Rank {
  /** Values that die with it, less those that it makes. */
  readonly freed: number;
  /** What the user that is nearest to being ready lacks beside it. */
  readonly lacking: number;
}

function isBefore(a: Rank, b: Rank): boolean {
  if (a.freed >= 0 || b.freed >= 0) return a.freed > b.freed;
  return a.lacking < b.lacking || (a.lacking === b.lacking && a.freed > b.freed);
}

/** Of units that are as good, the first in the given order. */
function place(units: readonly Unit[]): Unit[] {
  const order: Unit[] = [];
  /** Users that are not placed yet. */
  const open = units.map(({ users }) => users.length);
  const ready = new Set(units.flatMap(({ missing }, i) => (missing === 0 ? [i] : [])));
  const rankOf = ({ uses, defines, users }: Unit): Rank => ({
    freed: uses.filter((use) => open[use] === 1).length - (users.length > 0 ? defines.length : 0),
    lacking: users.reduce((least, user) => Math.min(least, (units[user]?.missing ?? 1) - 1), Infinity),
  });
  while (ready.size > 0) {
    let chosen: { readonly number: number; readonly rank: Rank } | undefined;
    for (const number of ready) {
      const unit = units[number];
      const rank = unit && rankOf(unit);
      if (rank && (!chosen || isBefore(rank, chosen.rank))) chosen = { number, rank };
    }
    const unit = units[chosen?.number ?? -1];
    if (!chosen || !unit) break;
    ready.delete(chosen.number);
    order.push(unit);
    for (const use of unit.uses) open[use] = (open[use] ?? 1) - 1;
    for (const user of unit.users) {
      const of = units[user];
      if (of && --of.missing === 0) ready.add(user);
    }
  }
  return order;
}
