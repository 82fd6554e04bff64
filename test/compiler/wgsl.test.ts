/** The WGSL printer's text: whole kernels, and the choices that it makes. What the kernels compute is tested on devices. */
import { describe, expect, it } from "vitest";
import { add, clamp, element, index, multiply, remainder, variable } from "../../compiler/nest/integer.ts";
import type { LoopNest, Statement } from "../../compiler/nest/loopNest.ts";
import { laneName, subgroupLaneName, workgroupName } from "../../compiler/nest/loopNest.ts";
import { printWgsl, workgroupGrid } from "../../compiler/print/wgsl/printWgsl.ts";
import type { WgslOptions } from "../../compiler/print/wgsl/state.ts";
import * as s from "./nestForms.ts";
import { samples } from "./nestSamples.ts";

const none: WgslOptions = { subgroups: false, subgroupSize: 0 };
const eight = { subgroups: true, subgroupSize: 8 };

function sample(name: string, options = none): string {
  const found = samples[name]?.();
  if (!found) throw new Error(`no sample ${name}`);
  return printWgsl(found.nest, options).source;
}

/** The statements of `main`, without indentation and without what names the lane. */
function body(nest: LoopNest, options = none): string[] {
  const lines = printWgsl(nest, options).source.trimEnd().split("\n");
  const start = lines.findLastIndex((line) => line.endsWith(") {") && !line.startsWith(" "));
  const statements = lines.slice(start + 1, -1).map((line) => line.slice(2));
  return statements.filter((line) => line !== "let lane = localId.x;");
}

