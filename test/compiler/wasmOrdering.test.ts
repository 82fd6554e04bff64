/** The order of straight-line code for V8: a legal one, in which fewer values live at a time. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { index } from "../../compiler/nest/integer.ts";
import type { Expression, Statement } from "../../compiler/nest/loopNest.ts";
import { orderStatements } from "../../compiler/print/wasm/ordering.ts";
import { readsOf } from "../../compiler/print/wasm/statementReads.ts";

const reference = (name: string): Expression => ({ kind: "reference", name });
const load = (at: number, buffer = "x"): Expression => ({ kind: "load", buffer, index: index(at) });
const define = (name: string, value: Expression): Statement => ({ kind: "let", name, value });
const sum = (left: Expression, right: Expression): Expression => ({ kind: "binary", operator: "add", left, right });
const store = (at: number, name: string, buffer = "y"): Statement => {
  return { kind: "store", buffer, index: index(at), value: reference(name) };
};

const single = (): number => 1;

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
  .array(fc.tuple(fc.nat(1000), fc.nat(1000), fc.boolean()), { minLength: 20, maxLength: 80 })
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
      const ordered = orderStatements(statements, blockFrom);
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
  expect(mostLive(orderStatements(statements, single))).toBe(2);
});

it("moves nothing where what is stored is loaded, or where the order is not only that of values", () => {
  const loads = Array.from({ length: 24 }, (_, i) => define(`a${i}`, load(i)));
  const inPlace = [...loads, ...loads.map((_, i) => store(i, `a${i}`, "x"))];
  expect(orderStatements(inPlace, single)).toBe(inPlace);
  const guarded: Statement[] = [
    ...loads,
    { kind: "if", condition: { kind: "inRange", index: index(0), minimum: 0, maximum: 0 }, body: [store(0, "a0")] },
  ];
  expect(orderStatements(guarded, single)).toBe(guarded);
});
