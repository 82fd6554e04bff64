/**
 * The WebAssembly printer: loop nests become one module of SIMD kernels.
 *
 * In: loop nests of 1 or 4 lanes. Out: modules that import the shared memory `env.memory` and export a table `kernels` each:
 * functions (workgroup: i32, bindings: i32, scratch: i32). `bindings` points at the i32
 * addresses of the nest's bindings, `scratch` at `scratchBytes` of the calling thread's own memory. What holds: kernels
 * read at most 60 bytes before and after a binding and write nothing outside of it. The caller keeps all bindings and
 * the scratch above `lowestAddress` (8192).
 */
import { workgroupName, type LoopNest } from "../../nest/loopNest.ts";
import { mapAccesses } from "../../nest/mapAccesses.ts";

import { type Analysis, analyse } from "./analysis.ts";
import { access, createCode, encodeModule, op, type WasmFunction } from "./assembler.ts";
import type { WasmCode, WasmKernelPlace } from "./code.ts";
import { type HelperName, makeHelper } from "./helpers.ts";
import type { ValueType } from "./opcodes.ts";
import { type Block, type KernelPrinter, parameter, type Place } from "./state.ts";
import { printStatements } from "./statements.ts";

export { lowestAddress } from "./integers.ts";

export interface WasmOptions {
  /** The engine has relaxed SIMD: multiply-adds round once. */
  readonly relaxedSimd: boolean;
}

export const kernelType = { parameters: ["i32", "i32", "i32"], results: [] } as const;
/** Bytes between scratch arrays, which vector loads may run into. */
const scratchSlack = 64;

/** Prints all nests as one module. Throws an `InvariantError` for a nest that has no WebAssembly form. */
export function printWasmModule(nests: readonly LoopNest[], options: WasmOptions): WasmCode {
  const printer = createModulePrinter(options, Infinity);
  for (const nest of nests) printer.add(nest);
  return printer.finish();
}

export interface ModulePrinter {
  /** Kernels in the order of their numbers; gives the module that is full with this one. */
  readonly add: (nest: LoopNest) => Uint8Array | undefined;
  readonly finish: () => WasmCode;
}

/** Prints nests as they come, as modules of at most so many different kernels, which an engine can compile meanwhile. */
export function createModulePrinter(options: WasmOptions, kernelsAModule: number): ModulePrinter {
  const modules: Uint8Array[] = [];
  const kernels: WasmKernelPlace[] = [];
  // Equal kernels have one body, which is printed once.
  const places = new Map<LoopNest["body"], WasmKernelPlace>();
  let open: LoopNest[] = [];
  let scratchBytes = 0;
  const close = (): Uint8Array => {
    const helpers = createHelpers(open.length, options);
    const functions = open.map((nest) => {
      const scratch = layOutScratch(nest);
      scratchBytes = Math.max(scratchBytes, scratch.bytes);
      return printKernel(nest, scratch.places, options, helpers.numberOf);
    });
    const table = { exported: functions.map((_, place) => place) };
    const bytes = encodeModule({ functions: [...functions, ...helpers.functions()], table, exports: {} });
    modules.push(bytes);
    open = [];
    return bytes;
  };
  return {
    add(nest) {
      const found = places.get(nest.body);
      const place = found ?? { module: modules.length, place: open.length };
      kernels.push(place);
      if (found) return undefined;
      places.set(nest.body, place);
      open.push(nest);
      return open.length >= kernelsAModule ? close() : undefined;
    },
    finish() {
      if (open.length > 0 || modules.length === 0) close();
      return { modules, kernels, scratchBytes };
    },
  };
}

/** Helpers in the order in which they are first needed; they stand behind the kernels. */
function createHelpers(first: number, options: WasmOptions) {
  const numbers = new Map<HelperName, number>();
  const made: WasmFunction[] = [];
  const numberOf = (name: HelperName): number => {
    const found = numbers.get(name);
    if (found !== undefined) return found;
    const number = numbers.size;
    numbers.set(name, first + number);
    made[number] = makeHelper(name, numberOf, options);
    return first + number;
  };
  return { numberOf, functions: () => made };
}