describe("printWgsl", () => {
  it("prints straight-line code by quads", () => {
    expect(sample("quads")).toBe(`// quads reversed
// 3 workgroups of 16 lanes

@group(0) @binding(0) var<storage, read_write> x: array<vec4f>; // read: f32[192]
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>; // read and written: f32[192]
@group(0) @binding(2) var<storage, read_write> bias: array<vec4f>; // read: f32[4]

@compute @workgroup_size(16)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(local_invocation_id) localId: vec3u,
) {
  let workgroup = workgroupId.x;
  let lane = localId.x;
  let at0 = 16u * workgroup + lane;
  let x0 = x[at0];
  let bias0 = bias[0u];
  let value0 = x0.w;
  let value1 = x0.z;
  let value2 = x0.y;
  let value3 = x0.x;
  y[at0] = vec4f(value0 + bias0.x, value1 + bias0.y, value2 + bias0.z, value3 + bias0.w);
}
`);
  });

  it("prints loops, with integers computed where their variables are known", () => {
    expect(sample("window")).toBe(`// conv 3x3 (line 3): forward
// map [7, 7], filter [3, 3], zero padding 1
// 1 workgroup of 49 lanes
// Integers are unsigned: what is below zero wraps to a large number.

@group(0) @binding(0) var<storage, read_write> map: array<f32>; // read: f32[49]
@group(0) @binding(1) var<storage, read_write> filter_: array<f32>; // read: f32[9]
@group(0) @binding(2) var<storage, read_write> out: array<f32>; // read and written: f32[49]

@compute @workgroup_size(49)
fn main(
  @builtin(local_invocation_id) localId: vec3u,
) {
  let lane = localId.x;
  let y = lane / 7u;
  let x = lane % 7u;
  var sum: f32 = 0.0;
  for (var ky = 0u; ky < 3u; ky++) {
    let at0 = y + ky;
    let i0 = u32(clamp(i32(at0 - 1u), 0, 6));
    let at1 = 7u * i0;
    let at3 = 3u * ky;
    for (var kx = 0u; kx < 3u; kx++) {
      let at2 = x + kx;
      let i1 = u32(clamp(i32(at2 - 1u), 0, 6));
      let pixel = select(0.0, map[at1 + i1], at0 - 1u < 7u && at2 - 1u < 7u);
      sum = fma(pixel, filter_[at3 + kx], sum);
    }
  }
  out[7u * y + x] = sum;
}
`);
  });

  it("prints bytes by words", () => {
    const lines = sample("bytes").split("\n");
    expect(lines).toContain("    let pictures0 = pictures[at0 + at];");
    expect(lines).toContain("      f32((pictures0 >> 8u) & 255u) / 127.5 - 1.0,");
    expect(lines).toContain("  last[lane] = f32((pictures[(at2 + 3u) >> 2u] >> (((at2 + 3u) & 3u) << 3u)) & 255u);");
  });

  it("spreads more than 65,535 workgroups over two dimensions", () => {
    expect(workgroupGrid(65_535)).toEqual([65_535, 1]);
    expect(workgroupGrid(70_000)).toEqual([65_535, 2]);
    expect(sample("manyWorkgroups")).toContain(`  let workgroup = workgroupId.x + 65535u * workgroupId.y;
  if (workgroup >= 70000u) {
    return;
  }
`);
  });

  it("asks for subgroups only where a kernel uses them", () => {
    const find = (name: string) => samples[name]?.().nest ?? s.nest("none", {});
    expect(printWgsl(find("window"), eight).features).toEqual([]);
    expect(printWgsl(find("oneSum"), none).features).toEqual([]);
    const { source, features } = printWgsl(find("oneSum"), eight);
    expect(features).toEqual(["subgroups"]);
    expect(source).toContain("\nenable subgroups;\n");
    expect(source).toContain("  sum0 = subgroupAdd(sum0);\n  most = subgroupMax(most);\n");
    expect(sample("broadcast", eight)).toContain("sum7 = fma(input, subgroupBroadcast(weight, 7u), sum7);");
  });

  it("names another lane's value that a block needs twice", () => {
    const broadcast = (subgroupLane: number) => ({ kind: "broadcast", name: "a", subgroupLane }) as const;
    const statements = [
      s.letFloat("a", s.load("x", lane)),
      s.store("out", lane, s.binary("add", broadcast(3), s.binary("multiply", broadcast(3), broadcast(5)))),
    ];
    expect(body(kernel(statements), eight)).toEqual([
      "let a = x[lane];",
      "let a0 = subgroupBroadcast(a, 3u);",
      "out[lane] = a0 + a0 * subgroupBroadcast(a, 5u);",
    ]);
  });

  it("refuses what needs subgroups where their size is not known", () => {
    expect(() => sample("broadcast")).toThrow(/product by broadcast: no lane 0 to broadcast weight from/);
    expect(() => sample("broadcast", { subgroups: true, subgroupSize: 4 })).toThrow(/no lane 4 to broadcast/);
    const counts = s.nest("counts", {
      bindings: [s.readwrite("out", 8)],
      body: [s.store("out", lane, s.asFloat(index(variable(subgroupLaneName, 8))))],
    });
    expect(() => printWgsl(counts, none)).toThrow(/counts: the nest counts lanes of subgroups/);
  });

  it("reduces several variables as a vector, four at a time", () => {
    const text = sample("sumsOver50");
    expect(text).toContain("let reduced0 = sumOverLanes4(vec4f(sum0, sum1, sum2, sum3), lane);");
    expect(text).toContain("let reduced1 = sumOverLanes4(vec4f(sum4, sum5, sum4, sum4), lane);");
    expect(text).toContain("most = maximumOverLanes(most, lane);");
  });
});

const lane = index(variable(laneName, 8));

function kernel(statements: Statement[], parts: Partial<LoopNest> = {}): LoopNest {
  return s.nest("kernel", { bindings: [s.read("x", 64), s.readwrite("out", 64)], body: statements, ...parts });
}

