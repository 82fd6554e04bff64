/** `cnnc train` as a user meets it: a run folder from start to end, seeds, weights, devices, options. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { decodeSafetensors } from "../../runtime/files/safetensors.ts";
import type { EpochRecord } from "../../runtime/train/epochRecord.ts";
import { smallProgram, useCli } from "./cliSupport.ts";

const cli = useCli();
/** No driver is found where this names none. */
const noAdapter = { VK_ICD_FILENAMES: "/nonexistent.json", VK_DRIVER_FILES: "/nonexistent.json" };

async function program(name: string, text = smallProgram): Promise<string> {
  await writeFile(join(cli.folder, name), text);
  return name;
}

async function records(folder: string): Promise<EpochRecord[]> {
  const text = await readFile(join(cli.folder, folder, "metrics.jsonl"), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as EpochRecord);
}

test("a network whose weights are all written down draws nothing, and an epoch of it changes nothing", async () => {
  const fixed = "conv 1@3x3 pad same bias off freeze on weights [-1 2 -1; -1 2 -1; -1 2 -1]";
  const text = `model Fixed {\n input 3@32x32\n ${fixed}\n pool avg to 2x5\n}\ntrain { data shapes\n epochs 1\n batch 500 }`;
  const { code, err } = await cli.run(["train", await program("fixed.cnn", text), "--device", "cpu"]);
  expect({ code, err }).toMatchObject({ code: 0 });
  const { tensors } = decodeSafetensors(await readFile(join(cli.folder, "runs", "fixed", "last.safetensors")), "last");
  const filter = [-1, 2, -1, -1, 2, -1, -1, 2, -1];
  expect([...(tensors["conv1.weight"]?.data ?? [])]).toEqual([...filter, ...filter, ...filter]);
});

test("an epoch on shapes: everything is in the run folder", async () => {
  const file = await program("small.cnn");
  const { code, out, err } = await cli.run(["train", file, "--device", "cpu", "--threads", "2"]);
  expect({ code, err }).toMatchObject({ code: 0 });
  expect(err).toContain("device: WebAssembly SIMD on 2 threads");
  expect(out).toContain("runs/small");
  const folder = join(cli.folder, "runs", "small");
  expect((await readdir(folder)).sort()).toEqual(
    expect.arrayContaining(["best.safetensors", "curve.svg", "last.safetensors", "metrics.jsonl", "run.json"]),
  );
  const [record, ...more] = await records("runs/small");
  expect(more).toEqual([]);
  expect(Object.keys(record ?? {})).toEqual([
    "epoch",
    "trainLoss",
    "testLoss",
    "testAccuracy",
    "seconds",
    "imagesPerSecond",
  ]);
  // Ten classes: chance is 0.1, so this network has learned.
  expect(record?.testAccuracy).toBeGreaterThan(0.2);
  expect(record?.trainLoss).toBeLessThan(Math.log(10));
  const run = JSON.parse(await readFile(join(folder, "run.json"), "utf8")) as Record<string, unknown>;
  expect(run).toMatchObject({ seed: 3, batch: 250, data: "shapes", device: { kind: "cpu" }, node: process.version });
  expect(run["command"]).toEqual(["cnnc", "train", file, "--device", "cpu", "--threads", "2"]);
  const { tensors, metadata } = decodeSafetensors(await readFile(join(folder, "last.safetensors")), "last");
  expect(Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]))).toEqual({
    "conv1.weight": [4, 3, 6, 6],
    "conv1.bias": [4],
    "bn1.weight": [4],
    "bn1.bias": [4],
    "bn1.running_mean": [4],
    "bn1.running_var": [4],
    "fc1.weight": [10, 196],
    "fc1.bias": [10],
  });
  expect(metadata).toMatchObject({ epoch: "1", seed: "3", accuracy: String(record?.testAccuracy) });
});

/** `small.cnn` and `runs/small` are those of the test above. */
test("one seed gives the same bits for any number of threads, another seed others", async () => {
  const bits = async (folder: string, ...flags: string[]): Promise<Buffer> => {
    const { code } = await cli.run(["train", "small.cnn", "--device", "cpu", "--out", folder, ...flags]);
    expect(code).toBe(0);
    return readFile(join(cli.folder, folder, "last.safetensors"));
  };
  const two = await readFile(join(cli.folder, "runs", "small", "last.safetensors"));
  expect((await bits("one", "--threads", "1")).equals(two)).toBe(true);
  expect((await bits("other", "--seed", "4")).equals(two)).toBe(false);
});

