/** Many loads or stores of one kind as loops with one of them: where they are a grid, and only where nothing else comes between. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { distanceOf, turnsOver } from "../../compiler/lower/accessGrid.ts";
import { loopLoads } from "../../compiler/lower/loopLoads.ts";
import { loopStores } from "../../compiler/lower/loopStores.ts";
import { createNames } from "../../compiler/lower/names.ts";
import { add, evaluate, type Index, index, multiply, variable } from "../../compiler/nest/integer.ts";
import { interpretNest } from "../../compiler/nest/interpretNest.ts";
import {
  type Expression,
  laneName,
  type LoopNest,
  type Scratch,
  type Statement,
} from "../../compiler/nest/loopNest.ts";
import { printStatement } from "../../compiler/nest/printNest.ts";
import { verifyNest } from "../../compiler/nest/verifyNest.ts";
import { printWasmModule } from "../../compiler/print/wasm/printWasm.ts";
import { printWgsl } from "../../compiler/print/wgsl/printWgsl.ts";

const lanes = 4;
const length = 64;

/** In the lane's part of a buffer. */
const own = (at: number): Index => add(multiply(index(variable(laneName, lanes)), length), at);
const load = (buffer: string, at: number): Expression => ({ kind: "load", buffer, index: own(at) });
const named = (name: string): Expression => ({ kind: "reference", name });
const define = (name: string, value: Expression): Statement => ({ kind: "let", name, value });
const store = (buffer: string, at: number, value: Expression): Statement => {
  return { kind: "store", buffer, index: own(at), value };
};

type Pass = typeof loopLoads;

function applied(body: readonly Statement[], ...passes: readonly Pass[]): LoopNest {
  const scratch: Scratch[] = [];
  const names = createNames([laneName, "a", "b", ...body.flatMap((one) => (one.kind === "let" ? [one.name] : []))]);
  const changed = passes.reduce((statements, pass) => pass(statements, names, scratch), [...body]);
  const bindings = ["a", "b"].map((name) => {
    return { name, type: "f32", access: "readwrite", length: lanes * length } as const;
  });
  const nest = { name: "sample", header: [], bindings, scratch, workgroups: 1, lanes, body: changed };
  verifyNest(nest);
  return nest;
}

const lines = ({ body }: LoopNest): string[] => body.flatMap((statement) => printStatement(statement));

function run(nest: LoopNest): Record<string, Float32Array> {
  const buffers = Object.fromEntries(
    ["a", "b"].map((name, b) => [name, Float32Array.from({ length: lanes * length }, (_, i) => i + b * 1000)]),
  );
  interpretNest(nest, buffers);
  return buffers;
}

/** Stores of four rows of eight, 16 elements apart. */
const rows = Array.from({ length: 32 }, (_, i) => store("a", 16 * (i >> 3) + (i & 7), load("b", 32 - i)));

describe("stores in loops", () => {
  it("are put into memory of the lane, and moved on four by four", () => {
    const nest = applied(rows, loopStores);
    expect(nest.scratch).toEqual([{ name: "held", length: 32, perLane: true }]);
    expect(lines(nest).slice(0, 2)).toEqual(["held[0] = b[64 * lane + 32]", "held[1] = b[64 * lane + 31]"]);
    expect(lines(nest).slice(32)).toEqual([
      "for turn in 0..7",
      "  a[64 * lane + 16 * (turn / 2) + 4 * (turn % 2)] = held[4 * turn]",
      "  a[64 * lane + 16 * (turn / 2) + 4 * (turn % 2) + 1] = held[4 * turn + 1]",
      "  a[64 * lane + 16 * (turn / 2) + 4 * (turn % 2) + 2] = held[4 * turn + 2]",
      "  a[64 * lane + 16 * (turn / 2) + 4 * (turn % 2) + 3] = held[4 * turn + 3]",
    ]);
    expect(run(nest)).toEqual(run(applied(rows)));
  });

  it("stay as they are where they are no grid, too few, or where something comes between", () => {
    const one: Expression = { kind: "constant", value: 1 };
    const row = [0, 3, 6, 9, 12].map((at) => store("a", at, one));
    const [first, ...others] = row;
    const samples = [
      [0, 3, 6, 10, 12].map((at) => store("a", at, one)),
      row.slice(0, 3),
      [first, define("x", load("a", 3)), ...others],
      [first, { ...store("a", 3, one), index: index(3) }, ...others],
    ];
    for (const sample of samples) {
      const body = sample.filter((statement) => statement !== undefined);
      expect(applied(body, loopStores).body).toEqual(body);
    }
    expect(applied([define("x", load("a", 3)), ...row], loopStores).scratch).toHaveLength(1);
  });

  it("keep the condition that they have in common", () => {
    const lane = index(variable(laneName, lanes));
    const where = { kind: "inRange", index: lane, minimum: 0, maximum: 1 } as const;
    const masked = rows.map((statement) => (statement.kind === "store" ? { ...statement, where } : statement));
    const nest = applied(masked, loopStores);
    expect(lines(nest).at(-1)).toMatch(/held\[4 \* turn \+ 3\] where lane in 0\.\.1$/);
    expect(run(nest)).toEqual(run(applied(masked)));
    expect(applied([...masked.slice(0, 16), ...rows.slice(16)], loopStores).scratch).toHaveLength(2);
  });
});