describe("memory", () => {
  const at = (j: number) => add(multiply(lane, 4), j);

  it("loads one component of a quad alone", () => {
    expect(body(kernel([s.store("out", at(1), s.load("x", at(2)))]))).toEqual([
      "let at0 = 4u * lane;",
      "out[at0 + 1u] = x[at0 + 2u];",
    ]);
  });

  it("loads what nothing changes before the arithmetic, but not before an inner block or a barrier", () => {
    const quad = (name: string, from: number) =>
      s.letFloat(name, s.binary("add", s.load("x", at(from)), s.load("x", at(from + 1))));
    const counter = variable("i", 2);
    const statements = [
      quad("a", 0),
      quad("b", 4),
      s.loop(counter, 2, [s.store("out", at(0), s.reference("a"))]),
      s.accumulator("c", s.reference("b")),
      quad("d", 8),
    ];
    expect(body(kernel(statements))).toEqual([
      "let x0 = x[lane];",
      "let x1 = x[lane + 1u];",
      "let at0 = 4u * lane;",
      "let a = x0.x + x0.y;",
      "let b = x1.x + x1.y;",
      "for (var i = 0u; i < 2u; i++) {",
      "  out[at0] = a;",
      "}",
      "let x2 = x[lane + 2u];",
      "var c = b;",
      "let d = x2.x + x2.y;",
    ]);
  });

  it("takes memory for constant between barriers where nothing stores to it", () => {
    const quad = (name: string, from: number) =>
      s.letFloat(name, s.binary("add", s.load("out", at(from)), s.load("out", at(from + 1))));
    const written = { bindings: [s.read("x", 64), s.readwrite("out", 128), s.readwrite("other", 64)] };
    const stages = (again: string) => [
      s.store("out", at(0), s.number(1)),
      { kind: "barrier" } as const,
      quad("a", 4),
      s.store(again, at(0), s.reference("a")),
      quad("b", 8),
      s.store(again, at(1), s.reference("b")),
    ];
    const placeOf = (lines: readonly string[], start: string): number =>
      lines.findIndex((line) => line.startsWith(start));
    const apart = body(kernel(stages("other"), written));
    // Both loads come first, but not before the barrier.
    expect(placeOf(apart, "let out0 = out[lane + 1u];")).toBeGreaterThan(placeOf(apart, "workgroupBarrier();"));
    expect(placeOf(apart, "let out1 = out[lane + 2u];")).toBeGreaterThan(placeOf(apart, "workgroupBarrier();"));
    expect(placeOf(apart, "let out1 = out[lane + 2u];")).toBeLessThan(placeOf(apart, "let a = "));
    const same = body(kernel(stages("out"), written));
    expect(placeOf(same, "let out1 = out[lane + 2u];")).toBeGreaterThan(placeOf(same, "let a = "));
  });

  it("hides how often loops turn that Mesa would unroll in a long kernel, where asked to", () => {
    const loads = (count: number, of = index(0)) =>
      Array.from({ length: count }, (_, j) =>
        s.assign("sum", s.binary("add", s.reference("sum"), s.load("x", add(multiply(of, count), 3 * j)))),
      );
    const sums = (turns: number, count: number, inner: Statement[] = []): string => {
      const counter = variable("i", turns);
      const loop = s.loop(counter, turns, [...loads(count, index(counter)), ...inner]);
      const statements = [s.accumulator("sum", s.number(0)), loop, s.store("out", lane, s.reference("sum"))];
      const nest = kernel(statements, { bindings: [s.read("x", 4096), s.readwrite("out", 64)] });
      return body(nest, { ...none, keepLoops: true }).join("\n");
    };
    const inner = variable("j", 40);
    const long = [s.loop(inner, 40, loads(1, index(inner)))];
    expect(sums(4, 3)).toContain("i < 4u;");
    expect(sums(10, 6)).toContain("i < 10u + zero;");
    expect(sums(40, 6)).toContain("i < 40u;");
    expect(sums(2, 20, long)).toContain("i < 2u + zero;");
    expect(sums(8, 20, long)).toContain("i < 8u + zero;");
    expect(sums(30, 20, long)).toContain("i < 30u;");
  });

  it("keeps an array of f32 where the component is mostly unknown, and quads where it is mostly known", () => {
    const known = [0, 1, 2, 3].map((j) => s.store("out", at(j), s.load("x", at(j))));
    const unknown = (count: number) =>
      Array.from({ length: count }, (_, j) => s.letFloat(`moving${j}`, s.load("x", add(lane, 9 * j))));
    expect(printWgsl(kernel([...known, ...unknown(1)]), none).source).toContain("x: array<vec4f>");
    expect(body(kernel([...known, ...unknown(1)]))).toContain("let moving0 = x[lane >> 2u][lane & 3u];");
    expect(printWgsl(kernel([...known, ...unknown(8)]), none).source).toContain("x: array<f32>");
  });

  it("never uses quads where a store's component is unknown", () => {
    const stores = [0, 1, 2, 3].map((j) => s.store("out", at(j), s.number(j)));
    expect(printWgsl(kernel([...stores, s.store("out", lane, s.number(5))]), none).source).toContain("out: array<f32>");
  });

  it("joins stores to a quad across other statements, but not across what may read or change them", () => {
    const half = (j: number) => [s.store("out", at(j), s.reference("a")), s.store("out", at(j + 1), s.reference("a"))];
    const between = (...statements: Statement[]) =>
      body(kernel([s.accumulator("a", s.number(1)), ...half(0), ...statements, ...half(2)])).join("\n");
    const whole = "out[lane] = vec4f(a, a, a, a);";
    expect(between()).toContain(whole);
    expect(between(s.letFloat("b", s.load("x", lane)))).toContain(whole);
    expect(between(s.assign("a", s.number(2)))).toMatch(/out\[lane\]\.y = a;\na = 2\.0;\nout\[lane\]\.z = a;/);
    expect(between(s.letFloat("b", s.load("out", at(0))))).toMatch(/out\[lane\]\.y = a;\nlet b = out\[lane\]\.x;/);
    expect(between(s.letFloat("b", s.load("out", at(3))))).toContain(whole);
    expect(between(s.letFloat("b", s.load("out", multiply(remainder(lane, 2), 4))))).not.toContain(whole);
    expect(between({ kind: "barrier" })).not.toContain(whole);
  });

  it("puts neighbouring stores under one condition into one if", () => {
    const condition = s.inRange(lane, 0, 5);
    const stores = [0, 1, 2, 3, 4, 5].map((j) => s.store("out", at(j), s.number(j), condition));
    expect(body(kernel(stores))).toEqual([
      "if (lane < 6u) {",
      "  out[lane] = vec4f(0.0, 1.0, 2.0, 3.0);",
      "  out[lane + 1u].x = 4.0;",
      "  out[lane + 1u].y = 5.0;",
      "}",
    ]);
  });
});

