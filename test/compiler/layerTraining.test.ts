/**
 * Every layer of the catalogue trains: its example stands in a small network, so that no layer can be without a test.
 *
 * On the CPU device each by itself, activations without parameters side by side: the loss falls, and the layer's parameters
 * move. On the GPU device all (but for these activations) in one network: the losses are those of the CPU device.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layerCatalogue, type CheckedModel } from "../../language/index.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import type { Device } from "../../runtime/device/device.ts";
import { openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { hasAdapter } from "../runtime/gpuSupport.ts";
import { modelOf, train } from "../support/trainSteps.ts";

const BATCH = 8;

const adam = { kind: "adam", learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0 } as const;
/** Gradients as they are: Adam would make full steps of the rounding of those that are almost zero. */
const sgd = { kind: "sgd", learningRate: 0.02, momentum: 0, nesterov: false, decay: 0 } as const;

/** Formulas of one operator, each with golden values there: a network for each would only take time. */
const isFormula = ({ kind }: { kind: string }): boolean => kind === "activation";

const alone = (example: string): CheckedModel =>
  modelOf(`model Layer {\n  input 3@8x8\n  conv 16@3x3 pad 1 bias off\n  ${example}\n  fc 10\n}\n`);

/** Layers that keep the shape stand side by side, the others one behind the other, those that make vectors last. */
function together(): CheckedModel {
  const makesVector = ({ example }: { example: string }): boolean =>
    alone(example).layers.at(-2)?.outputShape.flat ?? false;
  const sliding = layerCatalogue.filter((entry) => !entry.keepsShape && !makesVector(entry));
  const keeping = layerCatalogue.filter((entry) => entry.keepsShape);
  const lines = [
    ...sliding.map(({ example }) => example),
    "concat {",
    ...keeping.map(({ example }) => `branch { ${example} }`),
    "}",
    "pool avg global",
    ...layerCatalogue.filter((entry) => !entry.keepsShape && makesVector(entry)).map(({ example }) => example),
    "fc 10",
  ];
  return modelOf(`model Layers {\n  input 3@24x24\n  ${lines.join("\n  ")}\n}\n`);
}

const devices: Device[] = [];
beforeAll(async () => {
  devices.push(await openCpuDevice({ threads: 2 }));
  if (await hasAdapter()) devices.push(await openGpuDevice({ allowSoftware: true }));
});
afterAll(() => Promise.all(devices.map((device) => device.close())));
const device = (at: number): Device => {
  const found = devices[at];
  if (!found) throw new Error("no device");
  return found;
};

/** Every formula in a branch of its own. */
const formulas = `concat { ${layerCatalogue
  .filter(isFormula)
  .map(({ example }) => `branch { ${example} }`)
  .join(" ")} }`;

describe("on the CPU device", () => {
  it.each([...layerCatalogue.filter((entry) => !isFormula(entry)).map(({ example }) => example), formulas])(
    "`%s` trains",
    async (example) => {
      const { losses, still } = await train(alone(example), device(0), { steps: 30, batch: BATCH, optimizer: adam });
      expect(losses.every(Number.isFinite)).toBe(true);
      expect(losses.at(-1)).toBeLessThan(0.9 * (losses[0] ?? 0));
      expect(still).toEqual([]);
    },
  );
});

describe.runIf(await hasAdapter())("on the GPU device", () => {
  it("all layers together train as on the CPU device", { timeout: 300_000 }, async () => {
    const model = together();
    const given = { steps: 3, batch: BATCH, optimizer: sgd };
    const [cpu, gpu] = [await train(model, device(0), given), await train(model, device(1), given)];
    expect(cpu.losses.every(Number.isFinite)).toBe(true);
    gpu.losses.forEach((loss, i) =>
      expect(Math.abs(loss - (cpu.losses[i] ?? NaN)), `step ${i + 1}`).toBeLessThan(1e-4),
    );
    expect(gpu.still).toEqual(cpu.still);
  });
});
