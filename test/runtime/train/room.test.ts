/** Images that lie in the device's own memory train the same network, to the bit, as images that are copied there. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readCifarFolder } from "../../../runtime/data/cifar10.ts";
import { openCpuDevice } from "../../../runtime/device/cpu/cpuDevice.ts";
import { openRunFolder } from "../../../runtime/files/runFolder.ts";
import type { RoomFor } from "../../../runtime/room.ts";
import { train } from "../../../runtime/train/trainer.ts";
import { recordsAFile, temporaryFolder, writeBatches } from "../data/dataSupport.ts";
import { smallModel } from "./trainSupport.ts";

const silent = { startEpoch() {}, update() {}, endEpoch() {}, note() {}, stop() {} };

test("the same weights, and the images as they were", async () => {
  const { model, recipe } = smallModel();
  const device = await openCpuDevice({ threads: 2 });
  onTestFinished(() => device.close());
  const [files, runs] = [await temporaryFolder(), await temporaryFolder()];
  await writeBatches(files);
  const trained = async (name: string, roomFor?: RoomFor) => {
    const data = await readCifarFolder(files, { recordsAFile, ...(roomFor ? { roomFor } : {}) });
    const folder = await openRunFolder(join(runs, name));
    await train({ model, recipe: { ...recipe, batch: 12, epochs: 2 }, data, device, folder, progress: silent });
    return { data, weights: await readFile(join(folder.path, "last.safetensors")) };
  };
  const copied = await trained("copied");
  const placed = await trained("placed", device.roomFor);
  expect(placed.data.train.images.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(Buffer.compare(placed.weights, copied.weights)).toBe(0);
  expect(Buffer.compare(placed.data.train.images, copied.data.train.images)).toBe(0);
  // The same data set once more, whose memory is nobody's any more.
  const folder = await openRunFolder(join(runs, "again"));
  const { data } = placed;
  await train({ model, recipe: { ...recipe, batch: 12, epochs: 2 }, data, device, folder, progress: silent });
  expect(Buffer.compare(await readFile(join(folder.path, "last.safetensors")), copied.weights)).toBe(0);
});
