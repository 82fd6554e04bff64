/**
 * How each buffer of a nest is declared in WGSL, decided by its accesses.
 *
 * In: a nest. Out: the accesses of each block, grouped by aligned quads of four elements, and a layout for each buffer.
 * What holds: a quad is aligned if all factors of the index are multiples of 4, so that the component is known; an f32
 * buffer becomes `array<vec4f>` where that makes the accesses cheaper, by the cost table below, and never if a store
 * to it has an unknown component.
 */
import { type Index, termsKey } from "../../nest/integer.ts";
import type { Condition, Expression, LoopNest, Statement } from "../../nest/loopNest.ts";

/** `scalar` array<f32>; `quads` array<vec4f>; `words` array<u32>; `bytes` array<u32>, each holding four u8. */
export type Layout = "scalar" | "quads" | "words" | "bytes";

/** The loads of one quad (or, unaligned, of one element), or the broadcasts of one value, in one block. */
export interface Use {
  readonly components: Set<number>;
  count: number;
}

export type BlockUses = ReadonlyMap<string, Use>;
/** By the block's statements. */
export type NestUses = ReadonlyMap<readonly Statement[], BlockUses>;

/** Where an element lies: in a quad at a known component, or at an unknown one. */
export interface Place {
  readonly aligned: boolean;
  /** Equal for elements whose distance is known. */
  readonly termsKey: string;
  /** The constant of the quad's first element (of the element itself where it is not aligned). */
  readonly start: number;
  readonly component: number;
  readonly key: string;
}

export function placeOf(buffer: string, index: Index): Place {
  const aligned = index.terms.every(({ factor }) => factor % 4 === 0);
  const terms = termsKey(index);
  const component = aligned ? index.constant - 4 * Math.floor(index.constant / 4) : 0;
  const start = index.constant - component;
  return { aligned, termsKey: terms, start, component, key: `${buffer}[${terms}+${start}]${aligned ? "/4" : ""}` };
}

/**
 * Nanoseconds on lavapipe for 8 lanes; on GPUs the proportions are similar. One load of a vec4 costs less than two of
 * f32; an element at an unknown component of a vec4 costs a little more than in an array of f32.
 */
const cost = { scalar: 7, quad: 13, unknownComponent: 9 };

interface Tally {
  quads: number;
  scalar: number;
  quadsPossible: boolean;
}

interface Collector {
  readonly uses: Map<readonly Statement[], Map<string, Use>>;
  readonly tallies: Map<string, Tally>;
}

interface Access {
  readonly place: Place;
  readonly buffer: string;
}

/** What a block reads: elements of buffers, and the keys of other lanes' values. */
interface Reads {
  readonly loads: Access[];
  readonly broadcasts: string[];
}

/** The key of a broadcast among the uses of a block. */
export function broadcastKey(name: string, subgroupLane: number): string {
  return `broadcast ${name} ${subgroupLane}`;
}

export function collectUses(nest: LoopNest): { uses: NestUses; layouts: ReadonlyMap<string, Layout> } {
  const collector: Collector = { uses: new Map(), tallies: new Map() };
  collectBlock(collector, nest.body, 1);
  const layouts = new Map<string, Layout>();
  for (const { name, type } of nest.bindings)
    layouts.set(name, type === "u32" ? "words" : type === "u8" ? "bytes" : chooseLayout(collector.tallies.get(name)));
  for (const { name } of nest.scratch) layouts.set(name, chooseLayout(collector.tallies.get(name)));
  return { uses: collector.uses, layouts };
}

function chooseLayout(tally: Tally | undefined): Layout {
  return tally?.quadsPossible && tally.quads < tally.scalar ? "quads" : "scalar";
}

function collectBlock(collector: Collector, statements: readonly Statement[], times: number): void {
  const reads: Reads = { loads: [], broadcasts: [] };
  const stores: Access[] = [];
  const expression = (value: Expression) => readsOf(value, reads);
  for (const statement of statements) {
    if (statement.kind === "let" || statement.kind === "assign") expression(statement.value);
    else if (statement.kind === "variable") expression(statement.initial);
    else if (statement.kind === "if") readsOfCondition(statement.condition, reads);
    else if (statement.kind === "store") {
      expression(statement.value);
      if (statement.where) readsOfCondition(statement.where, reads);
      stores.push({ place: placeOf(statement.buffer, statement.index), buffer: statement.buffer });
    }
    if (statement.kind === "loop") collectBlock(collector, statement.body, times * statement.count);
    if (statement.kind === "if") collectBlock(collector, statement.body, times);
  }
  const uses = group(reads.loads);
  for (const key of reads.broadcasts) countUse(uses, key, 0);
  collector.uses.set(statements, uses);
  tally(collector, reads.loads, times, (components) => (components >= 2 ? cost.quad : cost.scalar));
  tally(collector, stores, times, (components) => (components === 4 ? cost.quad : components * cost.scalar));
  for (const { place, buffer } of stores) if (!place.aligned) tallyOf(collector, buffer).quadsPossible = false;
}

function group(accesses: readonly Access[]): Map<string, Use> {
  const uses = new Map<string, Use>();
  for (const { place } of accesses) countUse(uses, place.key, place.component);
  return uses;
}

function countUse(uses: Map<string, Use>, key: string, component: number): void {
  const use = uses.get(key) ?? { components: new Set(), count: 0 };
  use.components.add(component);
  use.count++;
  uses.set(key, use);
}

function tallyOf(collector: Collector, buffer: string): Tally {
  let found = collector.tallies.get(buffer);
  if (!found) collector.tallies.set(buffer, (found = { quads: 0, scalar: 0, quadsPossible: true }));
  return found;
}

function tally(
  collector: Collector,
  accesses: readonly Access[],
  times: number,
  quadCost: (components: number) => number,
): void {
  const uses = group(accesses);
  for (const { place, buffer } of accesses) {
    const use = uses.get(place.key);
    if (!use) continue;
    uses.delete(place.key);
    const sum = tallyOf(collector, buffer);
    sum.scalar += times * use.components.size * cost.scalar;
    sum.quads += times * (place.aligned ? quadCost(use.components.size) : cost.unknownComponent);
  }
}

function readsOf(expression: Expression, into: Reads): void {
  switch (expression.kind) {
    case "load":
      into.loads.push({ place: placeOf(expression.buffer, expression.index), buffer: expression.buffer });
      return;
    case "unary":
      return readsOf(expression.operand, into);
    case "binary":
      return [expression.left, expression.right].forEach((part) => readsOf(part, into));
    case "multiplyAdd":
      return [expression.a, expression.b, expression.c].forEach((part) => readsOf(part, into));
    case "select":
      readsOfCondition(expression.condition, into);
      return [expression.then, expression.otherwise].forEach((part) => readsOf(part, into));
    case "broadcast":
      into.broadcasts.push(broadcastKey(expression.name, expression.subgroupLane));
      return;
    case "constant":
    case "reference":
    case "index":
    case "random":
      return;
  }
}

function readsOfCondition(condition: Condition, into: Reads): void {
  switch (condition.kind) {
    case "compare":
      return [condition.left, condition.right].forEach((part) => readsOf(part, into));
    case "and":
    case "or":
      return condition.conditions.forEach((part) => readsOfCondition(part, into));
    case "not":
      return readsOfCondition(condition.condition, into);
    case "inRange":
      return;
  }
}
