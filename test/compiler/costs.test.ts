/**
 * What the plan says each kernel has to do, against numbers made by hand from the layers' shapes.
 */
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";
import type { ExecutionPlan, PlanKernel } from "../../compiler/plan/plan.ts";
import { checkText } from "../../language/index.ts";
import { targets } from "../support/targets.ts";

const batch = 4;

function planOf(layers: string, target: keyof typeof targets = "wasm"): ExecutionPlan {
  const text = `model M {\n${layers}\n}\ntrain {\ndata shapes\nbatch ${batch}\nloss cross_entropy\noptimizer sgd lr 0.1\n}`;
  const { program, diagnostics } = checkText(text, "costs.cnn");
  const [model] = program?.models ?? [];
  if (!model || !program?.recipe) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return compile(model, program.recipe, { counts: { train: 100, test: 20 }, target: targets[target], separate: true })
    .plan;
}

function kernelsOf(plan: ExecutionPlan, program: string): PlanKernel[] {
  return (plan.programs[program] ?? []).flatMap(({ kernel }) => plan.kernels[kernel] ?? []);
}

/** The kernels of a layer's role in a training step, without second stages of their reductions. */
function kernel(plan: ExecutionPlan, layer: string, role: string): PlanKernel {
  const found = kernelsOf(plan, "trainStep").find(({ origins }) =>
    origins.some((origin) => origin.layer === layer && origin.role === role),
  );
  if (!found) throw new Error(`no kernel computes ${layer}: ${role}`);
  return found;
}

test("what the places of a tile share counts once for the tile", () => {
  const plan = planOf("input 3@32x32\nconv 32@3x3 pad 1\nbn\nrelu\nconv 32@3x3 pad 1 bias off\nfc 10");
  // Four outputs from six values take thirteen operations: six columns of a tile, then four rows.
  expect(kernel(plan, "conv2", "maps").cost.operations).toBe(batch * 32 * 8 * 8 * 10 * 13);
  // Tiles of the gradient overlap by two of six: a place would take ten times as much by itself.
  const summed = kernel(plan, "relu1", "input gradient").cost.operations;
  expect(summed / (batch * 32 * 32 * 32)).toBeLessThan(40);
});

describe("convolutions", () => {
  const plan = planOf("input 3@32x32\nconv 8@5x5\nconv 16@4x4 stride 2 bias off\nfc 10");
  const first = batch * 8 * 28 * 28;
  const second = batch * 16 * 13 * 13;

  test("take two operations a multiply-add, and one a bias", () => {
    expect(kernel(plan, "conv1", "forward").cost.operations).toBe(first * (2 * 75 + 1));
    expect(kernel(plan, "conv2", "forward").cost.operations).toBe(second * 2 * 128);
  });

  test("take as much for each gradient: what lies between strides and around is not counted", () => {
    expect(kernel(plan, "conv2", "input gradient, phases").cost.operations).toBe(second * 2 * 128);
    expect(kernel(plan, "conv2", "filter gradient").cost.operations).toBe(second * 2 * 128);
  });

  test("read each element once and write each output", () => {
    expect(kernel(plan, "conv1", "forward").cost).toMatchObject({
      bytesRead: 4 * (batch * 3 * 32 * 32 + 8 * 75 + 8),
      bytesWritten: 4 * first,
    });
  });
});

test("padding counts as the table of `check` counts it", () => {
  const plan = planOf("input 3@32x32\nconv 8@3x3 pad same bias off\nfc 10");
  expect(kernel(plan, "conv1", "forward").cost.operations).toBe(batch * 8 * 32 * 32 * 2 * 27);
});

test("a row of a data set that is looked up is read, not the data set", () => {
  const plan = planOf("input 3@32x32\nconv 8@3x3 pad same bias off\nfc 10");
  const { bytesRead } = kernel(plan, "input", "forward").cost;
  expect(bytesRead).toBeGreaterThanOrEqual(batch * 3 * 32 * 32);
  expect(bytesRead).toBeLessThan(1.1 * batch * 3 * 32 * 32);
});

test("what every element shares is computed once", () => {
  const plan = planOf("input 3@32x32\nconv 8@3x3 pad same bias off -> bn -> relu\nfc 10");
  // Mean, deviation, scale and shift, maximum: five operations an element.
  expect(kernel(plan, "relu1", "forward").cost.operations).toBeLessThanOrEqual(batch * 8 * 32 * 32 * 5);
});

test("targets differ in kernels, not in what contractions take", () => {
  const layers = "input 3@32x32\nconv 8@5x5\nconv 16@4x4 stride 2 bias off\nfc 10";
  const total = (target: keyof typeof targets): number =>
    kernelsOf(planOf(layers, target), "trainStep").reduce((sum, { cost }) => sum + cost.operations, 0);
  const [cpu = 0, gpu = 0] = (["wasm", "a software GPU"] as const).map(total);
  expect(gpu / cpu).toBeGreaterThan(0.97);
  expect(gpu / cpu).toBeLessThan(1.03);
});
