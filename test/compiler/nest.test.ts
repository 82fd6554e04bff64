/** The interpreter against plain TypeScript, its checks, the rules of verifyNest, and the text form. */
import { describe, expect, it } from "vitest";
import { errorFunction } from "../../compiler/nest/arithmetic.ts";
import { add, constant, element, index, multiply, variable } from "../../compiler/nest/integer.ts";
import { interpretNest } from "../../compiler/nest/interpretNest.ts";
import type { Expression, LoopNest, Statement } from "../../compiler/nest/loopNest.ts";
import { laneName, workgroupName } from "../../compiler/nest/loopNest.ts";
import type { NestBuffer } from "../../compiler/nest/nestMemory.ts";
import { printNest, printNumber } from "../../compiler/nest/printNest.ts";
import { uniform } from "../../compiler/nest/random.ts";
import { verifyNest } from "../../compiler/nest/verifyNest.ts";
import * as s from "./nestForms.ts";
import { samples } from "./nestSamples.ts";

function run(name: keyof typeof samples): { before: Record<string, NestBuffer>; after: Record<string, NestBuffer> } {
  const sample = samples[name]?.();
  if (!sample) throw new Error(`no sample ${name}`);
  const after = sample.buffers();
  interpretNest(sample.nest, after, sample.subgroupSize ? { subgroupSize: sample.subgroupSize } : {});
  return { before: sample.buffers(), after };
}

function expectClose(actual: NestBuffer | undefined, expected: ArrayLike<number>): void {
  expect(actual?.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) expect(actual?.[i], `element ${i}`).toBeCloseTo(expected[i] ?? NaN, 5);
}

const at = (array: NestBuffer | undefined, i: number): number => array?.[i] ?? NaN;
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

describe("interpretNest", () => {
  it("masks the lanes that have no element", () => {
    const { before, after } = run("guarded");
    expectClose(
      after["y"],
      range(100).map((i) => 2 * at(before["x"], i) + 1),
    );
  });

  it("runs straight-line loads and stores", () => {
    const { before, after } = run("quads");
    expectClose(
      after["y"],
      range(192).map((i) => at(before["x"], i - (i % 4) + 3 - (i % 4)) + at(before["bias"], i % 4)),
    );
  });

  it("runs loops, accumulators and padded windows", () => {
    const { before, after } = run("window");
    const pixel = (y: number, x: number) => (y < 0 || x < 0 || y > 6 || x > 6 ? 0 : at(before["map"], y * 7 + x));
    const expected = range(49).map((i) =>
      range(9).reduce((sum, k) => {
        const [y, x] = [Math.floor(i / 7) + Math.floor(k / 3) - 1, (i % 7) + (k % 3) - 1];
        return sum + pixel(y, x) * at(before["filter"], k);
      }, 0),
    );
    expectClose(after["out"], expected);
  });

  it("reduces over the lanes of a workgroup", () => {
    const { before, after } = run("sumsOver50");
    const part = (group: number) => range(50).map((i) => at(before["x"], group * 50 + i));
    const sum = (group: number) => part(group).reduce((a, b) => a + b);
    expectClose(
      after["sums"],
      range(12).map((i) => sum(Math.floor(i / 6)) * ((i % 6) + 1)),
    );
    expectClose(
      after["largest"],
      [0, 1].map((group) => Math.max(...part(group))),
    );
  });

  it("passes values between lanes through scratch memory", () => {
    const { before, after } = run("transposed");
    expectClose(
      after["out"],
      range(256).map((i) => at(before["matrix"], (i % 16) * 16 + Math.floor(i / 16))),
    );
  });

  it("reads bytes at places that memory gives", () => {
    const { before, after } = run("bytes");
    const start = (i: number) => at(before["order"], Math.floor(i / 12)) * 12;
    expectClose(
      after["out"],
      range(60).map((i) => at(before["pictures"], start(i) + (i % 12)) / 127.5 - 1),
    );
    expectClose(
      after["last"],
      range(5).map((i) => at(before["pictures"], at(before["order"], i) * 11 + 3)),
    );
  });

  it("draws random numbers from counters, and stores integers", () => {
    const { after } = run("randomness");
    expect([...(after["out"] ?? [])]).toEqual(range(64).map((i) => uniform(i, 17, 42)));
    expect(after["next"]).toEqual(Uint32Array.of(18));
  });

  it("broadcasts within a subgroup", () => {
    const { before, after } = run("broadcast");
    const product = (row: number, column: number) =>
      range(4).reduce((sum, k) => sum + at(before["x"], row * 4 + k) * at(before["weights"], k * 8 + column), 0);
    expectClose(
      after["out"],
      range(128).map((i) => product(Math.floor(i / 8), i % 8)),
    );
  });

  it("knows infinity and what is no number", () => {
    const { after } = run("specialValues");
    expect([...(after["strange"] ?? [])]).toEqual([0, 1, 1, 0, 0, 0, 0, 0]);
    expect(at(after["largest"], 2)).toBe(-Infinity);
    expect(at(after["largest"], 3)).toBe(Infinity);
  });

  it("divides numbers below zero towards minus infinity", () => {
    const { after } = run("manyWorkgroups");
    const expected = range(70_000).flatMap((g) => {
      const shifted = 2 * g - 5;
      const masked = g % 4 === 1 || g % 4 === 2 ? Math.min(Math.max(shifted, -3), 60_000) : 0;
      return [Math.floor(shifted / 7), ((shifted % 7) + 7) % 7, masked];
    });
    expect([...(after["out"] ?? [])].map((value) => value + 0)).toEqual(expected.map((value) => value + 0));
  });

  it("gives NaN for a load outside its buffer, also at a place that such a load gave", () => {
    const out = new Float32Array(16);
    const at = element("order", lane, 7);
    const body = [
      s.store("out", lane, s.select(s.inRange(lane, 0, 6), s.load("x", lane), s.number(3))),
      s.store("out", add(lane, 8), s.load("x", at)),
    ];
    const bindings = [s.read("x", 7), s.read("order", 6, "u32"), s.readwrite("out", 16)];
    interpretNest(s.nest("outside", { bindings, body }), { x: new Float32Array(8), order: new Uint32Array(6), out });
    expect([...out]).toEqual([0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, NaN, NaN]);
  });

  it("lets a load that is not used be of what another workgroup writes", () => {
    const group = index(variable(workgroupName, 3));
    const own = add(multiply(group, 8), lane);
    const next = s.select(s.inRange(group, 3, 3), s.reference("next"), s.number(2));
    const exchange = (used: Expression): LoopNest =>
      s.nest("neighbours", {
        bindings: [s.readwrite("x", 24), s.readwrite("out", 24)],
        workgroups: 3,
        body: [
          s.letFloat("next", s.load("x", add(own, 8))),
          s.letFloat("used", used),
          s.store("x", own, s.number(1)),
          s.store("out", own, s.reference("used")),
        ],
      });
    const out = new Float32Array(24);
    interpretNest(exchange(next), { x: new Float32Array(24), out });
    expect([...out]).toEqual([...new Float32Array(24).fill(2)]);
    const wrong = exchange(s.binary("add", next, s.reference("next")));
    expect(() => interpretNest(wrong, { x: new Float32Array(24), out })).toThrow(
      /x\[8\] is written where another lane reads it/,
    );
  });

  it("rounds to f32 at every operation", () => {
    const out = new Float32Array(8);
    const sum = s.binary("add", s.number(16777216), s.number(1));
    const body = [s.store("out", lane, s.binary("add", sum, s.number(1)))];
    interpretNest(s.nest("rounding", { bindings: [s.readwrite("out", 8)], body }), { out });
    expect(out[0]).toBe(16777216);
  });
});