/** Statements of the nest's body between which an array is used. */
interface Lifetime {
  first: number;
  last: number;
}

function lifetimes({ body, scratch }: LoopNest): ReadonlyMap<string, Lifetime> {
  const found = new Map<string, Lifetime>();
  const names = new Set(scratch.map(({ name }) => name));
  body.forEach((statement, at) => {
    mapAccesses([statement], (buffer, index) => {
      const known = found.get(buffer);
      if (known) known.last = at;
      else if (names.has(buffer)) found.set(buffer, { first: at, last: at });
      return { buffer, index };
    });
  });
  return found;
}

/** Displacements of the scratch arrays in the thread's memory: arrays that are not used at a time share it. */
function layOutScratch(nest: LoopNest): { places: ReadonlyMap<string, number>; bytes: number } {
  const lives = lifetimes(nest);
  const placed: { readonly start: number; readonly end: number; readonly life: Lifetime }[] = [];
  const places = new Map<string, number>();
  let bytes = 0;
  for (const { name, length } of nest.scratch) {
    const life = lives.get(name);
    if (!life) continue;
    const taken = placed
      .filter((other) => other.life.first <= life.last && life.first <= other.life.last)
      .toSorted((a, b) => a.start - b.start);
    const size = Math.ceil((4 * length) / scratchSlack) * scratchSlack + scratchSlack;
    let start = scratchSlack;
    for (const other of taken) {
      if (other.start - start >= size) break;
      start = Math.max(start, other.end);
    }
    placed.push({ start, end: start + size, life });
    places.set(name, start);
    bytes = Math.max(bytes, start + size);
  }
  return { places, bytes };
}

type ScratchPlaces = ReadonlyMap<string, number>;

function printKernel(
  nest: LoopNest,
  scratch: ScratchPlaces,
  options: WasmOptions,
  helper: (name: HelperName) => number,
): WasmFunction {
  const analysis = analyse(nest);
  const first = printOnce(nest, scratch, analysis, options, helper, new Map());
  // Addresses below their pointers: print again with pointers that start low enough.
  const { locals, code } =
    first.lowest.size > 0 ? printOnce(nest, scratch, analysis, options, helper, first.lowest) : first;
  return { type: kernelType, locals, code };
}

function printOnce(
  nest: LoopNest,
  scratch: ScratchPlaces,
  analysis: Analysis,
  { relaxedSimd }: WasmOptions,
  helper: (name: HelperName) => number,
  knownLowest: ReadonlyMap<string, number>,
) {
  const locals: ValueType[] = [...kernelType.parameters];
  const block: Block = {
    kind: "function",
    code: createCode(4096),
    integers: new Map(),
    counter: undefined,
    increments: [],
  };
  const printer: KernelPrinter = {
    nest,
    analysis,
    relaxedSimd,
    helper,
    places: placeBuffers(nest, scratch, locals, block),
    fences: 0,
    blocks: [block],
    locals,
    values: new Map(),
    variables: new Map([[workgroupName, { local: parameter.workgroup, depth: 0 }]]),
    lowest: new Map(),
    knownLowest,
    columns: new Map(),
    mask: undefined,
    isGuarded: false,
  };
  printStatements(printer, nest.body);
  return { locals: locals.slice(kernelType.parameters.length), code: block.code, lowest: printer.lowest };
}

/** Loads the bindings' addresses into locals. */
function placeBuffers(
  nest: LoopNest,
  scratch: ScratchPlaces,
  locals: ValueType[],
  { code }: Block,
): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  nest.bindings.forEach(({ name, type, length }, i) => {
    const local = locals.push("i32") - 1;
    op(code, "local.get", parameter.bindings);
    access(code, "i32.load", 4 * i);
    op(code, "local.set", local);
    places.set(name, { type, length, local, displacement: 0 });
  });
  for (const { name, length } of nest.scratch)
    places.set(name, {
      type: "f32",
      length,
      local: parameter.scratch,
      displacement: scratch.get(name) ?? 0,
    });
  return places;
}
