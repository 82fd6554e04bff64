/**
 * Straight-line code in pieces whose values fit the vector registers.
 *
 * In: pieces of definitions and stores. Out: code. What holds: at the end of a piece all that later ones need of it is stored,
 * to the thread's memory (what was only loaded is loaded again instead). Why: V8 keeps the order of loads and stores, so a piece
 * whose results are stored is computed before the next one's operands are loaded. Without, it holds the operands of the
 * whole run at a time, and moves each of the values that do not fit several times.
 */
import type { Expression, Statement } from "../../nest/loopNest.ts";
import { access, op } from "./assembler.ts";
import { pushVector } from "./expressions.ts";
import type { Piece } from "./ordering.ts";
import { here, type KernelPrinter, newLocal, parameter } from "./state.ts";

const vectorBytes = 16;
/** Values that may wait at a time, at the start of the kernel's scratch. */
const waitingPlaces = 64;
export const waitingBytes = vectorBytes * waitingPlaces;

/** A value that later pieces need. */
interface Waiting {
  /** The last piece that needs it. */
  readonly last: number;
  /** Where it lies in the thread's memory, or how it is loaded again. */
  readonly from: { readonly place: number } | { readonly value: Expression };
}

/** Prints the pieces one after another. */
export function printPieces(
  printer: KernelPrinter,
  pieces: readonly Piece[],
  printUnit: (statements: readonly Statement[]) => void,
): void {
  const lastUse = new Map<string, number>();
  pieces.forEach((piece, number) => piece.forEach(({ names }) => names.forEach((name) => lastUse.set(name, number))));
  const waiting = new Map<string, Waiting>();
  const free = Array.from({ length: waitingPlaces }, (_, place) => place).toReversed();
  pieces.forEach((piece, number) => {
    const known = new Set<string>();
    for (const { names, statements } of piece) {
      for (const name of names) {
        const from = known.has(name) ? undefined : waiting.get(name)?.from;
        if (from) bringBack(printer, name, from);
        known.add(name);
      }
      printUnit(statements);
      for (const statement of statements) {
        if (statement.kind !== "let") continue;
        known.add(statement.name);
        const last = lastUse.get(statement.name) ?? number;
        const from = last > number ? setAside(printer, statement, free) : undefined;
        if (from) waiting.set(statement.name, { last, from });
      }
    }
    for (const [name, { last, from }] of waiting) {
      if (last !== number) continue;
      waiting.delete(name);
      if ("place" in from) free.push(from.place);
    }
  });
}

/** Nothing: it stays in its local, and the engine finds a place for it. */
function setAside(
  printer: KernelPrinter,
  { name, value }: Extract<Statement, { kind: "let" }>,
  free: number[],
): Waiting["from"] | undefined {
  if (!printer.analysis.isVector(name)) return undefined;
  if (isPlainLoad(printer, value)) return { value };
  const [place, local] = [free.pop(), printer.values.get(name)];
  if (place === undefined || local === undefined) return undefined;
  op(here(printer), "local.get", parameter.scratch);
  op(here(printer), "local.get", local);
  access(here(printer), "v128.store", vectorBytes * place);
  return { place };
}

/** A load of four elements side by side, or of one for all lanes. */
function isPlainLoad(printer: KernelPrinter, value: Expression): boolean {
  if (value.kind !== "load") return false;
  const form = printer.analysis.laneForm(value.index);
  return form.kind === "linear" && (form.factor === 0 || form.factor === 1);
}

function bringBack(printer: KernelPrinter, name: string, from: Waiting["from"]): void {
  if ("value" in from) pushVector(printer, from.value);
  else {
    op(here(printer), "local.get", parameter.scratch);
    access(here(printer), "v128.load", vectorBytes * from.place);
  }
  const local = newLocal(printer, "v128");
  printer.values.set(name, local);
  op(here(printer), "local.set", local);
}
