/**
 * The networks of examples/zoo/ train on the CPU device: those for 3@32x32 take ten steps and their loss falls at each, the
 * others take one at a reduced input. The ordinary suite has the quick ones, the slow suite all of them.
 */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkText } from "../../language/index.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import type { Device } from "../../runtime/device/device.ts";
import { isSlow } from "../support/slow.ts";
import { modelOf, train } from "../support/trainSteps.ts";

const folder = new URL("../../examples/zoo/", import.meta.url);
const names = readdirSync(folder)
  .filter((file) => file.endsWith(".cnn"))
  .map((file) => file.slice(0, -".cnn".length));

/** They take one or two seconds each. */
const quick = new Set([
  "airbench94",
  "fully-connected",
  "lenet5",
  "mobilenetv3-large",
  "resnet20",
  "resnet20-padded",
  "shufflenetv2",
  "squeezenet",
  "vertical-lines",
]);
const chosen = names.filter((name) => isSlow || quick.has(name));

/** Small pictures on which each of these networks still has something in its last maps. */
const smaller: Readonly<Record<string, string>> = {
  "3@224x224": "3@64x64",
  "3@299x299": "3@96x96",
  "1@512x512": "1@8x20",
};

const read = (name: string): string => readFileSync(new URL(`${name}.cnn`, folder), "utf8");
const inputOf = (text: string): string => /^ {2}input (\S+)$/m.exec(text)?.[1] ?? "";
const isSmall = (name: string): boolean => inputOf(read(name)) === "3@32x32";

/** The network for pictures of the reduced size, and ten classes. */
function reduced(name: string): string {
  const text = read(name);
  const input = inputOf(text);
  return text.replace(`input ${input}`, `input ${smaller[input] ?? input}`).replace("classes = 1000", "classes = 10");
}

/** Without momentum: on one batch of noise, deep networks go astray with it. */
const sgd = { kind: "sgd", learningRate: 0.01, momentum: 0, nesterov: false, decay: 0 } as const;
/** For one step: in a network that multiplies gradients by 1e-6, each of them shall show beside its weight. */
const large = { ...sgd, learningRate: 10 };

let device: Device;
beforeAll(async () => {
  device = await openCpuDevice({ threads: 2 });
});
afterAll(() => device.close());

describe.each(chosen.filter(isSmall))("%s", (name) => {
  test("learns a batch in ten steps", async () => {
    const { losses, still } = await train(modelOf(read(name)), device, { steps: 10, batch: 16, optimizer: sgd });
    expect(losses).toHaveLength(10);
    losses.forEach((loss, step) => {
      expect(loss).toBeGreaterThan(0);
      if (step > 0) expect(loss, `loss ${step}`).toBeLessThan(losses[step - 1] ?? NaN);
    });
    expectMoved(still);
  });

  test.runIf(isSlow)("fits the device with its own recipe", async () => {
    const recipe = checkText(read(name), `${name}.cnn`).program?.recipe;
    if (recipe === undefined) throw new Error("it has no recipe");
    const { batch, optimizer } = recipe;
    const { losses } = await train(modelOf(read(name)), device, { steps: 2, batch, optimizer });
    expect(losses.every(Number.isFinite)).toBe(true);
  });
});

describe.each(chosen.filter((name) => !isSmall(name)))("%s", (name) => {
  test("takes a step at a reduced input", async () => {
    const model = modelOf(reduced(name));
    const { losses, still } = await train(model, device, { steps: 1, batch: 2, optimizer: large });
    expect(losses.every(Number.isFinite)).toBe(true);
    expect(losses[0]).toBeGreaterThan(0.5);
    expect(losses[0]).toBeLessThan(5);
    expectMoved(still);
  });
});

/** A bias before batch normalisation has no gradient. */
function expectMoved(still: readonly string[]): void {
  expect(still.filter((path) => !/conv\d+\.bias$/.test(path))).toEqual([]);
}
