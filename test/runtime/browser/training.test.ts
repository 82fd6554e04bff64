/** Training step by step, as a page does it: the weights of the training loop, and what else is offered. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type DataSet,
  generateShapes,
  openTraining,
  type Split,
  type Training,
  type TrainingOptions,
} from "../../../runtime/browser/index.ts";
import { type CpuDevice, openCpuDevice } from "../../../runtime/device/cpu/cpuDevice.ts";
import { openRunFolder } from "../../../runtime/files/runFolder.ts";
import { decodeSafetensors } from "../../../runtime/files/safetensors.ts";
import { checkpointParameters } from "../../../runtime/train/checkpoint.ts";
import { train } from "../../../runtime/train/trainer.ts";
import { smallModel } from "../train/trainSupport.ts";

const { model, recipe } = smallModel();
const paths = checkpointParameters(model).map(({ path }) => path);
const tensorsOf = (bytes: Uint8Array) => decodeSafetensors(bytes, "weights", paths).tensors;
const silent = { startEpoch() {}, update() {}, endEpoch() {}, note() {}, stop() {} };

function first(count: number, { images, labels }: Split): Split {
  return { images: images.slice(0, count * 3 * 1024), labels: labels.slice(0, count), count };
}

describe("a training in a page", () => {
  let device: CpuDevice;
  let data: DataSet;
  let folder = "";
  const opened: Training[] = [];
  const open = async (more: Partial<TrainingOptions> = {}): Promise<Training> => {
    const training = await openTraining({ model, recipe, data, device, ...more });
    opened.push(training);
    return training;
  };
  beforeAll(async () => {
    device = await openCpuDevice({ sharedMemory: false });
    const whole = await generateShapes();
    // Five steps an epoch; the last batch of the test images is short.
    data = { ...whole, train: first(5 * recipe.batch + 7, whole.train), test: first(recipe.batch + 9, whole.test) };
    folder = await mkdtemp(join(tmpdir(), "cnnc-browser-"));
  });
  afterAll(async () => {
    for (const training of opened) await training.close();
    await device.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("has the weights and the test loss of the training loop, whatever is asked in between", async () => {
    const run = await openRunFolder(join(folder, "run"));
    const result = await train({
      model,
      recipe: { ...recipe, epochs: 2 },
      data,
      device,
      folder: run,
      progress: silent,
    });
    const training = await open();
    expect(training.stepsPerEpoch).toBe(5);
    await training.train(3);
    await training.test();
    await training.predict(data.test.images);
    const over = await training.train(6); // over the end of the first epoch
    expect(over.loss).toBeGreaterThan(0);
    await training.train(1);
    const { loss, accuracy } = await training.test();
    expect({ testLoss: loss, testAccuracy: accuracy }).toMatchObject({
      testLoss: result.records.at(-1)?.testLoss,
      testAccuracy: result.records.at(-1)?.testAccuracy,
    });
    const kept = await readFile(join(run.path, "last.safetensors"));
    expect(tensorsOf(await training.weights())).toEqual(tensorsOf(kept));
  }, 60_000);

  it("learns, and its logits are what the accuracy counts", async () => {
    const adam = { kind: "adam", learningRate: 0.005, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0 } as const;
    const training = await open({ recipe: { ...recipe, optimizer: adam } });
    const before = await training.train(5);
    await training.train(70);
    const after = await training.train(5);
    expect(after.loss).toBeLessThan(0.8 * before.loss);
    const logits = await training.predict(data.test.images);
    expect(logits.length).toBe(data.test.count * 10);
    const right = [...data.test.labels].filter((label, i) => {
      const own = logits.subarray(10 * i, 10 * i + 10);
      return own.indexOf(Math.max(...own)) === label;
    });
    expect((await training.test()).accuracy).toBeCloseTo(right.length / data.test.count, 6);
  });

  it("goes on from weights", async () => {
    const [from] = opened;
    if (!from) throw new Error("nothing has been trained");
    const bytes = await from.weights();
    const training = await open({ weights: { bytes, name: "mine" } });
    expect(await training.test()).toEqual(await from.test());
    await expect(open({ weights: { bytes: bytes.slice(0, 100), name: "half" } })).rejects.toMatchObject({
      kind: "files",
    });
  });

  it("keeps the order of calls without waiting between them", async () => {
    const training = await open();
    const [, tested, trained] = await Promise.all([training.train(4), training.test(), training.train(2)]);
    const again = await open();
    await again.train(4);
    expect(await again.test()).toEqual(tested);
    expect(await again.train(2)).toEqual(trained);
  });

  it("says what is wrong with data", async () => {
    const grey: DataSet = { ...data, image: [1, 28, 28] };
    await expect(open({ data: grey })).rejects.toThrow("are 1x28x28, and Small takes 3x32x32");
    await expect(open({ data: { ...data, train: first(9, data.train) } })).rejects.toThrow("9 training images");
    await expect(open({ data: { ...data, test: first(0, data.test) } })).rejects.toThrow("no test images");
    const training = await open();
    await expect(training.predict(new Uint8Array(100))).rejects.toMatchObject({ kind: "data" });
  });

  it("says where a loss is no number any more", async () => {
    const wild = { ...recipe, optimizer: { ...recipe.optimizer, learningRate: 1e30 } };
    const training = await open({ recipe: wild });
    await expect(training.train(12)).rejects.toMatchObject({ kind: "training", message: /from step \d+ \(epoch 1\)/ });
    await training.close();
    await expect(training.test()).rejects.toThrow("closed");
  });
});
