/**
 * The WebAssembly printer: loop nests become modules of SIMD kernels.
 *
 * In: loop nests of 1 or 4 lanes. Out: modules that import the memory `env.memory` and the table `env.kernels`, into
 * which they put functions (workgroup: i32, bindings: i32, scratch: i32). `bindings` points at the i32 addresses of the
 * nest's bindings, `scratch` at `scratchBytes` of the calling thread's own memory. What holds: kernels read at most 60 bytes
 * before and after a binding and write nothing outside of it. The caller keeps all bindings and the scratch above
 * `lowestAddress` (8192).
 */
import { InvariantError } from "../../graph/graph.ts";
import { workgroupName, type LoopNest } from "../../nest/loopNest.ts";
import { type Analysis, analyse } from "./analysis.ts";
import { access, createCode, encodeModule, op, type WasmFunction } from "./assembler.ts";
import { calledBy } from "./calls.ts";
import type { WasmCode } from "./code.ts";
import { nameColumns } from "./nameColumns.ts";
import { type HelperName, makeHelper } from "./helpers.ts";
import type { ValueType } from "./opcodes.ts";
import { layOutScratch, type ScratchLayout } from "./scratchLayout.ts";
import { type Block, type Calls, type KernelPrinter, parameter, type Place } from "./state.ts";
import { printStatements } from "./statements.ts";

export { lowestAddress } from "./integers.ts";

export interface WasmOptions {
  /** The engine has relaxed SIMD: multiply-adds round once. */
  readonly relaxedSimd: boolean;
  /** The engine keeps the order of code; not given: fences keep it. */
  readonly keepsOrder?: boolean;
  /** The memory is that of one thread; not given: threads share it. */
  readonly unsharedMemory?: boolean;
}

export const kernelType = { parameters: ["i32", "i32", "i32"], results: [] } as const;

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
  const { unsharedMemory = false } = options;
  const modules: Uint8Array[] = [];
  const kernels: number[] = [];
  // Equal kernels have one body, which is printed once.
  const places = new Map<LoopNest["body"], number>();
  let open: LoopNest[] = [];
  let scratchBytes = 0;
  const placeOf = ({ body, name }: LoopNest): number => {
    const place = places.get(body);
    if (place === undefined) throw new InvariantError(`${name} is called and not printed`);
    return place;
  };
  const close = (): Uint8Array => {
    const helpers = createHelpers(open.length, options);
    const functions = open.map((nest) => {
      const scratch = layOutScratch(nest);
      scratchBytes = Math.max(scratchBytes, scratch.bytes);
      return printKernel(nest, scratch, { ...options, placeOf, helper: helpers.numberOf });
    });
    const table = { from: places.size - open.length, count: open.length };
    const bytes = encodeModule({
      sharedMemory: !unsharedMemory,
      functions: [...functions, ...helpers.functions()],
      table,
      exports: {},
    });
    modules.push(bytes);
    open = [];
    return bytes;
  };
  const enter = (nest: LoopNest): void => {
    if (places.has(nest.body)) return;
    for (const called of calledBy(nest.body)) enter(called);
    places.set(nest.body, places.size);
    open.push(nest);
  };
  return {
    add(nest) {
      enter(nest);
      kernels.push(placeOf(nest));
      return open.length >= kernelsAModule ? close() : undefined;
    },
    finish() {
      if (open.length > 0 || modules.length === 0) close();
      const code = { modules, tableLength: places.size, kernels, scratchBytes };
      return unsharedMemory ? { ...code, unsharedMemory } : code;
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

interface KernelOptions extends WasmOptions {
  readonly helper: (name: HelperName) => number;
  readonly placeOf: Calls["placeOf"];
}

function printKernel(given: LoopNest, scratch: ScratchLayout, options: KernelOptions): WasmFunction {
  const nest = nameColumns(given);
  const analysis = analyse(nest);
  const first = printOnce(nest, scratch, analysis, options, new Map());
  // Addresses below their pointers: print again with pointers that start low enough.
  const { locals, code } = first.lowest.size > 0 ? printOnce(nest, scratch, analysis, options, first.lowest) : first;
  return { type: kernelType, locals, code };
}

function printOnce(
  nest: LoopNest,
  scratch: ScratchLayout,
  analysis: Analysis,
  { relaxedSimd, keepsOrder = false, helper, placeOf }: KernelOptions,
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
    keepsOrder,
    helper,
    places: placeBuffers(nest, scratch, locals, block),
    calls: { frame: scratch.frame, scratch: scratch.called, placeOf },
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
  scratch: ScratchLayout,
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
      displacement: scratch.places.get(name) ?? 0,
    });
  return places;
}
