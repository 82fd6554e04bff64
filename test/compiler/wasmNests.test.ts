/** What four lanes do: strided and gathered loads, masks, reductions, bytes, addresses below a pointer, fences. */
import { describe, expect, it } from "vitest";
import {
  add,
  clamp,
  constant,
  divide,
  element,
  type Index,
  index,
  multiply,
  remainder,
  subtract,
  variable,
} from "../../compiler/nest/integer.ts";
import { interpretNest } from "../../compiler/nest/interpretNest.ts";
import {
  type Condition,
  type Expression,
  laneName,
  type LoopNest,
  type Statement,
  workgroupName,
} from "../../compiler/nest/loopNest.ts";
import type { NestBuffer } from "../../compiler/nest/nestMemory.ts";
import { fencedPieces } from "../../compiler/print/wasm/fences.ts";
import { printWasmModule } from "../../compiler/print/wasm/printWasm.ts";
import * as s from "./nestForms.ts";
import { engines, runNest } from "./wasmSupport.ts";

const lane = index(variable(laneName, 4));
const group = (count: number): Index => index(variable(workgroupName, count));

type Buffers = Record<string, NestBuffer>;

/** Runs the nest by the interpreter and as WebAssembly; `tolerance` 0 means the same bits. */
async function check(nest: LoopNest, make: () => Buffers, tolerance = 0): Promise<Buffers> {
  const [expected, actual] = [make(), make()];
  interpretNest(nest, expected);
  for (const engine of engines) {
    Object.assign(actual, make());
    await runNest(nest, actual, engine);
    for (const [name, array] of Object.entries(expected))
      array.forEach((wanted, i) => {
        const got = actual[name]?.[i] ?? NaN;
        if (!(Object.is(got, wanted) || Math.abs(got - wanted) <= tolerance * Math.max(1, Math.abs(wanted))))
          expect.fail(`${name}[${i}] is ${got}, should be ${wanted}`);
      });
  }
  return actual;
}

const four = (parts: Partial<LoopNest>): LoopNest => s.nest("four lanes", { lanes: 4, ...parts });

describe("loads and stores of four lanes", () => {
  const kinds = ["f32", "u32", "u8"] as const;
  const strides = [1, 2, 3, -1, -2, -5, 0];
  const make = { f32: (n: number) => s.values(n), u32: (n: number) => Uint32Array.from({ length: n }, (_, i) => i * i + 3_000_000_000), u8: (n: number) => Uint8Array.from({ length: n }, (_, i) => i * 37) }; // prettier-ignore

  it.each(kinds.flatMap((kind) => strides.map((stride) => [kind, stride] as const)))(
    "%s at stride %i",
    async (kind, stride) => {
      const length = 61;
      const start = stride < 0 ? length - 1 : 0;
      const places = Math.floor(length / (Math.max(1, Math.abs(stride)) * 4));
      const at = add(start, multiply(add(multiply(group(places), 4), lane), stride));
      const nest = four({
        bindings: [s.read("x", length, kind), s.readwrite("y", 4 * places)],
        workgroups: places,
        body: [s.store("y", add(multiply(group(places), 4), lane), s.load("x", at))],
      });
      await check(nest, () => ({ x: make[kind](length), y: new Float32Array(4 * places) }));
    },
  );

  it.each([1, 2, -1, -3])("stores at stride %i", async (stride) => {
    const start = stride < 0 ? 44 : 0;
    const at = add(start, multiply(add(multiply(group(3), 4), lane), stride));
    const nest = four({
      bindings: [s.readwrite("y", 45), s.readwrite("n", 45, "u32")],
      workgroups: 3,
      body: [s.store("y", at, s.asFloat(add(lane, multiply(group(3), 10)))), s.store("n", at, s.asFloat(add(lane, 7)))],
    });
    await check(nest, () => ({ y: new Float32Array(45).fill(-1), n: new Uint32Array(45).fill(9) }));
  });

  it("gathers and scatters what is not linear in the lane", async () => {
    const at = add(multiply(divide(add(lane, 1), 2), 5), remainder(multiply(lane, 3), 4));
    const from = element("order", add(lane, 2), 19);
    const nest = four({
      bindings: [s.read("x", 20), s.read("order", 8, "u32"), s.readwrite("y", 20), s.readwrite("z", 4)],
      body: [s.store("y", at, s.load("x", at)), s.store("z", lane, s.load("x", from))],
    });
    await check(nest, () => ({
      x: s.values(20),
      order: Uint32Array.of(1, 2, 19, 0, 7, 5, 3, 4),
      y: new Float32Array(20),
      z: new Float32Array(4),
    }));
  });

  it("reaches below the pointer that addresses share", async () => {
    const step = variable("step", 12);
    const near = (back: number): Index => subtract(index(step), back);
    const taps = [3, 2, 1, 0].map((back) =>
      s.select(s.inRange(near(back), 0, 11), s.load("x", clamp(near(back), 0, 11)), s.number(0)),
    );
    const masked = s.store("y", add(multiply(index(step), 4), lane, -8), s.number(5), s.inRange(index(step), 2, 11));
    const nest = four({
      bindings: [s.read("x", 12), s.readwrite("y", 48), s.readwrite("z", 48)],
      body: [
        s.loop(step, 12, [
          masked,
          s.store(
            "z",
            add(multiply(index(step), 4), lane),
            taps.reduce((a, b) => s.binary("add", a, b)),
          ),
        ]),
      ],
    });
    await check(nest, () => ({ x: s.values(12), y: new Float32Array(48), z: new Float32Array(48) }), 1e-6);
  });
});