const lane = index(variable(laneName, 8));

describe("the interpreter notices", () => {
  const cases: [string, Partial<LoopNest>, RegExp][] = [
    ["an index outside its buffer", { body: [s.store("out", add(lane, 1), s.number(1))] }, /out\[8\] is outside its 8/],
    [
      "scratch memory that nobody wrote",
      { scratch: [{ name: "tile", length: 8 }], body: [s.store("out", lane, s.load("tile", lane))] },
      /tile\[0\] is read before it is written/,
    ],
    [
      "a missing barrier",
      {
        scratch: [{ name: "tile", length: 8 }],
        body: [s.store("tile", lane, s.number(1)), s.store("out", lane, s.load("tile", add(multiply(lane, -1), 7)))],
      },
      /tile\[7\] is read where another lane writes it/,
    ],
    [
      "two lanes that write different values to one element",
      { body: [s.store("out", constant(0), s.asFloat(lane))] },
      /out\[0\] is written by two lanes/,
    ],
    [
      "an element that workgroups exchange",
      {
        workgroups: 2,
        body: [
          s.letFloat("value", s.load("out", lane)),
          s.store("out", lane, s.binary("add", s.reference("value"), s.number(1))),
        ],
      },
      /out\[0\] is read where another lane writes it/,
    ],
    [
      "an integer outside its promised range",
      { body: [s.letIndex(variable("half", 4), lane), s.store("out", lane, s.asFloat(index(variable("half", 4))))] },
      /half is 4, outside 0\.\.3/,
    ],
    [
      "an integer in memory above its promised range",
      {
        bindings: [s.read("labels", 8, "u32"), s.readwrite("out", 8)],
        body: [s.store("out", lane, s.asFloat(element("labels", lane, 3)))],
      },
      /labels holds 5, above the promised 3/,
    ],
  ];
  it.each(cases)("%s", (_, parts, message) => {
    const wrong = s.nest("wrong", { bindings: [s.readwrite("out", 8)], ...parts });
    const buffers: Record<string, NestBuffer> = {
      out: new Float32Array(8),
      x: new Float32Array(8),
      labels: new Uint32Array(8).fill(5),
    };
    expect(() => interpretNest(wrong, buffers)).toThrow(message);
  });
});

