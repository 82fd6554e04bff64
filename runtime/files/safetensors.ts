/**
 * The safetensors format: eight bytes with the header's length, a JSON header (names, types, shapes, offsets), the data.
 * Only F32 is written and read. Format: github.com/huggingface/safetensors.
 */
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

export function encodeSafetensors(
  tensors: Readonly<Record<string, NamedTensor>>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const entries: Record<string, HeaderEntry | Readonly<Record<string, string>>> = { __metadata__: metadata };
  let length = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    entries[name] = { dtype: "F32", shape, data_offsets: [length, length + data.byteLength] };
    length += data.byteLength;
  }
  const text = JSON.stringify(entries);
  const header = new TextEncoder().encode(text);
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

function damaged(name: string, what: string): RuntimeFailure {
  return new RuntimeFailure("files", `${name} is no whole safetensors file: ${what}`, "Use another checkpoint.");
}

function isEntry(value: unknown): value is HeaderEntry {
  if (typeof value !== "object" || value === null) return false;
  const { dtype, shape, data_offsets: offsets } = value as Partial<Record<keyof HeaderEntry, unknown>>;
  const areNumbers = (list: unknown): boolean => Array.isArray(list) && list.every((one) => Number.isSafeInteger(one));
  return typeof dtype === "string" && areNumbers(shape) && areNumbers(offsets) && (offsets as number[]).length === 2;
}

function parseHeader(bytes: Uint8Array, name: string): { header: Record<string, unknown>; start: number } {
  if (bytes.length < 8) throw damaged(name, `it has ${bytes.length} bytes`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > bytes.length - 8) throw damaged(name, `a header of ${length} bytes does not fit in ${bytes.length}`);
  try {
    const header: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    if (typeof header !== "object" || header === null) throw new Error("the header is no object");
    return { header: header as Record<string, unknown>, start: 8 + length };
  } catch (problem) {
    throw damaged(name, problem instanceof Error ? problem.message : String(problem));
  }
}

/** Throws a `RuntimeFailure` of kind "files" where the file is damaged or holds something else than F32. */
export function decodeSafetensors(bytes: Uint8Array, name: string): Checkpoint {
  const { header, start } = parseHeader(bytes, name);
  const tensors: Record<string, NamedTensor> = {};
  const metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(header)) {
    if (key === "__metadata__") {
      for (const [word, text] of Object.entries(value ?? {})) metadata[word] = String(text);
      continue;
    }
    if (!isEntry(value)) throw damaged(name, `the entry of ${key} is not understood`);
    if (value.dtype !== "F32") throw damaged(name, `${key} is of type ${value.dtype}, not F32`);
    const [from, to] = value.data_offsets;
    const elements = value.shape.reduce((a, b) => a * b, 1);
    if (from < 0 || to - from !== 4 * elements || start + to > bytes.length)
      throw damaged(
        name,
        `${key} [${value.shape.join(", ")}] lies at ${from} to ${to} of ${bytes.length - start} bytes`,
      );
    tensors[key] = { shape: value.shape, data: new Float32Array(bytes.slice(start + from, start + to).buffer) };
  }
  return { tensors, metadata };
}
