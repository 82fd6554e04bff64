/** Which batch fits: found with few plans, exactly, and told. */
import { describe, expect, test } from "vitest";
import { compile } from "../../../compiler/compile.ts";
import type { ExecutionPlan } from "../../../compiler/plan/plan.ts";
import { checkText } from "../../../language/index.ts";
import { openCpuDevice } from "../../../runtime/device/cpu/cpuDevice.ts";
import type { Requirement } from "../../../runtime/device/requirements.ts";
import { checkFit } from "../../../runtime/train/fit.ts";

const empty: ExecutionPlan = { version: 1, target: "wasm", buffers: [], tensors: {}, kernels: [], programs: {} };

/** A device that needs so many bytes at a batch; plans tell their batch by the size of a buffer. */
function trial(batch: number, limit: number, bytesAt: (batch: number) => number): { message: string; plans: number[] } {
  const planOf = (at: number): ExecutionPlan => ({ ...empty, buffers: [{ name: "batch", bytes: at }] });
  const plans: number[] = [];
  const requirements = ({ buffers }: ExecutionPlan): Requirement[] => [
    { what: "all tensors", bytes: bytesAt(buffers[0]?.bytes ?? 0), limit },
    { what: "one binding", bytes: 4, limit: 8 },
  ];
  try {
    checkFit({ requirements }, planOf(batch), batch, (at) => {
      plans.push(at);
      return planOf(at);
    });
  } catch (problem) {
    const { message, remedy } = problem as { message: string; remedy: string };
    return { message: `${message} ${remedy}`, plans };
  }
  return { message: "", plans };
}

describe("the largest batch that fits", () => {
  test("is not looked for where the model fits", () => {
    expect(trial(64, 1000, (batch) => 10 * batch)).toEqual({ message: "", plans: [] });
  });

  test.each([
    ["in proportion to the batch", 64, (batch: number) => 30 * batch, 33],
    ["with a part that does not grow", 64, (batch: number) => 300 + 30 * batch, 23],
    ["in steps", 64, (batch: number) => 200 + 4 * Math.ceil(batch / 4) * 30, 24],
    ["at a large batch", 60_000, (batch: number) => 100 + batch / 40, 36_000],
    ["where one is all", 64, (batch: number) => 900 * batch, 1],
  ])("%s", (_, batch, bytesAt, largest) => {
    const { message, plans } = trial(batch, 1000, bytesAt);
    expect(bytesAt(largest)).toBeLessThanOrEqual(1000);
    expect(bytesAt(largest + 1)).toBeGreaterThan(1000);
    expect(message).toContain(`Use --batch ${largest}, the largest that fits`);
    expect(plans.length).toBeLessThanOrEqual(6);
  });

  test("is none where the model alone is too large", () => {
    expect(trial(64, 1000, (batch) => 1001 + batch).message).toMatch(/does not fit at batch 64.*No batch fits/);
    expect(trial(1, 1000, () => 1001).message).toContain("No batch fits");
  });
});

test("of a network whose plan passes what the CPU device addresses", async () => {
  const text = `model Wide {
  input 3@32x32
  conv 512@3x3 pad same bias off -> relu
  conv 512@1x1 bias off -> relu
  pool avg global
  fc 10
}
train {
  data shapes
  batch 2048
}`;
  const { program } = checkText(text, "wide.cnn");
  const [model] = program?.models ?? [];
  if (!model || !program?.recipe) throw new Error("the program has errors");
  const { recipe } = program;
  const device = await openCpuDevice({ threads: 1 });
  const planFor = (batch: number): ExecutionPlan =>
    compile(model, { ...recipe, batch }, { counts: { train: 4096, test: 256 }, target: device.target }).plan;
  let remedy = "";
  try {
    checkFit(device, planFor(2048), 2048, planFor);
  } catch (problem) {
    ({ remedy } = problem as { remedy: string });
  }
  const largest = Number(/--batch (\d+)/.exec(remedy)?.[1]);
  expect(device.requirements(planFor(largest)).every(({ bytes, limit }) => bytes <= limit)).toBe(true);
  expect(device.requirements(planFor(largest + 1)).every(({ bytes, limit }) => bytes <= limit)).toBe(false);
  await device.close();
});