describe("integers", () => {
  const value = (of: ReturnType<typeof index>) => body(kernel([s.store("out", lane, s.asFloat(of))])).join(" ");

  it("below zero are divided towards minus infinity", () => {
    expect(value(remainder(add(lane, -3), 5))).toBe("let i0 = (lane + 2u) % 5u; out[lane] = f32(i0);");
    expect(value(clamp(add(lane, -3), 0, 100))).toBe("let i0 = u32(max(i32(lane - 3u), 0)); out[lane] = f32(i0);");
    expect(value(add(lane, -3))).toBe("out[lane] = f32(i32(lane - 3u));");
  });

  it("are tested for a range with one comparison", () => {
    const test = (low: number, high: number, shift = 0) => {
      const condition = s.inRange(add(lane, shift), low, high);
      return body(kernel([s.store("out", lane, s.number(1), condition)]))[0];
    };
    expect(test(0, 5)).toBe("if (lane < 6u) {");
    expect(test(3, 7)).toBe("if (lane >= 3u) {");
    expect(test(3, 3)).toBe("if (lane == 3u) {");
    expect(test(2, 5)).toBe("if (lane - 2u < 4u) {");
    expect(test(0, 3, -2)).toBe("if (lane - 2u < 4u) {");
    expect(test(-9, 9)).toBe("out[lane] = 1.0;");
    expect(test(9, 12)).toBe("if (false) {");
  });

  it("from memory are read once, before the loop", () => {
    const counter = variable("i", 4);
    const at = add(multiply(element("order", lane, 7), 8), index(counter));
    const lines = body(
      kernel([s.loop(counter, 4, [s.store("out", add(multiply(lane, 4), index(counter)), s.load("x", at))])], {
        bindings: [s.read("x", 64), s.readwrite("out", 64), s.read("order", 8, "u32")],
      }),
    );
    expect(lines).toEqual([
      "let order0 = order[lane];",
      "let at0 = 8u * order0;",
      "let at1 = 4u * lane;",
      "for (var i = 0u; i < 4u; i++) {",
      "  out[at1 + i] = x[at0 + i];",
      "}",
    ]);
  });
});

