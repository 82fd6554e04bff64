/**
 * Hand-written loop nests, one for each thing that a nest can say, with inputs. The interpreter's results for them are
 * checked against plain TypeScript, and a device's results against the interpreter's.
 */
import {
  add,
  clamp,
  constant,
  divide,
  element,
  index,
  multiply,
  remainder,
  subtract,
  variable,
} from "../../compiler/nest/integer.ts";
import type { BinaryOperator, Condition, LoopNest, Statement, UnaryOperator } from "../../compiler/nest/loopNest.ts";
import { laneName, subgroupLaneName, workgroupName } from "../../compiler/nest/loopNest.ts";
import type { NestBuffer } from "../../compiler/nest/nestMemory.ts";
import {
  accumulator,
  asFloat,
  assign,
  binary,
  inRange,
  letFloat,
  letIndex,
  load,
  loop,
  multiplyAdd,
  nest,
  number,
  read,
  readwrite,
  reference,
  select,
  store,
  unary,
  values,
} from "./nestForms.ts";

export interface NestSample {
  readonly nest: LoopNest;
  /** New arrays at each call. */
  readonly buffers: () => Record<string, NestBuffer>;
  /** Allowed difference, relative to 1 and to the value. */
  readonly tolerance: number;
  /** The nest was written for this subgroup size. */
  readonly subgroupSize?: number;
}

const lanes = (count: number) => index(variable(laneName, count));
const groups = (count: number) => index(variable(workgroupName, count));

/** 100 elements in two workgroups of 64: the last lanes are masked. */
function guarded(): NestSample {
  const item = variable("item", 128);
  const at = clamp(index(item), 0, 99);
  return {
    nest: nest("guarded: y = 2x + 1", {
      header: ["x [100], y [100]"],
      bindings: [read("x", 100), readwrite("y", 100)],
      workgroups: 2,
      lanes: 64,
      body: [
        letIndex(item, add(multiply(groups(2), 64), lanes(64))),
        letFloat("value", multiplyAdd(load("x", at), number(2), number(1))),
        store("y", index(item), reference("value"), inRange(index(item), 0, 99)),
      ],
    }),
    buffers: () => ({ x: values(100), y: new Float32Array(100) }),
    tolerance: 1e-6,
  };
}

/** Each lane takes a quad of x, reversed, and adds a bias by quads: all of it can be vec4. */
function quads(): NestSample {
  const base = multiply(add(multiply(groups(3), 16), lanes(16)), 4);
  return {
    nest: nest("quads reversed", {
      bindings: [read("x", 192), readwrite("y", 192), read("bias", 4)],
      workgroups: 3,
      lanes: 16,
      body: [
        ...[0, 1, 2, 3].map((j) => letFloat(`value${j}`, load("x", add(base, 3 - j)))),
        ...[0, 1, 2, 3].map((j) =>
          store("y", add(base, j), binary("add", reference(`value${j}`), load("bias", constant(j)))),
        ),
      ],
    }),
    buffers: () => ({ x: values(192), y: new Float32Array(192), bias: values(4, 3) }),
    tolerance: 0,
  };
}

/** Rows of 6 in rows padded to 8: one whole quad and half a quad are stored, the rest keeps its values. */
function paddedRows(): NestSample {
  const row = multiply(lanes(8), 8);
  return {
    nest: nest("padded rows", {
      bindings: [read("x", 64), readwrite("y", 64)],
      body: [0, 1, 2, 3, 4, 5].map((j) => store("y", add(row, j), unary("negate", load("x", add(row, j))))),
    }),
    buffers: () => ({ x: values(64), y: values(64, 5) }),
    tolerance: 0,
  };
}