describe("verifyNest refuses", () => {
  const out = [s.readwrite("out", 8)];
  const ownIf = (body: Statement[]): Statement => ({ kind: "if", condition: s.inRange(lane, 0, 3), body });
  const cases: [string, Partial<LoopNest>, RegExp][] = [
    ["a name before its definition", { body: [s.store("out", lane, s.reference("a"))] }, /a is not defined here/],
    [
      "a name outside its scope",
      { body: [s.loop(variable("i", 2), 2, [s.letFloat("a", s.number(1))]), s.store("out", lane, s.reference("a"))] },
      /a is not defined here/,
    ],
    [
      "a name that is used twice",
      { body: [s.letFloat("out", s.number(1))] },
      /the name out is used twice \(at: let out = 1\)/,
    ],
    ["a name that WGSL does not know as one", { body: [s.letFloat("a b", s.number(1))] }, /"a b" is no name/],
    ["a reserved name", { body: [s.letFloat("lane", s.number(1))] }, /lane is a reserved name/],
    ["assigning to a let", { body: [s.letFloat("a", s.number(1)), s.assign("a", s.number(2))] }, /a is not a variable/],
    [
      "storing to what is bound for reading",
      { bindings: [s.read("out", 8)], body: [s.store("out", lane, s.number(1))] },
      /out is written but bound for reading only/,
    ],
    ["an unknown buffer", { body: [s.store("y", lane, s.number(1))] }, /there is no buffer y/],
    ["an index that is never inside", { body: [s.store("out", add(lane, 8), s.number(1))] }, /is never inside its 8/],
    [
      "a variable with a smaller range than its definition's",
      { body: [s.store("out", index(variable(laneName, 4)), s.number(1))] },
      /lane is used as 0\.\.3 but runs over 0\.\.7/,
    ],
    ["a barrier that some lanes miss", { body: [ownIf([{ kind: "barrier" }])] }, /a barrier needs all lanes/],
    [
      "a broadcast that some lanes miss",
      {
        body: [
          s.letFloat("a", s.number(1)),
          ownIf([s.store("out", lane, { kind: "broadcast", name: "a", subgroupLane: 0 })]),
        ],
      },
      /a broadcast needs all lanes/,
    ],
    [
      "reducing what is no variable",
      { body: [s.letFloat("a", s.number(1)), { kind: "reduceLanes", operator: "add", names: ["a"] }] },
      /a is not a variable/,
    ],
    ["an endless or empty loop", { body: [s.loop(variable("i", 1), 0, [])] }, /must run once or more/],
    ["an integer used as f32", { body: [s.store("out", lane, s.reference("lane"))] }, /lane is an integer/],
    [
      "an index from f32 memory",
      { bindings: [s.read("x", 8), ...out], body: [s.store("out", element("x", lane, 7), s.number(1))] },
      /x holds no integers/,
    ],
  ];
  it.each(cases)("%s", (_, parts, message) => {
    expect(() => verifyNest(s.nest("wrong", { bindings: out, ...parts }))).toThrow(message);
  });

  it("nothing of the samples", () => {
    for (const make of Object.values(samples)) verifyNest(make().nest);
  });

  it("no barrier under a condition that the whole workgroup shares", () => {
    const counter = variable("i", 4);
    const body: Statement[] = [
      s.loop(counter, 4, [{ kind: "if", condition: s.inRange(index(counter), 1, 2), body: [{ kind: "barrier" }] }]),
    ];
    verifyNest(s.nest("shared condition", { bindings: out, body }));
  });
});

describe("printNest", () => {
  it("prints a nest", () => {
    const sample = samples["window"]?.();
    expect(sample && printNest(sample.nest)).toBe(`kernel conv 3x3 (line 3): forward
  # map [7, 7], filter [3, 3], zero padding 1
  1 workgroups of 49 lanes
  read map: f32[49]
  read filter: f32[9]
  readwrite out: f32[49]

  let y = (lane / 7)
  let x = (lane % 7)
  var sum = 0
  for ky in 0..2
    for kx in 0..2
      let pixel = select((ky + y - 1 in 0..6) and (kx + x - 1 in 0..6), map[7 * clamp(ky + y - 1, 0, 6) + clamp(kx + x - 1, 0, 6)], 0)
      sum = pixel * filter[3 * ky + kx] + sum
  out[7 * y + x] = sum
`);
  });

  it("prints numbers as the shortest decimal of their f32", () => {
    const numbers = [0.1, 1 / 3, 16777216, -0, 1e-45, 3.4028234663852886e38, -Infinity];
    expect(numbers.map(printNumber)).toEqual([
      "0.1", "0.33333334", "16777216", "-0", "1e-45", "3.4028235e+38", "-Infinity",
    ]); // prettier-ignore
  });
});

describe("errorFunction", () => {
  /** Abramowitz and Stegun, table 7.1. */
  it.each([[0, 0], [0.5, 0.5204998778], [1, 0.8427007929], [-1.5, -0.9661051465], [2, 0.995322265], [7, 1]])(
    "of %f is %f",
    (x, expected) => expect(errorFunction(x)).toBeCloseTo(expected, 9),
  ); // prettier-ignore
});
