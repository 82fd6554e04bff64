/**
 * What the WGSL printer knows while it prints: the open blocks, innermost last, with their lines.
 *
 * What holds: a name is defined in the outermost block where its value is known. While an inner block is being
 * printed, its lines are not yet in the outer block, so a definition appended to the outer block stands before it.
 */
import { InvariantError } from "../../graph/graph.ts";
import type { LoopNest } from "../../nest/loopNest.ts";
import type { HelperName } from "./helpers.ts";
import type { BlockUses, Layout, NestUses } from "./layout.ts";
import type { Namer } from "./names.ts";

export interface WgslOptions {
  /** The device has subgroups that all have `subgroupSize` lanes. */
  readonly subgroups: boolean;
  /** 0 where the size is not known or not fixed. */
  readonly subgroupSize: number;
  /**
   * Hides from the driver how often longer loops turn, so that it does not unroll them: software adapters do, and then
   * take seconds to compile what runs no faster.
   */
  readonly keepLoops?: boolean;
}

/** An integer that is 0, which the driver does not know (loops that it must not unroll). */
export const zeroName = "zero";
/** The lane's place in its workgroup, as a vector. */
export const localName = "localId";

/** How tightly the outermost operator of a text binds, by WGSL's grammar (which lets `&` and `<<` take only unaries). */
export const precedence = { bitwise: 0, logical: 1, relational: 2, shift: 3, sum: 4, product: 5, unary: 6, primary: 7 };

export interface Text {
  readonly text: string;
  readonly precedence: number;
}

/** Loaded elements that have a name: a quad of four from `start`, or one element. */
export interface NamedLoad {
  readonly buffer: string;
  readonly termsKey: string;
  readonly start: number;
  readonly width: 1 | 4;
  readonly name: string;
  /** Components stored to since. */
  readonly stale: Set<number>;
}

/** Stores to one quad that wait for each other. */
export interface PendingStore {
  readonly buffer: string;
  readonly termsKey: string;
  readonly start: number;
  readonly address: string;
  readonly where: string | undefined;
  readonly values: Map<number, string>;
  /** Variables that the values mention: a store must not wait beyond their assignment. */
  readonly mentions: Set<string>;
}

export interface Block {
  readonly lines: string[];
  /** Where integers and loads of constant memory go: before the statements that follow the last inner block. */
  head: number;
  /** Loads among them, so far. */
  headLoads: number;
  /** Names of integers and of other lanes' values, by key. */
  readonly names: Map<string, string>;
  readonly loads: Map<string, NamedLoad>;
  readonly pending: Set<PendingStore>;
  readonly uses: BlockUses;
  /** The `if` around masked stores that the lines end with. */
  mask: { readonly condition: string; readonly end: number } | undefined;
}

export interface Printer {
  readonly nest: LoopNest;
  readonly options: WgslOptions;
  readonly namer: Namer;
  readonly layouts: ReadonlyMap<string, Layout>;
  readonly uses: NestUses;
  /** Buffers that the nest stores to; and those among them that change until the next barrier. */
  readonly written: ReadonlySet<string>;
  stored: ReadonlySet<string>;
  /** Loads and stores in the nest's text. */
  readonly accesses: number;
  /** Whether a loop is open. */
  isRepeated: boolean;
  readonly helpers: Set<HelperName>;
  readonly blocks: Block[];
  /** The block in which each integer variable is defined. */
  readonly depths: Map<string, number>;
  /** Names of `variable` statements. */
  readonly variables: Set<string>;
  /** Counts the loads of changing memory that were printed inside an expression, without a name. */
  changingLoads: number;
  /** How often each sum of integers is needed; and from an earlier printing, which only once. */
  readonly sumUses: Map<string, number>;
  readonly usedOnce: ReadonlySet<string> | undefined;
  usesSubgroups: boolean;
  usesWrapping: boolean;
}

export function primary(text: string): Text {
  return { text, precedence: precedence.primary };
}

/** The text as an operand: in parentheses if it binds less tightly than `least`. */
export function wrap(part: Text, least: number): string {
  return part.precedence < least ? `(${part.text})` : part.text;
}

export function blockAt(printer: Printer, depth: number): Block {
  const block = printer.blocks[depth];
  if (!block) throw new InvariantError(`${printer.nest.name}: no block ${depth} is open`);
  return block;
}

export function innermost(printer: Printer): Block {
  return blockAt(printer, printer.blocks.length - 1);
}

export function emit(printer: Printer, ...lines: string[]): void {
  innermost(printer).lines.push(...lines);
}

/** Puts a line before the statements since the last inner block: it depends on nothing that they change. */
export function emitAtHead(block: Block, line: string): void {
  block.lines.splice(block.head++, 0, line);
  if (block.mask) block.mask = { ...block.mask, end: block.mask.end + 1 };
}

/** What comes now stays behind what is there: an inner block, or a barrier. */
export function closeHead(block: Block): void {
  block.head = block.lines.length;
  block.headLoads = 0;
}

export function layoutOf(printer: Printer, buffer: string): Layout {
  const layout = printer.layouts.get(buffer);
  if (!layout) throw new InvariantError(`${printer.nest.name}: there is no buffer ${buffer}`);
  return layout;
}