test("training goes on from weights; weights of another model are refused", async () => {
  const [before] = await records("runs/small");
  const weights = ["--weights", "runs/small/last.safetensors"];
  expect((await cli.run(["train", "small.cnn", "--device", "cpu", "--out", "second", ...weights])).code).toBe(0);
  const [after] = await records("second");
  expect(after?.trainLoss).toBeLessThan(before?.trainLoss ?? 0);
  const other = await program("other.cnn", smallProgram.replace("conv 4@", "conv 5@"));
  const refused = await cli.run(["train", other, "--device", "cpu", "--out", "third", ...weights]);
  expect(refused.code).toBe(3);
  expect(refused.err).toContain("`conv1.weight` is [4, 3, 6, 6] there, and [5, 3, 6, 6] in the model");
});

test("without an adapter, auto takes the CPU device and says why; gpu says what to install", async () => {
  const file = await program("devices.cnn");
  const automatic = await cli.run(["train", file, "--out", "auto"], noAdapter);
  expect(automatic.code).toBe(0);
  expect(automatic.err).toMatch(/device: WebAssembly SIMD on \d+ threads? .*: WebGPU finds no adapter/);
  const gpu = await cli.run(["train", file, "--device", "gpu", "--out", "gpu"], noAdapter);
  expect(gpu.code).toBe(3);
  expect(gpu.err).toMatch(/error: WebGPU finds no adapter on this machine\n {2}help: Install a Vulkan driver/);
});

test("options that would do nothing are refused", async () => {
  const file = await program("flags.cnn");
  const data = await cli.run(["train", file, "--data", "somewhere"]);
  expect(data.code).toBe(2);
  expect(data.err).toContain("--data has no meaning there");
  const threads = await cli.run(["train", file, "--device", "gpu", "--threads", "2"]);
  expect(threads.code).toBe(2);
  expect(threads.err).toContain("--threads is for the CPU device");
});

test("a batch larger than the data, weights that are not there, errors in the program", async () => {
  const file = await program("batch.cnn");
  const batch = await cli.run(["train", file, "--device", "cpu", "--batch", "65536"]);
  expect(batch.code).toBe(3);
  expect(batch.err).toContain("less than one batch of 65536");
  const weights = await cli.run(["train", file, "--weights", "none.safetensors"]);
  expect(weights.code).toBe(2);
  expect(weights.err).toContain("the weights `none.safetensors` cannot be read");
  const wrong = await cli.run(["train", await program("wrong.cnn", smallProgram.replace("fc 10", "fc 9"))]);
  expect(wrong.code).toBe(1);
  expect(wrong.err).toContain("wrong.cnn:4:");
});

test("a model that does not fit is refused before anything runs, with the largest batch that does", async () => {
  const file = await program(
    "wide.cnn",
    `model Wide {
  input 3@32x32
  conv 512@1x1 bias off -> relu
  conv 512@1x1 bias off -> relu
  pool avg global
  fc 10
}
train {
  data shapes
  batch 4000
}`,
  );
  const { code, out, err } = await cli.run(["train", file, "--device", "cpu"]);
  expect(code).toBe(3);
  expect(out).toBe("");
  expect(err).toMatch(/error: the model does not fit at batch 4000: it needs \d+\.\d GiB for all tensors/);
  expect(err).toMatch(/help: Use --batch \d{2,3}, the largest that fits/);
});

test("the same training again takes the plan of the first, and comes to the same bits", async () => {
  const cache = join(cli.folder, "cache");
  const again = async (out: string, ...options: string[]): Promise<Buffer> => {
    const file = await program("small.cnn");
    const words = ["train", file, "--device", "cpu", "--out", out, ...options];
    const { code, err } = await cli.run(words, { XDG_CACHE_HOME: cache });
    expect({ code, err }).toMatchObject({ code: 0 });
    return readFile(join(cli.folder, out, "last.safetensors"));
  };
  const first = await again("first");
  const kept = await readdir(join(cache, "cnnc", "plans"));
  // One to train, one to evaluate.
  expect(kept).toHaveLength(2);
  expect(await again("second")).toEqual(first);
  expect(await again("third", "--fresh")).toEqual(first);
  expect(await readdir(join(cache, "cnnc", "plans"))).toEqual(kept);
});
