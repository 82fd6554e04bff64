/** The safetensors format: the layout byte by byte, and files that are damaged in every way. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { RuntimeFailure } from "../../../runtime/errors.ts";
import { decodeSafetensors, encodeSafetensors } from "../../../runtime/files/safetensors.ts";

/** A file with any header. */
function fileOf(header: unknown, data: Uint8Array = new Uint8Array(), length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

const entry = (from: number, to: number, dtype = "F32", shape: unknown = [(to - from) / 4]): object => ({
  dtype,
  shape,
  data_offsets: [from, to],
});

test("length, JSON, data: as the format says", () => {
  const bytes = encodeSafetensors(
    { "conv1.weight": { shape: [1, 2], data: Float32Array.of(1, -2) }, b: { shape: [], data: Float32Array.of(0.5) } },
    { format: "pt" },
  );
  const view = new DataView(bytes.buffer);
  const length = Number(view.getBigUint64(0, true));
  expect(length % 8).toBe(0);
  const header = new TextDecoder().decode(bytes.subarray(8, 8 + length));
  expect(header.startsWith("{")).toBe(true);
  expect(JSON.parse(header)).toEqual({
    __metadata__: { format: "pt" },
    "conv1.weight": { dtype: "F32", shape: [1, 2], data_offsets: [0, 8] },
    b: { dtype: "F32", shape: [], data_offsets: [8, 12] },
  });
  expect([0, 4, 8].map((at) => view.getFloat32(8 + length + at, true))).toEqual([1, -2, 0.5]);
  expect(bytes.length).toBe(8 + length + 12);
});

test("there and back: any names, shapes, values and metadata", () => {
  const tensor = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }).chain((shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return fc.float32Array({ minLength: size, maxLength: size }).map((data) => ({ shape, data }));
  });
  const name = fc.string({ unit: "grapheme" }).filter((text) => text !== "__metadata__");
  fc.assert(
    fc.property(fc.dictionary(name, tensor), fc.dictionary(fc.string(), fc.string()), (tensors, metadata) => {
      const decoded = decodeSafetensors(encodeSafetensors(tensors, metadata), "test");
      expect(decoded.metadata).toEqual({ ...metadata });
      expect(Object.keys(decoded.tensors).sort()).toEqual(Object.keys(tensors).sort());
      for (const [key, { shape, data }] of Object.entries(tensors)) {
        expect(decoded.tensors[key]?.shape).toEqual(shape);
        // As bytes, since there are many NaNs.
        expect(bytesOf(decoded.tensors[key]?.data)).toEqual(bytesOf(data));
      }
    }),
    { numRuns: 200 },
  );
});

function bytesOf(data: Float32Array = new Float32Array()): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

test("a Buffer, as files are read", () => {
  const tensors = { a: { shape: [2], data: Float32Array.of(1, 2) }, b: { shape: [1], data: Float32Array.of(3) } };
  const decoded = decodeSafetensors(Buffer.from(encodeSafetensors(tensors, {})), "f");
  expect(decoded.tensors).toEqual(tensors);
  expect(decoded.tensors["b"]?.data.buffer.byteLength).toBe(4);
});

test("bytes that lie within a larger buffer", () => {
  const bytes = encodeSafetensors({ a: { shape: [2], data: new Float32Array([9, 1, 2]).subarray(1) } }, {});
  const larger = new Uint8Array(bytes.length + 10);
  larger.set(bytes, 3);
  const { tensors } = decodeSafetensors(larger.subarray(3, 3 + bytes.length), "inner");
  expect([...(tensors["a"]?.data ?? [])]).toEqual([1, 2]);
});

test("data that does not fit its shape is our own fault", () => {
  expect(() => encodeSafetensors({ a: { shape: [3], data: new Float32Array(2) } }, {})).toThrow("a [3] has 2 elements");
});

const eight = new Uint8Array(8);

