/**
 * Loads of blocks that lie across the lanes: lanes whose elements are far apart, and several elements side by side in
 * each. They are loaded as whole vectors, one a lane, and transposed in registers, which takes half the instructions of
 * bringing each element to its lane.
 *
 * In: statements one after another. Out: which loads come from such a block, and code for them. What holds: a block's
 * vectors lie between elements that are loaded anyway, so nothing else is touched.
 */
import { add, type Index } from "../../nest/integer.ts";
import type { Condition, Expression, Statement } from "../../nest/loopNest.ts";
import { type LaneForm, operandsOf } from "./analysis.ts";
import { access, op, shuffle } from "./assembler.ts";
import { pointerTo, sumKey } from "./integers.ts";
import { type Column, type ColumnBlock, here, type KernelPrinter, newLocal, placeOf } from "./state.ts";

export const width = 4;
/** Lanes nearer to one another than this are loaded otherwise. */
export const farApart = 3;
/** Fewer elements of a block are loaded one by one. */
const leastWanted = 3;

export interface Gathered {
  readonly buffer: string;
  readonly rest: Index;
  readonly factor: number;
}

export const keyOf = ({ buffer, rest, factor }: Gathered): string => `${buffer}@${sumKey(rest.terms)}@${factor}`;

const columnKey = (gathered: Gathered): string => `${keyOf(gathered)}@${gathered.rest.constant}`;

function asGathered(printer: KernelPrinter, buffer: string, form: LaneForm): Gathered | undefined {
  if (form.kind !== "linear" || Math.abs(form.factor) < farApart || placeOf(printer, buffer).type !== "f32")
    return undefined;
  return { buffer, rest: form.rest, factor: form.factor };
}

/** Loads that these statements make whatever happens, in lanes far apart. */
function gatheredLoads(printer: KernelPrinter, statements: readonly Statement[]): Gathered[] {
  const found: Gathered[] = [];
  const visit = (expression: Expression): void => {
    if (expression.kind === "load") {
      const gathered = asGathered(printer, expression.buffer, printer.analysis.laneForm(expression.index));
      if (gathered) found.push(gathered);
    } else if (expression.kind !== "select") operandsOf(expression).forEach(visit);
    // Where lanes decide differently, both sides are computed.
    else if (printer.analysis.isVaryingCondition(expression.condition)) {
      visitCondition(expression.condition);
      operandsOf(expression).forEach(visit);
    }
  };
  const visitCondition = (condition: Condition): void => {
    if (condition.kind === "compare") [condition.left, condition.right].forEach(visit);
    else if (condition.kind === "not") visitCondition(condition.condition);
    else if (condition.kind !== "inRange") condition.conditions.forEach(visitCondition);
  };
  for (const statement of statements)
    if (statement.kind === "let" || statement.kind === "assign" || statement.kind === "store") visit(statement.value);
  return found;
}

function storedBuffers(statements: readonly Statement[], found = new Set<string>()): ReadonlySet<string> {
  for (const statement of statements)
    if (statement.kind === "store") found.add(statement.buffer);
    else if (statement.kind === "loop" || statement.kind === "if") storedBuffers(statement.body, found);
  return found;
}

/** Finds the blocks of a list of statements; returns the undoing, for when the list is printed. */
export function planColumns(printer: KernelPrinter, statements: readonly Statement[]): () => void {
  if (printer.nest.lanes !== width || printer.isGuarded) return () => {};
  const stored = storedBuffers(statements);
  const groups = new Map<string, Map<number, Gathered>>();
  for (const load of gatheredLoads(printer, statements)) {
    if (stored.has(load.buffer)) continue;
    const group = groups.get(keyOf(load)) ?? new Map<number, Gathered>();
    groups.set(keyOf(load), group.set(load.rest.constant, load));
  }
  const added: string[] = [];
  for (const group of groups.values())
    for (const [key, column] of blocksOf(group, printer.blocks.length)) {
      printer.columns.set(key, column);
      added.push(key);
    }
  return () => added.forEach((key) => printer.columns.delete(key));
}