describe("masks", () => {
  const wheres: readonly (readonly [string, Condition])[] = [
    ["some lanes", s.inRange(lane, 1, 2)],
    ["no lane", s.inRange(lane, 7, 9)],
    ["a bound that moves", s.inRange(add(multiply(group(4), 4), lane), 3, 9)],
    ["values", { kind: "compare", operator: "less", left: s.load("x", add(multiply(group(4), 4), lane)), right: s.number(0) }],
    ["workgroups", s.inRange(group(4), 1, 2)],
    ["workgroups or lanes", { kind: "or", conditions: [s.inRange(group(4), 1, 1), s.inRange(lane, 3, 3)] }],
    ["not all of it", { kind: "not", condition: { kind: "and", conditions: [s.inRange(group(4), 1, 2), s.inRange(lane, 0, 2)] } }],
    ["every second lane", s.inRange(remainder(add(multiply(group(4), 3), lane), 2), 1, 1)],
  ]; // prettier-ignore

  it.each(wheres)("%s", async (_, where) => {
    const at = add(multiply(group(4), 4), lane);
    const body: Statement[] = [
      s.accumulator("a", s.load("x", at)),
      s.store("y", at, s.number(1), where),
      s.store("strided", multiply(at, 3), s.reference("a"), where),
      s.store("selected", at, s.select(where, s.reference("a"), s.number(0))),
      s.store("other", at, s.select(where, s.number(0), s.reference("a"))),
      { kind: "if", condition: where, body: [s.assign("a", s.number(9)), s.store("inside", at, s.load("x", at))] },
      s.store("after", at, s.reference("a")),
    ];
    const names = ["y", "selected", "other", "inside", "after"];
    const bindings = [s.read("x", 16), s.readwrite("strided", 48), ...names.map((name) => s.readwrite(name, 16))];
    await check(four({ bindings, workgroups: 4, body }), () => ({
      x: s.values(16),
      strided: new Float32Array(48).fill(-3),
      ...Object.fromEntries(names.map((name) => [name, new Float32Array(16).fill(-2)])),
    }));
  });

  it("leaves alone what lanes far outside of their buffer would touch", async () => {
    const far = multiply(lane, 1 << 26);
    const body = [s.store("y", far, s.load("x", far), s.inRange(lane, 0, 0))];
    const nest = four({ bindings: [s.read("x", 1), s.readwrite("y", 1)], body });
    await check(nest, () => ({ x: Float32Array.of(3), y: new Float32Array(1) }));
  });
});