test.each<[string, Uint8Array, RegExp]>([
  ["empty", new Uint8Array(), /it has 0 bytes/],
  ["seven bytes", new Uint8Array(7), /it has 7 bytes/],
  ["a header longer than the file", fileOf({ a: entry(0, 8) }, eight, 1000n), /a header of 1000 bytes does not fit/],
  ["a header of 2^64 - 1 bytes", fileOf({}, eight, 2n ** 64n - 1n), /does not fit/],
  ["an empty header", fileOf("", eight), /not JSON/],
  ["a header cut short", fileOf({ a: entry(0, 8) }, eight, 10n), /not JSON/],
  ["a header that is text", fileOf("hello"), /not JSON/],
  ["a header that is a list", fileOf([]), /not JSON/],
  ["a header that is null", fileOf("null"), /not JSON/],
  ["a header that is not UTF-8", Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0x22, 0xff, 0x22), /not JSON/],
  ["data cut off", fileOf({ a: entry(0, 8) }, new Uint8Array(7)), /a \[2\] lies at 0 to 8 of 7 bytes/],
  ["bytes after the end", fileOf({ a: entry(0, 8) }, new Uint8Array(9)), /1 bytes belong to no tensor/],
  ["a gap", fileOf({ a: entry(0, 4), b: entry(8, 12) }, new Uint8Array(12)), /b \[1\] lies at 8/],
  ["an overlap", fileOf({ a: entry(0, 8), b: entry(4, 12) }, new Uint8Array(12)), /b \[2\] lies at 4/],
  ["twice the same place", fileOf({ a: entry(0, 8), b: entry(0, 8) }, eight), /lies at 0/],
  ["not beginning at 0", fileOf({ a: entry(4, 8) }, eight), /a \[1\] lies at 4/],
  ["offsets below zero", fileOf({ a: entry(-4, 4) }, eight), /the entry of a is not understood/],
  ["offsets backwards", fileOf({ a: entry(8, 0, "F32", [2]) }, eight), /a \[2\] lies at 8 to 0/],
  ["a shape of another size", fileOf({ a: entry(0, 8, "F32", [3]) }, eight), /a \[3\] lies at 0 to 8/],
  ["a shape below zero", fileOf({ a: entry(0, 8, "F32", [-1, -2]) }, eight), /not understood/],
  ["a huge shape", fileOf({ a: entry(0, 8, "F32", [2 ** 40, 2 ** 40]) }, eight), /lies at 0 to 8/],
  ["no shape", fileOf({ a: { dtype: "F32", data_offsets: [0, 8] } }, eight), /not understood/],
  ["three offsets", fileOf({ a: { dtype: "F32", shape: [2], data_offsets: [0, 4, 8] } }, eight), /not understood/],
  ["an entry that is a number", fileOf({ a: 5 }), /not understood/],
  ["an unknown type", fileOf({ a: entry(0, 8, "Q4", [2]) }, eight), /a is of the unknown type Q4/],
  ["metadata that is a list", fileOf({ __metadata__: ["x"] }), /metadata/],
  ["metadata with a number", fileOf({ __metadata__: { epoch: 3 } }), /metadata/],
])("damaged: %s", (_, bytes, message) => {
  const failure = failureOf(bytes);
  expect(failure.kind).toBe("files");
  expect(failure.message).toMatch(message);
  expect(failure.message).toContain("some.safetensors");
  expect(failure.remedy).not.toBe("");
});

function failureOf(bytes: Uint8Array): RuntimeFailure {
  try {
    decodeSafetensors(bytes, "some.safetensors");
  } catch (problem) {
    if (problem instanceof RuntimeFailure) return problem;
    throw problem;
  }
  throw new Error("it was read");
}

test("another type than F32 is named; what is not wanted may be of any type", () => {
  const bytes = fileOf(
    { a: entry(0, 4), count: entry(4, 12, "I64", []), half: entry(12, 16, "F16", [2]) },
    new Uint8Array(16),
  );
  expect(() => decodeSafetensors(bytes, "f")).toThrow("f: count is of type I64, not F32");
  expect(Object.keys(decodeSafetensors(bytes, "f", ["a"]).tensors)).toEqual(["a"]);
  expect(() => decodeSafetensors(bytes, "f", ["a", "half"])).toThrow("half is of type F16, not F32");
});

test("any change of any byte is read or refused, never a crash", () => {
  const good = encodeSafetensors({ a: { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) } }, { format: "pt" });
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, length) => {
      const bytes = good.slice(0, length);
      if (at < length) bytes[at] = value;
      try {
        decodeSafetensors(bytes, "f");
      } catch (problem) {
        expect(problem).toBeInstanceOf(RuntimeFailure);
      }
    }),
    { numRuns: 500 },
  );
});