/** A 3x3 window over a 7x7 map with zero padding; one lane an output. */
function window(): NestSample {
  const [y, x, ky, kx] = [variable("y", 7), variable("x", 7), variable("ky", 3), variable("kx", 3)];
  const row = add(index(y), index(ky), -1);
  const column = add(index(x), index(kx), -1);
  const at = add(multiply(clamp(row, 0, 6), 7), clamp(column, 0, 6));
  const inside: Condition = { kind: "and", conditions: [inRange(row, 0, 6), inRange(column, 0, 6)] };
  return {
    nest: nest("conv 3x3 (line 3): forward", {
      header: ["map [7, 7], filter [3, 3], zero padding 1"],
      bindings: [read("map", 49), read("filter", 9), readwrite("out", 49)],
      lanes: 49,
      body: [
        letIndex(y, divide(lanes(49), 7)),
        letIndex(x, remainder(lanes(49), 7)),
        accumulator("sum", number(0)),
        loop(ky, 3, [
          loop(kx, 3, [
            letFloat("pixel", select(inside, load("map", at), number(0))),
            assign(
              "sum",
              multiplyAdd(reference("pixel"), load("filter", add(multiply(index(ky), 3), index(kx))), reference("sum")),
            ),
          ]),
        ]),
        store("out", add(multiply(index(y), 7), index(x)), reference("sum")),
      ],
    }),
    buffers: () => ({ map: values(49), filter: values(9, 2), out: new Float32Array(49) }),
    tolerance: 1e-6,
  };
}

/** `count` sums and a maximum over the lanes of each workgroup, stored by the first lane. */
function reduction(lanesInGroup: number, count: number): NestSample {
  const names = Array.from({ length: count }, (_, j) => `sum${j}`);
  const item = add(multiply(groups(2), lanesInGroup), lanes(lanesInGroup));
  return {
    nest: nest(`${count} sums over ${lanesInGroup} lanes`, {
      bindings: [read("x", lanesInGroup * 2), readwrite("sums", count * 2), readwrite("largest", 2)],
      workgroups: 2,
      lanes: lanesInGroup,
      body: [
        letFloat("value", load("x", item)),
        ...names.map((name, j) => accumulator(name, binary("multiply", reference("value"), number(j + 1)))),
        accumulator("most", reference("value")),
        { kind: "reduceLanes", operator: "add", names },
        { kind: "reduceLanes", operator: "maximum", names: ["most"] },
        ...names.map((name, j) =>
          store("sums", add(multiply(groups(2), count), j), reference(name), inRange(lanes(lanesInGroup), 0, 0)),
        ),
        store("largest", groups(2), reference("most"), inRange(lanes(lanesInGroup), 0, 0)),
      ],
    }),
    buffers: () => ({
      x: values(lanesInGroup * 2),
      sums: new Float32Array(count * 2),
      largest: new Float32Array(2),
    }),
    tolerance: 1e-5,
  };
}

/** 8x8 tiles of a 16x16 matrix are transposed through scratch memory. */
function transposed(): NestSample {
  const [row, column] = [divide(groups(4), 2), remainder(groups(4), 2)];
  const [y, x] = [divide(lanes(64), 8), remainder(lanes(64), 8)];
  return {
    nest: nest("transpose", {
      bindings: [read("matrix", 256), readwrite("out", 256)],
      scratch: [{ name: "tile", length: 64 }],
      workgroups: 4,
      lanes: 64,
      body: [
        store("tile", lanes(64), load("matrix", add(multiply(row, 128), multiply(y, 16), multiply(column, 8), x))),
        { kind: "barrier" },
        store(
          "out",
          add(multiply(column, 128), multiply(y, 16), multiply(row, 8), x),
          load("tile", add(multiply(x, 8), y)),
        ),
      ],
    }),
    buffers: () => ({ matrix: values(256), out: new Float32Array(256) }),
    tolerance: 0,
  };
}

/** Five pictures of 12 bytes are taken in the order of `order` and brought to -1..1. */
function bytes(): NestSample {
  const picture = element("order", lanes(5), 9);
  const at = variable("at", 3);
  return {
    nest: nest("gather bytes", {
      bindings: [read("order", 5, "u32"), read("pictures", 120, "u8"), readwrite("out", 60), readwrite("last", 5)],
      lanes: 5,
      body: [
        loop(
          at,
          3,
          [0, 1, 2, 3].map((j) => {
            const byte = load("pictures", add(multiply(picture, 12), multiply(index(at), 4), j));
            const value = binary("subtract", binary("divide", byte, number(127.5)), number(1));
            return store("out", add(multiply(lanes(5), 12), multiply(index(at), 4), j), value);
          }),
        ),
        store("last", lanes(5), load("pictures", add(multiply(picture, 11), 3))),
      ],
    }),
    buffers: () => ({
      order: Uint32Array.of(3, 9, 0, 7, 3),
      pictures: Uint8Array.from({ length: 120 }, (_, i) => (i * 37) % 256),
      out: new Float32Array(60),
      last: new Float32Array(5),
    }),
    tolerance: 1e-6,
  };
}