describe("reductions over lanes", () => {
  it.each(["add", "maximum"] as const)("%s, then used by each lane and once", async (operator) => {
    const at = add(multiply(group(2), 4), lane);
    const body: Statement[] = [
      s.accumulator("a", s.load("x", at)),
      s.accumulator("b", s.number(2)),
      { kind: "reduceLanes", operator, names: ["a", "b"] },
      s.store("each", at, s.binary("multiply", s.reference("a"), s.load("x", at))),
      s.store("one", group(2), s.binary("add", s.reference("a"), s.reference("b"))),
    ];
    const bindings = [s.read("x", 8), s.readwrite("each", 8), s.readwrite("one", 2)];
    const make = (): Buffers => ({ x: s.values(8), each: new Float32Array(8), one: new Float32Array(2) });
    await check(four({ bindings, workgroups: 2, body }), make, 1e-6);
    const single = s.nest("one lane", {
      bindings: [s.read("x", 1), s.readwrite("one", 1)],
      lanes: 1,
      body: [
        s.accumulator("a", s.load("x", constant(0))),
        { kind: "reduceLanes", operator, names: ["a"] },
        s.store("one", constant(0), s.reference("a")),
      ],
    });
    await check(single, () => ({ x: s.values(1), one: new Float32Array(1) }));
  });
});

describe("random numbers", () => {
  it("are the same for lanes and for one", async () => {
    const at = add(multiply(group(3), 4), lane);
    const body = [
      s.store("each", at, { kind: "random", counters: [at, constant(7), group(3)] }),
      s.store("one", group(3), { kind: "random", counters: [group(3), constant(0), constant(123456789)] }),
    ];
    const nest = four({ bindings: [s.readwrite("each", 12), s.readwrite("one", 3)], workgroups: 3, body });
    const { each } = await check(nest, () => ({ each: new Float32Array(12), one: new Float32Array(3) }));
    expect(new Set(each).size).toBe(12);
  });
});

/** `count` steps of eight accumulators: each step loads two weights and four vectors. */
function unrolled(count: number): { nest: LoopNest; body: Statement[] } {
  const names = Array.from({ length: 8 }, (_, i) => `sum${i}`);
  const body: Statement[] = [];
  for (let t = 0; t < count; t++) {
    for (const c of [0, 1]) body.push(s.letFloat(`w${t}_${c}`, s.load("w", constant(2 * t + c))));
    for (let v = 0; v < 4; v++) {
      body.push(s.letFloat(`x${t}_${v}`, s.load("x", add(lane, t + 4 * v))));
      for (const c of [0, 1]) {
        const name = `sum${4 * c + v}`;
        const product = s.multiplyAdd(s.reference(`x${t}_${v}`), s.reference(`w${t}_${c}`), s.reference(name));
        body.push(s.assign(name, product));
      }
    }
  }
  const nest = four({
    bindings: [s.read("w", 2 * count), s.read("x", 16 + count), s.readwrite("y", 32)],
    body: [
      ...names.map((name) => s.accumulator(name, s.number(0))),
      ...body,
      ...names.map((name, i) => s.store("y", add(lane, 4 * i), s.reference(name))),
    ],
  });
  return { nest, body };
}

describe("fences", () => {
  it("stand between the steps of an unrolled sum", () => {
    const { body } = unrolled(9);
    const steps = Array.from({ length: 8 }, (_, t) => ({ start: 14 * t, end: 14 * (t + 1) }));
    expect(fencedPieces(body, true)).toEqual(steps);
  });

  it("are not needed where everything fits the registers", () => {
    expect(fencedPieces(unrolled(1).body, true)).toEqual([]);
  });

  it("change no result", async () => {
    const { nest } = unrolled(9);
    await check(nest, () => ({ w: s.values(18), x: s.values(25, 3), y: new Float32Array(32) }), 1e-6);
  });
});

