/** Nests that call others: interpreted, in WebAssembly, and what is not allowed. */
import { describe, expect, it, test } from "vitest";
import { add, index, multiply, variable } from "../../compiler/nest/integer.ts";
import { interpretNest } from "../../compiler/nest/interpretNest.ts";
import { laneName, type LoopNest, type Statement, workgroupName } from "../../compiler/nest/loopNest.ts";
import { printNest } from "../../compiler/nest/printNest.ts";
import { verifyNest } from "../../compiler/nest/verifyNest.ts";
import { printWgsl } from "../../compiler/print/wgsl/printWgsl.ts";
import { binary, load } from "./nestForms.ts";
import { runNest } from "./wasmSupport.ts";

const workgroups = 3;
const lane = index(variable(laneName, 4));
const group = index(variable(workgroupName, workgroups));
const own = add(multiply(group, 4), lane);

/** `to = 2·(from + from)` by way of scratch of its own; `to` is the chunk of this workgroup. */
const fourfold: LoopNest = {
  name: "fourfold",
  header: [],
  workgroups,
  lanes: 4,
  bindings: [
    { name: "to", type: "f32", access: "readwrite", length: 4 },
    { name: "from", type: "f32", access: "read", length: 12 },
  ],
  scratch: [{ name: "twice", length: 4 }],
  body: [
    { kind: "store", buffer: "twice", index: lane, value: binary("add", load("from", own), load("from", own)) },
    { kind: "barrier" },
    {
      kind: "store",
      buffer: "to",
      index: lane,
      value: binary("add", load("twice", lane), load("twice", lane)),
    },
  ],
};

const call = (...buffers: string[]): Statement => ({ kind: "call", nest: fourfold, buffers });

/** `out = 4·x + 4·y + kept`, where `kept` is scratch written before the calls. */
const caller: LoopNest = {
  name: "caller",
  header: [],
  workgroups,
  lanes: 4,
  bindings: [
    { name: "out", type: "f32", access: "readwrite", length: 12 },
    { name: "x", type: "f32", access: "read", length: 12 },
    { name: "y", type: "f32", access: "read", length: 16 },
  ],
  scratch: [
    { name: "kept", length: 4 },
    { name: "first", length: 4 },
    { name: "second", length: 4 },
  ],
  body: [
    { kind: "store", buffer: "kept", index: lane, value: { kind: "index", index: own } },
    call("first", "x"),
    { kind: "barrier" },
    call("second", "y"),
    { kind: "barrier" },
    {
      kind: "store",
      buffer: "out",
      index: own,
      value: binary("add", binary("add", load("first", lane), load("second", lane)), load("kept", lane)),
    },
  ],
};

const buffers = () => ({
  out: new Float32Array(12),
  x: Float32Array.from({ length: 12 }, (_, i) => i + 1),
  y: Float32Array.from({ length: 16 }, (_, i) => 100 - i),
});
const expected = Array.from({ length: 12 }, (_, i) => 4 * (i + 1) + 4 * (100 - i) + i);

describe("a nest that another calls twice", () => {
  it("computes on what it is given each time", () => {
    const given = buffers();
    interpretNest(caller, given);
    expect([...given.out]).toEqual(expected);
  });

  it.each([true, false])("is a function of the module (relaxed SIMD: %s)", async (relaxedSimd) => {
    const given = buffers();
    await runNest(caller, given, { relaxedSimd });
    expect([...given.out]).toEqual(expected);
  });

  it("is printed below what its buffers are", () => {
    expect(printNest(caller)).toContain(
      "call with to = second, from = y\n    scratch twice: f32[4]\n    twice[lane] =",
    );
  });

  it("does not exist in WGSL", () => {
    expect(() => printWgsl(caller, { subgroups: false, subgroupSize: 0, keepLoops: false })).toThrow("calls no other");
  });
});

const changed = (statement: Statement): LoopNest => ({ ...caller, body: [statement] });
const other = (change: Partial<LoopNest>): Statement => ({
  kind: "call",
  nest: { ...fourfold, ...change },
  buffers: ["first", "x"],
});

test.each([
  ["too few buffers", changed(call("first")), /fourfold is given 1 buffers/],
  ["a buffer that is not there", changed(call("first", "z")), /no buffer z/],
  ["a buffer that is too short", changed(call("first", "second")), /second is no from of fourfold/],
  ["what may only be read", changed(call("x", "y")), /x is written by fourfold/],
  ["other workgroups", changed(other({ workgroups: 2 })), /other lanes or workgroups/],
  [
    "a mistake in the other",
    changed(other({ body: [{ kind: "assign", name: "a", value: load("from", own) }] })),
    /fourfold: a is not/,
  ],
  [
    "a call in a loop",
    changed({ kind: "loop", variable: variable("i", 2), count: 2, body: [call("first", "x")] }),
    /in no loop/,
  ],
])("%s is refused", (_, nest, rule) => {
  expect(() => verifyNest(nest)).toThrow(rule);
});
