/**
 * WebAssembly's binary format: bytes of code, and modules.
 *
 * In: instructions one by one; functions with their types and locals. Out: a module's bytes. What holds: code is only
 * ever appended; addresses are aligned as f32 where nothing else is said.
 */
import { type Opcode, opcodes, type ValueType, valueTypes } from "./opcodes.ts";

/** A growing piece of code. */
export interface Code {
  bytes: Uint8Array;
  length: number;
}

export function createCode(capacity = 256): Code {
  return { bytes: new Uint8Array(capacity), length: 0 };
}

function reserve(code: Code, more: number): void {
  if (code.length + more <= code.bytes.length) return;
  const larger = new Uint8Array(Math.max(2 * code.bytes.length, code.length + more));
  larger.set(code.bytes.subarray(0, code.length));
  code.bytes = larger;
}

export function byte(code: Code, value: number): void {
  reserve(code, 1);
  code.bytes[code.length++] = value;
}

export function append(code: Code, bytes: ArrayLike<number>): void {
  reserve(code, bytes.length);
  code.bytes.set(bytes, code.length);
  code.length += bytes.length;
}

export function appendCode(code: Code, other: Code): void {
  append(code, other.bytes.subarray(0, other.length));
}

/** An unsigned number in LEB128. */
export function unsigned(code: Code, value: number): void {
  let rest = value >>> 0;
  while (rest >= 0x80) {
    byte(code, (rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  byte(code, rest);
}

/** A signed 32-bit number in LEB128. */
export function signed(code: Code, value: number): void {
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return byte(code, low);
    byte(code, low | 0x80);
  }
}

/** An instruction with up to two unsigned immediates (a local's number, a lane). */
export function op(code: Code, name: Opcode, first?: number, second?: number): void {
  const number = opcodes[name];
  if (number < 0x100) byte(code, number);
  else {
    byte(code, number >> 12);
    unsigned(code, number & 0xfff);
  }
  if (first !== undefined) unsigned(code, first);
  if (second !== undefined) unsigned(code, second);
}

/** Alignments other than that of f32, as powers of two. */
const alignments: Partial<Record<Opcode, number>> = {
  "i32.load8_u": 0,
  "i64.atomic.load": 3,
  "i64.atomic.store": 3,
  "i64.atomic.rmw.add": 3,
};

/** A load or store at a displacement; `lane` for those of a single lane. */
export function access(code: Code, name: Opcode, displacement: number, lane?: number): void {
  op(code, name, alignments[name] ?? 2, displacement);
  if (lane !== undefined) byte(code, lane);
}

export function i32(code: Code, value: number): void {
  op(code, "i32.const");
  signed(code, value);
}

const scratchFloats = new Float32Array(4);
const scratchIntegers = new Int32Array(scratchFloats.buffer);
const scratchBytes = new Uint8Array(scratchFloats.buffer);

export function i64(code: Code, value: number): void {
  op(code, "i64.const");
  signed(code, value);
}

export function f32(code: Code, value: number): void {
  op(code, "f32.const");
  scratchFloats[0] = value;
  append(code, scratchBytes.subarray(0, 4));
}

/** A vector of four f32 constants. */
export function f32x4(code: Code, lanes: readonly number[]): void {
  op(code, "v128.const");
  scratchFloats.set(lanes);
  append(code, scratchBytes);
}

/** A vector of four i32 constants. */
export function i32x4(code: Code, lanes: readonly number[]): void {
  op(code, "v128.const");
  scratchIntegers.set(lanes);
  append(code, scratchBytes);
}

/** Picks four of the eight elements of two vectors. */
export function shuffle(code: Code, lanes: readonly [number, number, number, number]): void {
  op(code, "i8x16.shuffle");
  for (const lane of lanes) for (let b = 0; b < 4; b++) byte(code, 4 * lane + b);
}

// --- modules ----------------------------------------------------------------------------------------------------

export interface FunctionType {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

export interface WasmFunction {
  readonly type: FunctionType;
  /** Besides the parameters. */
  readonly locals: readonly ValueType[];
  readonly code: Code;
}

function section(module: Code, number: number, write: (content: Code) => void): void {
  const content = createCode(1024);
  write(content);
  byte(module, number);
  unsigned(module, content.length);
  appendCode(module, content);
}

function text(code: Code, value: string): void {
  unsigned(code, value.length);
  for (let i = 0; i < value.length; i++) byte(code, value.charCodeAt(i));
}

function types(code: Code, list: readonly ValueType[]): void {
  unsigned(code, list.length);
  for (const type of list) byte(code, valueTypes[type]);
}

function functionBody(code: Code, { locals, code: body }: WasmFunction): void {
  const head = createCode(64);
  const runs: { type: ValueType; count: number }[] = [];
  for (const type of locals) {
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  unsigned(head, runs.length);
  for (const { type, count } of runs) {
    unsigned(head, count);
    byte(head, valueTypes[type]);
  }
  unsigned(code, head.length + body.length + 1);
  appendCode(code, head);
  appendCode(code, body);
  op(code, "end");
}

const largestMemoryPages = 65536;

/** All import the memory `env.memory` and the table `env.kernels`. */
export interface WasmModule {
  /** Whether the memory is one that threads share. */
  readonly sharedMemory: boolean;
  readonly functions: readonly WasmFunction[];
  /** How many functions, the first ones, go into the table, and from which place on. */
  readonly table: { readonly from: number; readonly count: number };
  /** Exported functions, by name. */
  readonly exports: Readonly<Record<string, number>>;
}

/** Numbers of the functions' types: equal types are one. */
function collectTypes(functions: readonly WasmFunction[]): { types: readonly FunctionType[]; numbers: number[] } {
  const keys = new Map<string, number>();
  const found: FunctionType[] = [];
  const numbers = functions.map(({ type }) => {
    const key = `${type.parameters.join()}:${type.results.join()}`;
    const number = keys.get(key) ?? found.push(type) - 1;
    keys.set(key, number);
    return number;
  });
  return { types: found, numbers };
}

/** What is said of a memory's size: it has a largest one, and threads share it or not. */
const memoryLimits = { shared: 3, unshared: 1 } as const;

function importSection(code: Code, { sharedMemory }: WasmModule): void {
  unsigned(code, 2);
  text(code, "env");
  text(code, "memory");
  append(code, [2, memoryLimits[sharedMemory ? "shared" : "unshared"]]);
  unsigned(code, 1);
  unsigned(code, largestMemoryPages);
  text(code, "env");
  text(code, "kernels");
  append(code, [1, 0x70, 0, 0]);
}

function exportSection(code: Code, { exports }: WasmModule): void {
  const entries = Object.entries(exports);
  unsigned(code, entries.length);
  for (const [name, number] of entries) {
    text(code, name);
    byte(code, 0);
    unsigned(code, number);
  }
}

/** Types that only calls through the table use stand behind those of the functions. */
export function encodeModule(module: WasmModule, callTypes: readonly FunctionType[] = []): Uint8Array {
  const { functions, table } = module;
  const all = collectTypes(functions);
  const binary = createCode(functions.reduce((sum, { code }) => sum + code.length + 64, 1024));
  append(binary, [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  section(binary, 1, (code) => {
    const list = [...all.types, ...callTypes];
    unsigned(code, list.length);
    for (const { parameters, results } of list) {
      byte(code, 0x60);
      types(code, parameters);
      types(code, results);
    }
  });
  section(binary, 2, (code) => importSection(code, module));
  section(binary, 3, (code) => {
    unsigned(code, all.numbers.length);
    for (const number of all.numbers) unsigned(code, number);
  });
  section(binary, 7, (code) => exportSection(code, module));
  section(binary, 9, (code) => {
    append(code, [1, 0]);
    i32(code, table.from);
    op(code, "end");
    unsigned(code, table.count);
    for (let number = 0; number < table.count; number++) unsigned(code, number);
  });
  section(binary, 10, (code) => {
    unsigned(code, functions.length);
    for (const item of functions) functionBody(code, item);
  });
  return binary.bytes.slice(0, binary.length);
}
