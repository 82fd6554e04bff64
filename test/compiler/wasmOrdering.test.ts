/** The order of straight-line code for V8: a legal one, in pieces of few values. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { index } from "../../compiler/nest/integer.ts";
import type { Expression, Statement } from "../../compiler/nest/loopNest.ts";
import { arrange, isArranged, type Piece } from "../../compiler/print/wasm/ordering.ts";
import { readsOf } from "../../compiler/print/wasm/statementReads.ts";

const reference = (name: string): Expression => ({ kind: "reference", name });
const load = (at: number, buffer = "x"): Expression => ({ kind: "load", buffer, index: index(at) });
const define = (name: string, value: Expression): Statement => ({ kind: "let", name, value });
const sum = (left: Expression, right: Expression): Expression => ({ kind: "binary", operator: "add", left, right });
const store = (at: number, name: string, buffer = "y"): Statement => {
  return { kind: "store", buffer, index: index(at), value: reference(name) };
};

const single = (): number => 1;
const inOrder = (pieces: readonly Piece[]): Statement[] => pieces.flat().flatMap((unit) => unit.statements);

/** Values that live after the statement where most of them do. */
function mostLive(statements: readonly Statement[]): number {
  const lastUse = new Map<string, number>();
  statements.forEach((statement, i) => readsOf(statement).names.forEach((name) => lastUse.set(name, i)));
  const live = new Set<string>();
  let most = 0;
  statements.forEach((statement, i) => {
    if (statement.kind === "let" && lastUse.has(statement.name)) live.add(statement.name);
    for (const name of readsOf(statement).names) if (lastUse.get(name) === i) live.delete(name);
    most = Math.max(most, live.size);
  });
  return most;
}

/** Each definition loads, or adds two earlier ones; what nothing uses is stored at the end. */
const programs = fc
  .array(fc.tuple(fc.nat(1000), fc.nat(1000), fc.boolean()), { minLength: 24, maxLength: 80 })
  .map((choices): Statement[] => {
    const used = new Set<string>();
    const definitions = choices.map(([a, b, isLoad], i): Statement => {
      if (isLoad || i < 2) return define(`v${i}`, load(i));
      const [left, right] = [`v${a % i}`, `v${b % i}`];
      used.add(left).add(right);
      return define(`v${i}`, sum(reference(left), reference(right)));
    });
    const ends = choices.flatMap((_, i) => (used.has(`v${i}`) ? [] : [store(i, `v${i}`)]));
    return [...definitions, ...ends];
  });

it("keeps every statement, definitions before uses, blocks of stores together", () => {
  fc.assert(
    fc.property(programs, fc.integer({ min: 1, max: 4 }), (statements, block) => {
      const first = statements.findIndex(({ kind }) => kind === "store");
      const blockFrom = (from: number): number =>
        from >= first ? Math.min(block - ((from - first) % block), statements.length - from) : 1;
      expect(isArranged(statements)).toBe(true);
      const ordered = inOrder(arrange(statements, blockFrom));
      expect(new Set(ordered)).toEqual(new Set(statements));
      expect(ordered).toHaveLength(statements.length);
      const defined = new Set<string>();
      for (const statement of ordered) {
        for (const name of readsOf(statement).names) expect(defined).toContain(name);
        if (statement.kind === "let") defined.add(statement.name);
      }
      for (let at = first; at < statements.length; at += block) {
        const members = statements.slice(at, at + block);
        const from = ordered.indexOf(members[0] ?? store(0, ""));
        expect(ordered.slice(from, from + members.length)).toEqual(members);
      }
    }),
    { seed: 61 },
  );
});

it("finishes one sum after another", () => {
  const loads = Array.from({ length: 16 }, (_, i) => define(`a${i}`, load(i)));
  const sums = Array.from({ length: 8 }, (_, i) => define(`s${i}`, sum(reference(`a${i}`), reference(`a${i + 8}`))));
  const stores = sums.map((_, i) => store(i, `s${i}`));
  const statements = [...loads, ...sums, ...stores];
  expect(mostLive(statements)).toBe(16);
  expect(mostLive(inOrder(arrange(statements, single)))).toBe(2);
});

it("cuts pieces of at most sixteen values that come from memory, and never a unit", () => {
  fc.assert(
    fc.property(programs, (statements) => {
      for (const piece of arrange(statements, single)) {
        const defined = new Set(piece.flatMap(({ defines }) => defines));
        const loads = piece.reduce((sum, unit) => sum + unit.loads, 0);
        const others = new Set(piece.flatMap(({ names }) => names).filter((name) => !defined.has(name)));
        expect(loads + others.size).toBeLessThanOrEqual(16);
      }
    }),
    { seed: 62 },
  );
  // Together with what it needs of others, a unit may be larger.
  const loads = Array.from({ length: 24 }, (_, i) => define(`a${i}`, load(i)));
  const [piece, ...others] = arrange([...loads, ...loads.map((_, i) => store(i, `a${i}`))], (from) =>
    from < 24 ? 24 - from : 1,
  );
  expect([piece?.[0]?.loads, others.length]).toEqual([24, 0]);
});

it("moves nothing where what is stored is loaded, or where the order is not only that of values", () => {
  const loads = Array.from({ length: 24 }, (_, i) => define(`a${i}`, load(i)));
  expect(isArranged([...loads, ...loads.map((_, i) => store(i, `a${i}`))])).toBe(true);
  expect(isArranged([...loads, ...loads.map((_, i) => store(i, `a${i}`, "x"))])).toBe(false);
  const condition = { kind: "inRange", index: index(0), minimum: 0, maximum: 0 } as const;
  expect(isArranged([...loads, { kind: "if", condition, body: [store(0, "a0")] }])).toBe(false);
});