describe("loads in loops", () => {
  const sum = Array.from({ length: 6 }, (_, i) => define(`x${i}`, load("b", 5 * i)));

  it("come from memory of the lane, which a loop before them fills", () => {
    const body = [...sum, store("a", 0, named("x5"))];
    const nest = applied(body, loopLoads);
    expect(lines(nest).slice(0, 3)).toEqual([
      "for turn in 0..5",
      "  held[turn] = b[64 * lane + 5 * turn]",
      "let x0 = held[0]",
    ]);
    expect(run(nest)).toEqual(run(applied(body)));
  });

  it("stay as they are where their buffer is stored to on the way, and in loops of reductions", () => {
    const body = [...sum.slice(0, 3), store("b", 15, named("x1")), ...sum.slice(3)];
    expect(applied(body, loopLoads).body).toEqual(body);
    const start: Statement = { kind: "variable", name: "total", initial: { kind: "constant", value: 0 } };
    const turns = variable("r0", 2);
    const more: Statement = { kind: "assign", name: "total", value: named("x5") };
    const loop: Statement = { kind: "loop", variable: turns, count: 2, body: [...sum, more] };
    expect(applied([start, loop], loopLoads).body).toEqual([start, loop]);
    expect(applied([{ ...loop, body: sum }], loopLoads).scratch).toHaveLength(1);
  });
});

describe("turns over places", () => {
  it("visit each place once, in order", () => {
    let met = 0;
    const level = fc.record({ step: fc.integer({ min: 1, max: 9 }), count: fc.integer({ min: 1, max: 5 }) });
    fc.assert(
      fc.property(fc.array(level, { minLength: 1, maxLength: 3 }), (levels) => {
        let places = [0];
        let reach = 1;
        for (const { step, count } of levels) {
          const stride = reach * step;
          places = Array.from({ length: count }, (_, i) => places.map((place) => place + i * stride)).flat();
          reach += (count - 1) * stride;
        }
        const found = turnsOver(places.map((place) => index(place)));
        if (!found) return;
        const turn = index(variable("turn", found.count));
        const start = (number: number): number =>
          evaluate(
            distanceOf(turn, found),
            () => number,
            () => 0,
          );
        const visited = Array.from({ length: found.count }, (_, number) =>
          Array.from({ length: found.width }, (_unused, i) => start(number) + i),
        );
        expect(visited.flat()).toEqual(places);
        met++;
      }),
    );
    expect(met).toBeGreaterThan(20);
  });
});

/** Runs of loads and stores in rows, of both buffers, one after another. */
const statements = fc
  .array(
    fc.record({
      isStore: fc.boolean(),
      buffer: fc.constantFrom("a", "b"),
      start: fc.integer({ min: 0, max: 20 }),
      step: fc.integer({ min: 1, max: 5 }),
      count: fc.integer({ min: 1, max: 8 }),
      isBackwards: fc.boolean(),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((runs) => {
    const known: string[] = [];
    return runs.flatMap(({ isStore, buffer, start, step, count, isBackwards }): Statement[] =>
      Array.from({ length: count }, (_, i): Statement => {
        const at = start + step * (isBackwards ? count - 1 - i : i);
        if (isStore) return store(buffer, at, known.length > 0 ? named(known[i % known.length] ?? "") : load("a", at));
        known.push(`x${known.length}`);
        return define(known.at(-1) ?? "", load(buffer, at));
      }),
    );
  });

it("loops give what straight runs give", () => {
  let looped = 0;
  fc.assert(
    fc.property(statements, (body) => {
      const plain = run(applied(body));
      for (const passes of [[loopLoads], [loopStores], [loopLoads, loopStores]]) {
        const nest = applied(body, ...passes);
        looped += nest.scratch.length;
        expect(run(nest)).toEqual(plain);
      }
    }),
    { numRuns: 300 },
  );
  expect(looped).toBeGreaterThan(300);
});

describe("memory of the lanes", () => {
  it("is an array of the function in WGSL, of vectors where it is stored and loaded in fours", () => {
    const { source } = printWgsl(applied(rows, loopStores), { subgroups: false, subgroupSize: 0 });
    expect(source).toContain("  var held: array<vec4f, 8>;");
    expect(source).toContain("held[0u] = vec4f(b[at0 + 8u].x, b0.w, b0.z, b0.y);");
    expect(source).toContain("a[at0 + 4u * i0 + i1] = held0;");
    expect(source).not.toContain("var<workgroup>");
  });

  it("is refused by WebAssembly, where lanes have none", () => {
    expect(() => printWasmModule([applied(rows, loopStores)], { relaxedSimd: false })).toThrow(/memory of their own/);
  });
});
