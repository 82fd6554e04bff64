/** Equal kernels are lowered once, different ones never: what runs is the same with and without sharing. */
import { describe, expect, test } from "vitest";
import { compile, type Compilation } from "../../compiler/compile.ts";
import { printNest } from "../../compiler/nest/printNest.ts";
import type { LoopNest, Statement } from "../../compiler/nest/loopNest.ts";
import { checkText } from "../../language/index.ts";
import { targets } from "../support/targets.ts";

function compiled(layers: string, target: keyof typeof targets, share: boolean): Compilation {
  const text = `model M {\ninput 3@32x32\n${layers}\nfc 10\n}\ntrain {\ndata cifar10\nbatch 8\noptimizer sgd lr 0.1 momentum 0.9\n}`;
  const { program, diagnostics } = checkText(text, "sharing.cnn");
  const [model] = program?.models ?? [];
  if (!model || !program?.recipe) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  const counts = { train: 100, test: 20 };
  return compile(model, program.recipe, { counts, target: targets[target], share });
}

function nestsOf({ programs }: Compilation): LoopNest[] {
  return programs.flatMap(({ dispatches }) => dispatches.map(({ lowered }) => lowered.nest));
}

/** A nest without its head, its buffers and variables by numbers in the order in which they appear. */
function withoutNames(nest: LoopNest): string {
  const words = new Map<string, number>();
  const plain = printNest({ ...nest, name: "", header: [] }).replaceAll(/^\s*(?:\/\/|#).*$/gm, "");
  const buffers = new Set([...nest.bindings, ...nest.scratch].map(({ name }) => name));
  return plain.replaceAll(/[A-Za-z_]\w*/g, (word) => {
    // Names of values come from those of buffers.
    const isOwn = [...buffers].some((name) => word.startsWith(name));
    if (!isOwn && !/\d$/.test(word)) return word;
    if (!words.has(word)) words.set(word, words.size);
    return `#${words.get(word)}`;
  });
}

/** A nest and those that it calls, each with its own names. */
function textsOf(nest: LoopNest): string[] {
  const called: LoopNest[] = [];
  const body = nest.body.map((statement): Statement => {
    if (statement.kind !== "call") return statement;
    called.push(statement.nest);
    const bindings = statement.nest.bindings.map((binding, i) => ({ ...binding, name: `given${i}` }));
    return { ...statement, nest: { ...statement.nest, bindings, scratch: [], body: [] } };
  });
  return [withoutNames({ ...nest, body }), ...called.map(withoutNames)];
}

const samples = {
  "a chain of equal layers": "repeat 4 { conv 8@3x3 pad same bias off -> bn -> relu }",
  "layers that differ in an attribute alone":
    "conv 8@3x3 pad 1\nconv 8@3x3 pad 1\nconv 8@3x3 pad 2 dilation 2\nrelu\nleaky_relu 0.1\nconv 8@3x3 pad 1\nleaky_relu 0.2",
  "branches that read the same and different tensors":
    "conv 8@1x1\nadd {\nbranch { conv 8@1x1 -> relu }\nbranch { conv 8@1x1 -> relu }\n}\nadd {\nbranch { conv 8@3x3 pad 1 }\nbranch { }\n}",
} as const;

describe.each(["wasm", "a software GPU", "a GPU"] as const)("for %s", (target) => {
  test.each(Object.entries(samples))("%s: the same kernels with and without sharing", (_, layers) => {
    const [shared, apart] = [compiled(layers, target, true), compiled(layers, target, false)];
    expect(shared.plan.programs).toEqual(apart.plan.programs);
    expect(shared.plan.buffers).toEqual(apart.plan.buffers);
    expect(shared.plan.kernels.map(({ name }) => name)).toEqual(apart.plan.kernels.map(({ name }) => name));
    const [some, others] = [nestsOf(shared), nestsOf(apart)];
    some.forEach((nest, i) => {
      const other = others[i];
      if (!other) throw new Error("a nest is missing");
      expect(textsOf(nest)).toEqual(textsOf(other));
      expect(nest.bindings.map(({ length, access, type }) => ({ length, access, type }))).toEqual(
        other.bindings.map(({ length, access, type }) => ({ length, access, type })),
      );
    });
  });
});

test("equal layers of a deep network add no kernels", () => {
  const bodies = (depth: number): number => {
    const layers = `repeat ${depth} { conv 8@3x3 pad same bias off -> bn -> relu }`;
    const { programs } = compiled(layers, "wasm", true);
    const step = programs.find(({ name }) => name === "trainStep");
    return new Set(step?.dispatches.map(({ lowered }) => lowered.nest.body)).size;
  };
  expect(bodies(12)).toBeLessThanOrEqual(bodies(8) + 2);
});

test("chains of different lengths call the same kernels", () => {
  const { programs } = compiled(samples["a chain of equal layers"], "wasm", true);
  const calls = programs
    .flatMap(({ dispatches }) => dispatches.flatMap(({ lowered }) => lowered.nest.body))
    .flatMap((statement) => (statement.kind === "call" ? [statement.nest.body] : []));
  expect(calls.length).toBeGreaterThan(10);
  expect(new Set(calls).size).toBeLessThan(0.8 * calls.length);
});