/** Stores `count` sums of values, each of one from the start and one from the end: all of them wait for their partner. */
function crossed(count: number, factor: number): LoopNest {
  const names = Array.from({ length: count }, (_, i) => `x${i}`);
  const at = (i: number): Index => add(multiply(lane, factor), i);
  const sums = names.map((name, i) => {
    const square = s.binary("multiply", s.reference(name), s.reference(name));
    return s.letFloat(`sum${i}`, s.binary("add", square, s.reference(names[count - 1 - i] ?? "")));
  });
  return four({
    bindings: [s.read("x", 3 * factor + count), s.readwrite("y", 4 * count)],
    body: [
      ...names.map((name, i) => s.letFloat(name, s.binary("multiply", s.load("x", at(i)), s.number(3)))),
      ...sums,
      ...names.map((_, i) => s.store("y", add(multiply(lane, count), count - 1 - i), s.reference(`sum${i}`))),
    ],
  });
}

describe("pieces of straight-line code", () => {
  it.each([
    ["loads side by side", 40, 1],
    ["loads across the lanes", 40, 64],
    ["more than the places for what waits", 300, 300],
  ])("change no result: %s", async (_, count, factor) => {
    const nest = crossed(count, factor);
    await check(nest, () => ({ x: s.values(3 * factor + count), y: new Float32Array(4 * count) }), 1e-6);
  });

  type ValueOf = (far: Expression, near: Expression, isFirst: Condition) => [Expression, Condition | undefined];
  it.each<[string, ValueOf]>([
    ["a store's test", (far, _, isFirst) => [far, isFirst]],
    ["a test", (far, near, isFirst) => [s.select(isFirst, far, near), undefined]],
    [
      "a test of a test",
      (far, near, isFirst) => [s.select(isFirst, s.select(greater(far, near), far, near), near), undefined],
    ],
  ])("load nothing far outside of a buffer that %s keeps from being read", async (_, valueOf) => {
    const count = 24;
    const isFirst = s.inRange(group(2), 0, 0);
    const stores = Array.from({ length: count }, (_unused, i) => {
      const at = add(multiply(lane, count), i);
      const far = s.load("x", add(at, multiply(group(2), 1 << 28)));
      const [value, where] = valueOf(far, s.load("x", at), isFirst);
      return s.store("y", add(at, multiply(group(2), 4 * count)), value, where);
    });
    const nest = four({
      bindings: [s.read("x", 4 * count), s.readwrite("y", 8 * count)],
      workgroups: 2,
      body: stores,
    });
    await check(nest, () => ({ x: s.values(4 * count), y: new Float32Array(8 * count) }));
  });
});

const greater = (left: Expression, right: Expression): Condition => {
  return { kind: "compare", operator: "greater", left, right };
};

describe("the module", () => {
  it("refuses lanes that WebAssembly does not have", () => {
    expect(() => printWasmModule([s.nest("eight", { lanes: 8 })], { relaxedSimd: false })).toThrow("1 or 4 lanes");
  });

  it("says how much scratch memory the largest kernel needs, with slack around each array", () => {
    const used = (name: string): Statement => s.store(name, constant(0), s.number(1));
    const scratch = (lengths: readonly number[], body: (names: readonly string[]) => Statement[]): LoopNest => {
      const arrays = lengths.map((length, i) => ({ name: `s${i}`, length }));
      return four({ scratch: arrays, body: body(arrays.map(({ name }) => name)) });
    };
    const together = (names: readonly string[]): Statement[] => [s.loop(variable("i", 2), 2, names.map(used))];
    const bytes = (nests: readonly LoopNest[]): number => printWasmModule(nests, { relaxedSimd: false }).scratchBytes;
    expect(bytes([four({})])).toBe(0);
    expect(bytes([scratch([16, 1], together), scratch([2], together)])).toBe(64 + 64 + 64 + 64 + 64);
    // Arrays that are not used at a time share their memory; one that is not used has none.
    expect(bytes([scratch([16, 1], (names) => names.map(used))])).toBe(64 + 64 + 64);
    expect(bytes([scratch([16], () => [])])).toBe(0);
  });
});
