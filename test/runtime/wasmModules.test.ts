/** The code of a plan in one module and in several, compiled by the engine before the plan is whole: the same bits. */
import { expect, test } from "vitest";
import { compile, compileByTurns } from "../../compiler/compile.ts";
import { checkText } from "../../language/index.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import { inTurns } from "../../runtime/train/inTurns.ts";
import { afterTwoSteps } from "../support/afterSteps.ts";

const text = `model Small {
  input 3@32x32
  conv 8@3x3 stride 2 -> bn -> relu
  repeat 3 {
    conv 8@3x3 pad same -> bn -> relu
  }
  conv 4@3x3 -> tanh -> pool max 2
  fc 10
}

train {
  data shapes
  batch 8
}
`;

function small() {
  const { program } = checkText(text, "small.cnn");
  const [model] = program?.models ?? [];
  if (!model || !program?.recipe) throw new Error("the program has errors");
  return { model, recipe: program.recipe };
}

const programs = ["initialise", "trainStep"] as const;

test("one module, or several that are compiled meanwhile", async () => {
  const { model, recipe } = small();
  const device = await openCpuDevice({ threads: 2 });
  const wanted = { counts: { train: 32, test: 16 }, target: device.target, programs };
  const whole = compile(model, recipe, wanted);
  const given: Uint8Array[] = [];
  const parts = await inTurns(compileByTurns(model, recipe, { ...wanted, kernelsAModule: 3 }), (part) => {
    if (part instanceof Uint8Array) given.push(part);
    device.prepare?.(part);
  });
  const [modules, kernels] = [parts.plan.wasm?.modules ?? [], parts.plan.wasm?.kernels ?? []];
  expect(whole.plan.wasm?.modules).toHaveLength(1);
  expect(given.length).toBeGreaterThan(2);
  // What is left at the end is in the plan alone.
  expect(modules.slice(0, given.length)).toEqual(given);
  expect(kernels).toHaveLength(parts.plan.kernels.length);
  // Equal layers are one kernel.
  expect(new Set(kernels).size).toBeLessThan(kernels.length);
  const [one, several] = [await afterTwoSteps(device, whole.plan), await afterTwoSteps(device, parts.plan)];
  expect(one.some((byte) => byte !== 0)).toBe(true);
  expect(Buffer.compare(one, several)).toBe(0);
  await device.close();
});
