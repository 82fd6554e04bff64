/** Checkpoints have PyTorch's names and layouts, and are used whole or not at all. */
import { expect, test } from "vitest";
import { decodeSafetensors, encodeSafetensors } from "../../../runtime/files/safetensors.ts";
import { checkpointParameters, encodeCheckpoint, loadCheckpoint } from "../../../runtime/train/checkpoint.ts";
import { memoryState, smallModel } from "./trainSupport.ts";

const { model } = smallModel();

/** What `state_dict()` of the same modules has, without the counters of batches. */
const pytorch = {
  "conv1.weight": [4, 3, 3, 5],
  "conv1.bias": [4],
  "bn1.weight": [4],
  "bn1.bias": [4],
  "bn1.running_mean": [4],
  "bn1.running_var": [4],
  // out, in / groups, height, width
  "conv2.weight": [6, 2, 3, 3],
  // The maps are 30 / 2 by 28 / 2, then 13 by 12, then 6 by 6: 6 * 6 * 6 features.
  "fc1.weight": [12, 216],
  "fc1.bias": [12],
  "fc2.weight": [10, 12],
  "fc2.bias": [10],
};

test("PyTorch's names, in the order of the layers, with its shapes", async () => {
  const parameters = checkpointParameters(model);
  expect(parameters.map(({ path }) => path)).toEqual(Object.keys(pytorch));
  expect(Object.fromEntries(parameters.map(({ path, shape }) => [path, shape]))).toEqual(pytorch);
  const { tensors, metadata } = decodeSafetensors(
    await encodeCheckpoint(model, memoryState(model), { seed: "3" }),
    "x",
  );
  expect(Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]))).toEqual(pytorch);
  // Readers for PyTorch ask for the format.
  expect(metadata).toEqual({ format: "pt", seed: "3" });
});

test("there and back", async () => {
  const [from, to] = [memoryState(model), memoryState(model, 100)];
  expect(to.values).not.toEqual(from.values);
  loadCheckpoint(model, to, await encodeCheckpoint(model, from, {}), "x");
  expect(to.values).toEqual(from.values);
});

type Tensors = Record<string, { shape: readonly number[]; data: Float32Array }>;

async function altered(change: (tensors: Tensors) => void): Promise<Uint8Array> {
  const { tensors } = decodeSafetensors(await encodeCheckpoint(model, memoryState(model), {}), "x");
  const copy = { ...tensors };
  change(copy);
  return encodeSafetensors(copy, {});
}

test.each<[string, (tensors: Tensors) => void, string]>([
  ["lacks a tensor", (tensors) => delete tensors["fc2.bias"], "it has no `fc2.bias`"],
  [
    "has one of another shape",
    (tensors) => (tensors["fc1.weight"] = { shape: [216, 12], data: new Float32Array(216 * 12) }),
    "`fc1.weight` is [216, 12] there, and [12, 216] in the model",
  ],
])("a checkpoint that %s: refused, and nothing is set", async (_, change, message) => {
  const state = memoryState(model, 100);
  const before = new Map(state.values);
  const bytes = await altered(change);
  expect(() => loadCheckpoint(model, state, bytes, "other.safetensors")).toThrow(
    expect.objectContaining({
      kind: "files",
      message: `the weights in other.safetensors are not those of model Small: ${message}`,
      remedy: expect.stringContaining("--weights"),
    }),
  );
  expect(state.values).toEqual(before);
});

test("a damaged checkpoint: refused, and nothing is set", async () => {
  const state = memoryState(model, 100);
  const before = new Map(state.values);
  const bytes = await altered(() => {});
  expect(() => loadCheckpoint(model, state, bytes.subarray(0, -1), "cut.safetensors")).toThrow(
    expect.objectContaining({ kind: "files", message: expect.stringContaining("cut.safetensors") }),
  );
  expect(state.values).toEqual(before);
});

test("what PyTorch has besides is passed over: the number of batches is an integer", async () => {
  const bytes = await altered(() => {});
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<string, unknown>;
  const size = bytes.length - 8 - length;
  header["bn1.num_batches_tracked"] = { dtype: "I64", shape: [], data_offsets: [size, size + 8] };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const larger = new Uint8Array(8 + text.length + size + 8);
  new DataView(larger.buffer).setBigUint64(0, BigInt(text.length), true);
  larger.set(text, 8);
  larger.set(bytes.subarray(8 + length), 8 + text.length);
  const state = memoryState(model, 100);
  loadCheckpoint(model, state, larger, "pytorch.safetensors");
  expect(state.values).toEqual(memoryState(model).values);
});
