/**
 * Stores of blocks that lie across the lanes: four elements side by side in lanes far apart, transposed and stored as one
 * vector a lane; or two in lanes that they fill, interleaved.
 *
 * In: statements one after another. Out: how many of them are stored together, and code for them.
 */
import { add } from "../../nest/integer.ts";
import type { Statement } from "../../nest/loopNest.ts";
import { access, op } from "./assembler.ts";
import { type Gathered, highPairs, keyOf, lowPairs, shuffled, transpose, width } from "./columns.ts";
import { pushVector } from "./expressions.ts";
import { pointerTo } from "./integers.ts";
import { readsOf } from "./statementReads.ts";
import { here, type KernelPrinter, newLocal, placeOf } from "./state.ts";

type Store = Extract<Statement, { kind: "store" }>;

/** How many of the statements from `from` on are stored as a block; 0: none. */
export function storedTogether(printer: KernelPrinter, statements: readonly Statement[], from: number): number {
  if (printer.nest.lanes !== width || printer.isGuarded || printer.mask !== undefined) return 0;
  for (const count of [width, width / 2]) {
    const stores = statements.slice(from, from + count);
    if (stores.length === count && isBlock(printer, stores)) return count;
  }
  return 0;
}

/** Whether these are stores of elements side by side: four in lanes far apart, or two in lanes that they fill. */
function isBlock(printer: KernelPrinter, statements: readonly Statement[]): statements is readonly Store[] {
  let first: Gathered | undefined;
  for (const [i, statement] of statements.entries()) {
    // All values are computed before the first is stored.
    if (statement.kind !== "store" || statement.where || readsOf(statement).buffers.includes(statement.buffer))
      return false;
    if (placeOf(printer, statement.buffer).type !== "f32") return false;
    const form = printer.analysis.laneForm(statement.index);
    if (form.kind !== "linear") return false;
    const { rest, factor } = form;
    const isFitting = statements.length === width ? Math.abs(factor) >= width : factor === statements.length;
    const store = { buffer: statement.buffer, rest, factor };
    first ??= store;
    // Keys are long: compared where all else fits.
    if (!isFitting || rest.constant !== first.rest.constant + i || keyOf(store) !== keyOf(first)) return false;
  }
  return first !== undefined;
}

/** Prints stores for which `storedTogether` gave their number. */
export function printStoredTogether(printer: KernelPrinter, statements: readonly Statement[]): void {
  const stores = statements.filter((statement): statement is Store => statement.kind === "store");
  const values = stores.map(({ value }) => {
    const local = newLocal(printer, "v128");
    pushVector(printer, value);
    op(here(printer), "local.set", local);
    return local;
  });
  const [first] = stores;
  const form = first && printer.analysis.laneForm(first.index);
  if (!first || form?.kind !== "linear") return;
  const [a = 0, b = 0] = values;
  const vectors =
    values.length === width
      ? [...transpose(printer, values, new Set([0, 1, 2, 3]))].map(([lane, local]) => ({
          at: lane * form.factor,
          local,
        }))
      : [lowPairs, highPairs].map((order, half) => ({ at: half * width, local: shuffled(printer, a, b, order) }));
  for (const { at, local: vector } of vectors) {
    const { local, displacement } = pointerTo(printer, first.buffer, add(form.rest, at));
    op(here(printer), "local.get", local);
    op(here(printer), "local.get", vector);
    access(here(printer), "v128.store", displacement);
  }
}
