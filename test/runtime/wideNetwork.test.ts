/** A network whose activations pass what one binding of WebGPU may span, with the limits that every adapter has. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../compiler/compile.ts";
import { seedCounter } from "../../compiler/nest/random.ts";
import { checkText } from "../../language/index.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import type { Device } from "../../runtime/device/device.ts";
import { openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { writeGeneratedData } from "../../runtime/profile/generatedData.ts";
import { openPlanState } from "../../runtime/train/planState.ts";
import { hasAdapter } from "./gpuSupport.ts";

const text = `model Wide {
  input 3@32x32
  conv 64@1x1 -> bn -> relu
  conv 64@1x1 -> bn -> relu
  add {
    branch { conv 64@1x1 -> relu }
    branch { conv 64@1x1 }
  }
  conv 64@1x1 -> bn -> relu
  pool avg global
  fc 10
}
train {
  data shapes
  batch 80
  loss cross_entropy
  optimizer sgd lr 0.1
}`;

const bindingLimit = 128 * 2 ** 20;

interface Outcome {
  readonly loss: number;
  readonly parameters: Float32Array;
  readonly arenas: readonly number[];
}

/** Two steps from seed 1. */
async function train(device: Device): Promise<Outcome> {
  const { program } = checkText(text, "wide.cnn");
  const [model] = program?.models ?? [];
  if (!model || !program?.recipe) throw new Error("the program has errors");
  const { plan } = compile(model, program.recipe, { counts: { train: 160, test: 80 }, target: device.target });
  const session = await device.open(plan);
  const state = openPlanState(session, plan);
  state.set("control.seed", seedCounter(1));
  await session.run("initialise");
  writeGeneratedData(state, plan);
  await session.run("trainStep", 2);
  const loss = await state.get("metrics.loss");
  const parameters = await state.read("parameters");
  await session.close();
  const arenas = plan.buffers.filter(({ name }) => name.startsWith("workspace")).map(({ bytes }) => bytes);
  return { loss, parameters, arenas };
}

describe.skipIf(!(await hasAdapter()))("activations beyond one binding", () => {
  let gpu: Device;
  let cpu: Device;
  beforeAll(async () => {
    gpu = await openGpuDevice({ allowSoftware: true, defaultLimits: true });
    cpu = await openCpuDevice();
  });
  afterAll(() => Promise.all([gpu.close(), cpu.close()]));

  it("train to what they train to on the CPU", { timeout: 300_000 }, async () => {
    expect(gpu.target).toMatchObject({ maximumBindingBytes: bindingLimit });
    const [actual, expected] = [await train(gpu), await train(cpu)];
    expect(actual.arenas.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(bindingLimit);
    expect(actual.arenas.length).toBeGreaterThan(1);
    for (const bytes of actual.arenas) expect(bytes).toBeLessThanOrEqual(bindingLimit);
    expect(Math.abs(actual.loss / expected.loss - 1)).toBeLessThan(1e-4);
    actual.parameters.forEach((value, i) => {
      const wanted = expected.parameters[i] ?? NaN;
      if (!(Math.abs(value - wanted) <= 1e-3 * Math.max(1, Math.abs(wanted))))
        expect.fail(`parameter ${i} is ${value}, should be ${wanted}`);
    });
  });
});
