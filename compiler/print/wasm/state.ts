/**
 * What the printer knows while it prints one kernel: the open blocks, innermost last, with their code.
 *
 * What holds: a definition goes to the end of the outermost block where its value is known. While an inner block is
 * being printed, its code is not yet in the outer block, so the definition stands before it; and since a definition
 * leaves WebAssembly's stack as it was, it may stand in the middle of an expression.
 */
import { InvariantError } from "../../graph/graph.ts";
import type { Index } from "../../nest/integer.ts";
import type { ElementType, LoopNest } from "../../nest/loopNest.ts";
import type { Analysis } from "./analysis.ts";
import { type Code, createCode } from "./assembler.ts";
import type { HelperName } from "./helpers.ts";
import type { ValueType } from "./opcodes.ts";

/** Where a binding or a scratch array lies: at a local's address plus a constant number of bytes. */
export interface Place {
  readonly type: ElementType;
  readonly length: number;
  readonly local: number;
  readonly displacement: number;
}

export interface Block {
  readonly kind: "function" | "loop" | "if";
  readonly code: Code;
  /** Locals that hold integers and pointers, by key. */
  readonly integers: Map<string, number>;
  /** Of a loop: its counter, and the pointers that move by so many bytes at the end of each turn. */
  readonly counter: string | undefined;
  readonly increments: { readonly local: number; readonly step: number }[];
}

/** Four elements side by side in each of four lanes, from `start` on. */
export interface ColumnBlock {
  readonly buffer: string;
  readonly start: Index;
  readonly factor: number;
  /** Which of the four are wanted, and the locals that hold them once they are loaded. */
  readonly wanted: Set<number>;
  readonly locals: Map<number, number>;
  /** Open blocks where it is loaded. */
  readonly depth: number;
}

export interface Column {
  readonly block: ColumnBlock;
  readonly offset: number;
}

/** How the kernel calls others. */
export interface Calls {
  /** Displacements in the thread's memory: of the addresses that are handed over, and of what the other may use. */
  readonly frame: number;
  readonly scratch: number;
  /** Where in the table a nest's function is. */
  readonly placeOf: (nest: LoopNest) => number;
}

export interface KernelPrinter {
  readonly nest: LoopNest;
  readonly analysis: Analysis;
  readonly relaxedSimd: boolean;
  readonly keepsOrder: boolean;
  /** The number of a helper function. */
  readonly helper: (name: HelperName) => number;
  readonly places: ReadonlyMap<string, Place>;
  readonly calls: Calls;
  readonly blocks: Block[];
  /** Number of fences so far. */
  fences: number;
  /** Types of all locals, parameters included. */
  readonly locals: ValueType[];
  /** Locals of `let`s and variables. */
  readonly values: Map<string, number>;
  /** Integer variables: the local, and the block that defines it. */
  readonly variables: Map<string, { readonly local: number; readonly depth: number }>;
  /** The lowest displacement below zero of each pointer's uses: as found now, and in an earlier printing. */
  readonly lowest: Map<string, number>;
  readonly knownLowest: ReadonlyMap<string, number>;
  /** Loads that come from a block across the lanes. */
  readonly columns: Map<string, Column>;
  /** The local with the mask of active lanes, inside of an `if` that lanes decide differently. */
  mask: number | undefined;
  /** Some lanes are masked: their indices may be anywhere. */
  isGuarded: boolean;
}

/** Locals of a kernel's parameters. */
export const parameter = { workgroup: 0, bindings: 1, scratch: 2 } as const;

export const elementBytes: Readonly<Record<ElementType, number>> = { f32: 4, u32: 4, u8: 1 };

export function blockAt(printer: KernelPrinter, depth: number): Block {
  const block = printer.blocks[depth];
  if (!block) throw new InvariantError(`${printer.nest.name}: no block ${depth} is open`);
  return block;
}

export function innermost(printer: KernelPrinter): Block {
  return blockAt(printer, printer.blocks.length - 1);
}

/** The code of the innermost block. */
export function here(printer: KernelPrinter): Code {
  return innermost(printer).code;
}

export function placeOf(printer: KernelPrinter, buffer: string): Place {
  const place = printer.places.get(buffer);
  if (!place) throw new InvariantError(`${printer.nest.name}: there is no buffer ${buffer}`);
  return place;
}

export function newLocal(printer: KernelPrinter, type: ValueType): number {
  return printer.locals.push(type) - 1;
}

/** Prints with the block at `depth` as the innermost one. */
export function atDepth(printer: KernelPrinter, depth: number, print: () => void): void {
  if (depth === printer.blocks.length - 1) return print();
  const inner = printer.blocks.splice(depth + 1);
  print();
  printer.blocks.push(...inner);
}

/** Prints into a new block inside of the innermost one, and returns it closed. */
export function inBlock(
  printer: KernelPrinter,
  kind: Block["kind"],
  counter: string | undefined,
  print: (block: Block) => void,
): Block {
  const block: Block = { kind, code: createCode(), integers: new Map(), counter, increments: [] };
  printer.blocks.push(block);
  print(block);
  printer.blocks.pop();
  return block;
}
