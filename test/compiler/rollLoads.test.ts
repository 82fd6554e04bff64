/** Loads that a loop's next turn would repeat: kept in registers, in the right order, and only where that is right. */
import { describe, expect, it } from "vitest";
import { rollLoads } from "../../compiler/lower/rollLoads.ts";
import { add, index, multiply, variable } from "../../compiler/nest/integer.ts";
import type { Expression, Statement } from "../../compiler/nest/loopNest.ts";
import { printStatement } from "../../compiler/nest/printNest.ts";

const row = variable("row", 6);

const load = (place: Parameters<typeof add>[0]): Expression => ({
  kind: "load",
  buffer: "x",
  index: add(multiply(index(row), 8), place),
});

/** The value of a row that may lie outside of a map of six. */
function padded(offset: number): Expression {
  const at = add(index(row), offset);
  if (at.minimum >= 0 && at.maximum <= 5) return load(8 * offset);
  const condition = { kind: "inRange", index: at, minimum: 0, maximum: 5 } as const;
  return { kind: "select", condition, then: load(8 * offset), otherwise: { kind: "constant", value: 0 } };
}

function loopOf(values: Readonly<Record<string, Expression>>): Statement {
  const names = Object.keys(values);
  const body = names.map((name): Statement => ({ kind: "let", name, value: values[name] ?? load(0) }));
  const last = names.at(-1) ?? "";
  const store: Statement = { kind: "store", buffer: "y", index: index(row), value: { kind: "reference", name: last } };
  return { kind: "loop", variable: row, count: 6, body: [...body, store] };
}

const roll = (statement: Statement, stored: readonly string[] = ["y"]): string[] =>
  rollLoads([statement], new Set(stored)).flatMap((each) => printStatement(each));

describe("rollLoads", () => {
  it("loads one new row a turn, however the loads are ordered", () => {
    const lines = roll(loopOf({ c: load(16), a: load(0), b: load(8) }));
    expect(lines.filter((line) => line.includes("x["))).toEqual([
      "var a = x[0]",
      "var b = x[8]",
      expect.stringMatching(/^\s+let c = x\[/),
    ]);
    expect(lines.slice(-2).map((line) => line.trim())).toEqual(["a = b", "b = c"]);
  });

  it("sees through the tests of padding: what they say of the next turn, not how they are written", () => {
    const lines = roll(loopOf({ above: padded(-1), here: padded(0), below: padded(1) }));
    expect(lines.slice(0, 2)).toEqual(["var above = 0", "var here = x[0]"]);
    expect(lines.filter((line) => line.includes("x["))).toHaveLength(2);
  });

  it("takes no zero of the padding for the next value of another load", () => {
    // Over two rows: what lies behind the map now, and what will lie before it, are both zero.
    const two = variable("row", 2);
    const load = (offset: number): Expression => {
      const at = add(multiply(index(two), -1), offset);
      const value: Expression = { kind: "load", buffer: "x", index: at };
      const condition = { kind: "inRange", index: at, minimum: 0, maximum: 1 } as const;
      return { kind: "select", condition, then: value, otherwise: { kind: "constant", value: 0 } };
    };
    const statement = loopOf({ a: load(0), b: load(1), c: load(2) });
    const lines = roll(statement.kind === "loop" ? { ...statement, variable: two, count: 2 } : statement);
    expect(lines.map((line) => line.trim())).toContain("c = b");
    expect(lines.map((line) => line.trim())).not.toContain("a = c");
  });

  it("keeps nothing of memory that the nest writes, nor what moves otherwise", () => {
    const same = loopOf({ a: load(0), b: load(8) });
    expect(roll(same, ["x", "y"])).toEqual(printStatement(same));
    const apart = loopOf({ a: load(0), b: load(4) });
    expect(roll(apart)).toEqual(printStatement(apart));
  });
});