/** Random numbers, and a counter kept in a u32 buffer. */
function randomness(): NestSample {
  const step = element("step", constant(0), 1000);
  return {
    nest: nest("random numbers", {
      bindings: [read("step", 1, "u32"), readwrite("out", 64), readwrite("next", 1, "u32")],
      lanes: 64,
      body: [
        store("out", lanes(64), { kind: "random", counters: [lanes(64), step, constant(42)] }),
        store("next", constant(0), binary("add", asFloat(step), number(1)), inRange(lanes(64), 0, 0)),
      ],
    }),
    buffers: () => ({ step: Uint32Array.of(17), out: new Float32Array(64), next: new Uint32Array(1) }),
    tolerance: 0,
  };
}

/** A 4x8 matrix times 8 columns of 3: weights are loaded once by the lanes of a subgroup and handed round. */
function broadcast(): NestSample {
  const inner = variable("inner", 4);
  const outputs = Array.from({ length: 8 }, (_, j) => j);
  return {
    nest: nest("product by broadcast", {
      bindings: [read("x", 64), read("weights", 32), readwrite("out", 128)],
      lanes: 16,
      body: [
        ...outputs.map((j) => accumulator(`sum${j}`, number(0))),
        loop(inner, 4, [
          letFloat("input", load("x", add(multiply(lanes(16), 4), index(inner)))),
          letFloat("weight", load("weights", add(multiply(index(inner), 8), index(variable(subgroupLaneName, 8))))),
          ...outputs.map((j) =>
            assign(
              `sum${j}`,
              multiplyAdd(
                reference("input"),
                { kind: "broadcast", name: "weight", subgroupLane: j },
                reference(`sum${j}`),
              ),
            ),
          ),
        ]),
        ...outputs.map((j) => store("out", add(multiply(lanes(16), 8), j), reference(`sum${j}`))),
      ],
    }),
    buffers: () => ({ x: values(64), weights: values(32, 2), out: new Float32Array(128) }),
    tolerance: 1e-6,
    subgroupSize: 8,
  };
}

const unaryOperators: readonly UnaryOperator[] = [
  "negate", "absolute", "exponential", "logarithm", "squareRoot", "inverseSquareRoot", "reciprocal", "tanh", "floor",
  "ceil", "errorFunction",
]; // prettier-ignore
const binaryOperators: readonly BinaryOperator[] = [
  "add", "subtract", "multiply", "divide", "minimum", "maximum", "power",
]; // prettier-ignore

/** Operators on 64 values: `a` from 1/16 to 4, `b` between -1 and 1. */
function operators(
  name: string,
  unaries: readonly UnaryOperator[],
  binaries: readonly BinaryOperator[],
  tolerance: number,
): NestSample {
  const outputs = unaries.length + binaries.length;
  const at = (j: number) => add(lanes(64), 64 * j);
  const signed = binary("multiply", reference("a"), reference("b"));
  return {
    nest: nest(name, {
      bindings: [read("x", 64), read("z", 64), readwrite("out", 64 * outputs)],
      lanes: 64,
      body: [
        letFloat("a", load("x", lanes(64))),
        letFloat("b", load("z", lanes(64))),
        ...unaries.map((operator, j) => {
          const positive = /logarithm|quareRoot/.test(operator);
          return store("out", at(j), unary(operator, positive ? reference("a") : signed));
        }),
        ...binaries.map((operator, j) =>
          store("out", at(unaries.length + j), binary(operator, reference("a"), reference("b"))),
        ),
      ],
    }),
    buffers: () => ({
      x: Float32Array.from({ length: 64 }, (_, i) => (i + 1) / 16),
      z: values(64),
      out: new Float32Array(64 * outputs),
    }),
    tolerance,
  };
}