describe("names and numbers", () => {
  it("that WGSL reserves get another name, and new names collide with none", () => {
    const statements = [
      s.letFloat("target", s.number(1)),
      s.letFloat("at0", s.number(2)),
      s.letFloat("max", s.number(3)),
      s.store("out", add(multiply(lane, 2), multiply(index(variable(workgroupName, 3)), 16)), s.reference("target")),
      s.store("out", multiply(lane, 3), s.binary("add", s.reference("at0"), s.reference("max"))),
      s.store("out", add(multiply(lane, 3), 1), s.reference("max")),
    ];
    expect(body(kernel(statements, { workgroups: 3 }))).toEqual([
      "let workgroup = workgroupId.x;",
      "let at1 = 3u * lane;",
      "let target_ = 1.0;",
      "let at0 = 2.0;",
      "let max_ = 3.0;",
      "out[16u * workgroup + 2u * lane] = target_;",
      "out[at1] = at0 + max_;",
      "out[at1 + 1u] = max_;",
    ]);
  });

  it("are exact, and never a constant that WGSL refuses", () => {
    const text = (value: number) => body(kernel([s.store("out", lane, s.number(value))]))[0];
    expect(text(3)).toBe("out[lane] = 3.0;");
    expect(text(0.1)).toBe("out[lane] = 0.1;");
    expect(text(-1e-7)).toBe("out[lane] = -1e-7;");
    expect(text(-0)).toBe("out[lane] = -0.0;");
    expect(text(3.4028234663852886e38)).toBe("out[lane] = 0x1.fffffep+127f;");
    expect(text(-Infinity)).toBe("out[lane] = -infinity();");
    expect(text(NaN)).toBe("out[lane] = notANumber();");
  });

  it("of constants are folded, as the interpreter rounds", () => {
    const huge = s.binary("multiply", s.number(1e30), s.number(1e30));
    expect(body(kernel([s.store("out", lane, huge)]))[0]).toBe("out[lane] = infinity();");
    const third = s.binary("divide", s.number(1), s.number(3));
    expect(body(kernel([s.store("out", lane, s.binary("subtract", s.load("x", lane), third))]))[0]).toBe(
      "out[lane] = x[lane] - 0.33333334;",
    );
  });

  it("keep the order of operations", () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => s.reference(name));
    if (!a || !b || !c) throw new Error("no names");
    const lets = ["a", "b", "c"].map((name, i) => s.letFloat(name, s.load("x", add(lane, i))));
    const text = (value: ReturnType<typeof s.number>) => body(kernel([...lets, s.store("out", lane, value)])).at(-1);
    expect(text(s.binary("add", a, s.binary("add", b, c)))).toBe("out[lane] = a + (b + c);");
    expect(text(s.binary("subtract", s.binary("subtract", a, b), c))).toBe("out[lane] = a - b - c;");
    expect(text(s.binary("divide", a, s.binary("multiply", b, c)))).toBe("out[lane] = a / (b * c);");
    expect(text(s.unary("negate", s.binary("add", a, b)))).toBe("out[lane] = -(a + b);");
    expect(text(s.binary("multiply", s.unary("reciprocal", a), b))).toBe("out[lane] = 1.0 / a * b;");
  });
});