/** Covers elements by blocks of four; the last block of a run ends with its last element. */
function blocksOf(group: ReadonlyMap<number, Gathered>, depth: number): [string, Column][] {
  const constants = [...group.keys()].toSorted((a, b) => a - b);
  const columns: [string, Column][] = [];
  for (let i = 0; i < constants.length;) {
    const first = constants[i] ?? 0;
    const covered = constants.filter((at) => at >= first && at < first + width);
    const last = covered.at(-1) ?? first;
    const from = constants.includes(first + width - 1) ? first : last - width + 1;
    const inBlock = constants.filter((at) => at >= from && at < from + width);
    const head = group.get(first);
    i += covered.length;
    // Only what lies between elements that are loaded anyway is sure to be in the buffer.
    if (!head || from < (constants[0] ?? 0) || inBlock.length < leastWanted) continue;
    const block: ColumnBlock = {
      buffer: head.buffer,
      start: add(head.rest, from - first),
      factor: head.factor,
      wanted: new Set(covered.map((at) => at - from)),
      locals: new Map(),
      depth,
    };
    for (const at of covered) {
      const load = group.get(at);
      if (load) columns.push([columnKey(load), { block, offset: at - from }]);
    }
  }
  return columns;
}

/** Pushes the elements of all lanes if they are a column of a block; returns whether they are. */
export function pushColumn(printer: KernelPrinter, buffer: string, form: LaneForm): boolean {
  if (printer.columns.size === 0 || printer.isGuarded) return false;
  const gathered = asGathered(printer, buffer, form);
  const column = gathered && printer.columns.get(columnKey(gathered));
  if (!column) return false;
  const { block, offset } = column;
  if (block.locals.size === 0) {
    // Inside of a branch it would be loaded for that branch alone.
    if (printer.blocks.length !== block.depth) return false;
    loadBlock(printer, block);
  }
  const local = block.locals.get(offset);
  if (local === undefined) return false;
  op(here(printer), "local.get", local);
  return true;
}

function loadBlock(printer: KernelPrinter, { buffer, start, factor, wanted, locals }: ColumnBlock): void {
  const rows = [0, 1, 2, 3].map((lane) => {
    const { local, displacement } = pointerTo(printer, buffer, add(start, lane * factor));
    const row = newLocal(printer, "v128");
    op(here(printer), "local.get", local);
    access(here(printer), "v128.load", displacement);
    op(here(printer), "local.set", row);
    return row;
  });
  for (const [offset, local] of transpose(printer, rows, wanted)) locals.set(offset, local);
}

type Order = readonly [number, number, number, number];

export function shuffled(printer: KernelPrinter, a: number, b: number, order: Order): number {
  const result = newLocal(printer, "v128");
  op(here(printer), "local.get", a);
  op(here(printer), "local.get", b);
  shuffle(here(printer), order);
  op(here(printer), "local.set", result);
  return result;
}

export const lowPairs: Order = [0, 4, 1, 5];
export const highPairs: Order = [2, 6, 3, 7];
const lowHalves: Order = [0, 1, 4, 5];
const highHalves: Order = [2, 3, 6, 7];

/** The columns of four vectors, those that are wanted, by their numbers. */
export function transpose(
  printer: KernelPrinter,
  rows: readonly number[],
  wanted: ReadonlySet<number>,
): Map<number, number> {
  const [a = 0, b = 0, c = 0, d = 0] = rows;
  const columns = new Map<number, number>();
  for (const [first, pairs] of [
    [0, lowPairs],
    [2, highPairs],
  ] as const) {
    if (!wanted.has(first) && !wanted.has(first + 1)) continue;
    const upper = shuffled(printer, a, b, pairs);
    const lower = shuffled(printer, c, d, pairs);
    if (wanted.has(first)) columns.set(first, shuffled(printer, upper, lower, lowHalves));
    if (wanted.has(first + 1)) columns.set(first + 1, shuffled(printer, upper, lower, highHalves));
  }
  return columns;
}

/** How many of the statements from `from` on define columns of one block; 0: none. */
export function definedTogether(printer: KernelPrinter, statements: readonly Statement[], from: number): number {
  const blockOf = (statement: Statement | undefined): ColumnBlock | undefined => {
    if (statement?.kind !== "let" || statement.value.kind !== "load") return undefined;
    const { buffer, index } = statement.value;
    const gathered = asGathered(printer, buffer, printer.analysis.laneForm(index));
    return gathered && printer.columns.get(columnKey(gathered))?.block;
  };
  const block = blockOf(statements[from]);
  let to = from;
  while (block && blockOf(statements[to]) === block) to++;
  return to - from;
}
