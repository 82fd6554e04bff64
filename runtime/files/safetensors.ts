/**
 * The safetensors format: eight bytes with the header's length, a JSON header (names, types, shapes, offsets), the data.
 * Only F32 is written and read. Format: github.com/huggingface/safetensors.
 *
 * In: tensors, or a file's bytes. Out: the bytes, or the tensors. What holds: a file is read whole or refused: the entries
 * must fill the data without gap or overlap, as the format demands.
 */
import { InvariantError } from "../../compiler/graph/graph.ts";
import { RuntimeFailure } from "../errors.ts";

export interface NamedTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface Checkpoint {
  readonly tensors: Readonly<Record<string, NamedTensor>>;
  readonly metadata: Readonly<Record<string, string>>;
}

interface HeaderEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Bytes of an element of each type of the format. */
const elementBytes: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
};

const metadataKey = "__metadata__";

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export function encodeSafetensors(
  tensors: Readonly<Record<string, NamedTensor>>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const entries: [string, HeaderEntry | Readonly<Record<string, string>>][] = [[metadataKey, metadata]];
  let length = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    if (product(shape) !== data.length)
      throw new InvariantError(`${name} [${shape.join(", ")}] has ${data.length} elements`);
    entries.push([name, { dtype: "F32", shape, data_offsets: [length, length + data.byteLength] }]);
    length += data.byteLength;
  }
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  // Spaces after the header put the data on a multiple of eight bytes.
  const padded = Math.ceil(header.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded + length);
  bytes.fill(0x20, 8, 8 + padded);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(header, 8);
  let at = 8 + padded;
  for (const { data } of Object.values(tensors)) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

/**
 * Throws a `RuntimeFailure` of kind "files" where the file is damaged, or a tensor is of another type than F32. With
 * `wanted`, only the tensors of these names are returned, and others may be of any type (PyTorch counts the batches of
 * batch normalisation in an I64).
 */
export function decodeSafetensors(bytes: Uint8Array, name: string, wanted?: readonly string[]): Checkpoint {
  const { header, start } = parseHeader(bytes, name);
  const { [metadataKey]: metadata = {}, ...rest } = header;
  const entries = Object.entries(rest).map(([key, value]): [string, HeaderEntry] => {
    if (!isEntry(value)) throw damaged(name, `the entry of ${key} is not understood`);
    return [key, value];
  });
  checkLayout(entries, bytes.length - start, name);
  const tensors = entries
    .filter(([key]) => wanted?.includes(key) ?? true)
    .map(
      ([
        key,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]): [string, NamedTensor] => {
        if (dtype !== "F32")
          throw new RuntimeFailure(
            "files",
            `${name}: ${key} is of type ${dtype}, not F32`,
            "Save it as 32-bit floats.",
          );
        return [key, { shape, data: floatsOf(bytes.subarray(start + from, start + to)) }];
      },
    );
  if (!isTextTable(metadata)) throw damaged(name, "its metadata is not a table of texts");
  return { tensors: Object.fromEntries(tensors), metadata };
}

/** A copy, since offsets in a file need not be multiples of four. (A Buffer's own `slice` does not copy.) */
function floatsOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer);
}

function damaged(name: string, what: string): RuntimeFailure {
  return new RuntimeFailure("files", `${name} is no whole safetensors file: ${what}`, "Use another checkpoint.");
}

function parseHeader(bytes: Uint8Array, name: string): { header: Record<string, unknown>; start: number } {
  if (bytes.length < 8) throw damaged(name, `it has ${bytes.length} bytes`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > bytes.length - 8)
    throw damaged(name, `a header of ${length} bytes does not fit in its ${bytes.length} bytes`);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length));
    const header: unknown = JSON.parse(text);
    if (typeof header !== "object" || header === null || Array.isArray(header)) throw new Error("no table");
    return { header: header as Record<string, unknown>, start: 8 + length };
  } catch {
    throw damaged(name, "its header is not JSON as it should be");
  }
}

function isEntry(value: unknown): value is HeaderEntry {
  if (typeof value !== "object" || value === null) return false;
  const { dtype, shape, data_offsets: offsets } = value as Partial<Record<keyof HeaderEntry, unknown>>;
  return typeof dtype === "string" && areCounts(shape) && areCounts(offsets) && offsets.length === 2;
}

function areCounts(list: unknown): list is number[] {
  return Array.isArray(list) && list.every((one) => Number.isSafeInteger(one) && one >= 0);
}

function isTextTable(value: unknown): value is Record<string, string> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === "string")
  );
}

/** Every tensor begins where the one before ends, has the size of its shape, and the last ends with the file. */
function checkLayout(entries: readonly (readonly [string, HeaderEntry])[], length: number, name: string): void {
  let at = 0;
  const inOrder = [...entries].sort(
    ([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1],
  );
  for (const [
    key,
    {
      dtype,
      shape,
      data_offsets: [from, to],
    },
  ] of inOrder) {
    const bytes = elementBytes[dtype];
    if (bytes === undefined) throw damaged(name, `${key} is of the unknown type ${dtype}`);
    if (from !== at || to - from !== bytes * product(shape) || to > length)
      throw damaged(name, `${key} [${shape.join(", ")}] lies at ${from} to ${to} of ${length} bytes`);
    at = to;
  }
  if (at !== length) throw damaged(name, `${length - at} bytes belong to no tensor`);
}