/** The maximum starts at minus infinity, and what is not a number is noticed. */
function specialValues(): NestSample {
  const step = variable("step", 4);
  const isNotANumber: Condition = {
    kind: "compare",
    operator: "notEqual",
    left: reference("value"),
    right: reference("value"),
  };
  return {
    nest: nest("special values", {
      bindings: [read("x", 32), readwrite("largest", 8), readwrite("strange", 8)],
      body: [
        accumulator("most", number(-Infinity)),
        accumulator("bad", number(0)),
        loop(step, 4, [
          letFloat("value", load("x", add(multiply(lanes(8), 4), index(step)))),
          assign("bad", select(isNotANumber, number(1), reference("bad"))),
          assign(
            "most",
            select(isNotANumber, reference("most"), binary("maximum", reference("most"), reference("value"))),
          ),
        ]),
        store("largest", lanes(8), reference("most")),
        store("strange", lanes(8), reference("bad")),
      ],
    }),
    buffers: () => {
      const x = values(32).map((value) => value - 2);
      x[5] = NaN;
      x.fill(NaN, 8, 12);
      x[13] = Infinity;
      x.fill(-Infinity, 16, 20);
      return { x, largest: new Float32Array(8), strange: new Float32Array(8) };
    },
    tolerance: 0,
  };
}

/** Momentum in place, four elements a lane, each element's loads and stores together. */
function inPlace(): NestSample {
  const at = (j: number) => add(multiply(lanes(16), 4), j);
  return {
    nest: nest("momentum", {
      bindings: [readwrite("weight", 64), readwrite("velocity", 64), read("gradient", 64)],
      lanes: 16,
      body: [0, 1, 2, 3].flatMap((j) => [
        letFloat(`velocity${j}`, multiplyAdd(load("velocity", at(j)), number(0.9), load("gradient", at(j)))),
        store("velocity", at(j), reference(`velocity${j}`)),
        store("weight", at(j), multiplyAdd(reference(`velocity${j}`), number(-0.1), load("weight", at(j)))),
      ]),
    }),
    buffers: () => ({ weight: values(64), velocity: values(64, 2), gradient: values(64, 3) }),
    tolerance: 1e-6,
  };
}

/** A lane shifts its own quad by one, through memory: each store is read by the next statement. */
function chained(): NestSample {
  const at = (j: number) => add(multiply(lanes(8), 4), j);
  return {
    nest: nest("chained", {
      bindings: [readwrite("x", 32)],
      body: [1, 2, 3].map((j) => store("x", at(j), binary("add", load("x", at(j - 1)), load("x", at(j))))),
    }),
    buffers: () => ({ x: values(32) }),
    tolerance: 1e-6,
  };
}

/** Quotients and remainders of numbers below zero, a mask that depends on the workgroup, and 70,000 workgroups. */
function manyWorkgroups(): NestSample {
  const shifted = subtract(multiply(groups(70_000), 2), 5);
  const body: Statement[] = [
    store("out", multiply(groups(70_000), 3), asFloat(divide(shifted, 7))),
    store("out", add(multiply(groups(70_000), 3), 1), asFloat(remainder(shifted, 7))),
    {
      kind: "if",
      condition: inRange(remainder(groups(70_000), 4), 1, 2),
      body: [store("out", add(multiply(groups(70_000), 3), 2), asFloat(clamp(shifted, -3, 60_000)))],
    },
  ];
  return {
    nest: nest("many workgroups", { bindings: [readwrite("out", 210_000)], workgroups: 70_000, lanes: 1, body }),
    buffers: () => ({ out: new Float32Array(210_000) }),
    tolerance: 0,
  };
}

export const samples: Readonly<Record<string, () => NestSample>> = {
  guarded,
  quads,
  paddedRows,
  window,
  oneSum: () => reduction(8, 1),
  sumsOver64: () => reduction(64, 3),
  sumsOver50: () => reduction(50, 6),
  transposed,
  bytes,
  randomness,
  broadcast,
  operators: () => operators("operators", unaryOperators, binaryOperators, 4e-6),
  // WGSL promises no more than 2⁻¹¹ for these, and SwiftShader gives little more.
  trigonometry: () => operators("sine and cosine", ["sine", "cosine"], [], 2 ** -11),
  specialValues,
  inPlace,
  chained,
  manyWorkgroups,
};
