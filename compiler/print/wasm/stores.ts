/**
 * Stores.
 *
 * In: a store statement. Out: code. What holds: memory of masked lanes is not touched, not even by writing back what was
 * read: it may belong to another thread.
 */
import { InvariantError } from "../../graph/graph.ts";
import type { Condition, Statement } from "../../nest/loopNest.ts";
import { access, appendCode, byte, i32, op } from "./assembler.ts";
import type { LaneForm } from "./analysis.ts";
import { decide, pushMask, pushScalar, pushTruth, pushVector } from "./expressions.ts";
import { pointerTo } from "./integers.ts";
import { laneIndex } from "./lanes.ts";
import { here, inBlock, type KernelPrinter, newLocal, placeOf } from "./state.ts";

type Store = Extract<Statement, { kind: "store" }>;

const lanes = [0, 1, 2, 3] as const;
/** The value of a block that leaves nothing on the stack. */
export const empty = 0x40;

export function printStore(printer: KernelPrinter, store: Store): void {
  const { uniform, varying } = splitWhere(printer, store.where);
  if (uniform === false) return;
  const print = (): void => printMasked(printer, store, varying);
  if (uniform.length === 0) return print();
  printIf(printer, () => pushTruth(printer, { kind: "and", conditions: uniform }), print);
}

export function printIf(printer: KernelPrinter, pushCondition: () => void, print: () => void): void {
  pushCondition();
  const block = inBlock(printer, "if", undefined, print);
  const code = here(printer);
  op(code, "if");
  byte(code, empty);
  appendCode(code, block.code);
  op(code, "end");
}

/** The parts of a condition that all lanes decide alike (false: never), and the others. */
function splitWhere(
  printer: KernelPrinter,
  where: Condition | undefined,
): { uniform: readonly Condition[] | false; varying: readonly Condition[] } {
  if (!where) return { uniform: [], varying: [] };
  const parts = flatten(where);
  if (parts.some((part) => decide(printer, part) === false)) return { uniform: false, varying: [] };
  const open = parts.filter((part) => decide(printer, part) !== true);
  const isVarying = (part: Condition): boolean => printer.analysis.isVaryingCondition(part);
  return { uniform: open.filter((part) => !isVarying(part)), varying: open.filter(isVarying) };
}

function flatten(condition: Condition): Condition[] {
  return condition.kind === "and" ? condition.conditions.flatMap(flatten) : [condition];
}

function printMasked(printer: KernelPrinter, store: Store, varying: readonly Condition[]): void {
  const form = printer.analysis.laneForm(store.index);
  if (varying.length === 0 && printer.mask === undefined) return printWhole(printer, store, form);
  const wasGuarded = printer.isGuarded;
  printer.isGuarded = true;
  printSome(printer, store, form, varying);
  printer.isGuarded = wasGuarded;
}

function printSome(printer: KernelPrinter, store: Store, form: LaneForm, varying: readonly Condition[]): void {
  const condition: Condition = { kind: "and", conditions: varying };
  const decided = varying.length === 0 ? true : decide(printer, condition);
  if (printer.mask === undefined && typeof decided === "object")
    return printLanes(
      printer,
      store,
      form,
      lanes.filter((lane) => decided[lane]),
    );
  const value = keepVector(printer, store);
  const active = newLocal(printer, "i32");
  if (varying.length > 0) pushMask(printer, condition);
  if (printer.mask !== undefined) {
    op(here(printer), "local.get", printer.mask);
    if (varying.length > 0) op(here(printer), "v128.and");
  }
  op(here(printer), "i32x4.bitmask");
  op(here(printer), "local.set", active);
  storeActive(printer, store, form, value, active);
}

/** Stores the lanes whose bit is set; all at once where they lie side by side. */
function storeActive(printer: KernelPrinter, store: Store, form: LaneForm, value: number, active: number): void {
  const byLane = (): void => {
    for (const lane of lanes) {
      const pushBit = (): void => {
        op(here(printer), "local.get", active);
        i32(here(printer), 1 << lane);
        op(here(printer), "i32.and");
      };
      printIf(printer, pushBit, () => storeLane(printer, store.buffer, form, value, lane));
    }
  };
  if (form.kind === "each" || form.factor !== 1) return byLane();
  const all = inBlock(printer, "if", undefined, () => storeVector(printer, store.buffer, form, value));
  const some = inBlock(printer, "if", undefined, byLane);
  const code = here(printer);
  op(code, "local.get", active);
  i32(code, 15);
  op(code, "i32.eq");
  op(code, "if");
  byte(code, empty);
  appendCode(code, all.code);
  op(code, "else");
  appendCode(code, some.code);
  op(code, "end");
}

/** The value as a vector in a local, as it is to be in memory. */
function keepVector(printer: KernelPrinter, { buffer, value }: Store): number {
  const local = newLocal(printer, "v128");
  pushVector(printer, value);
  if (placeOf(printer, buffer).type === "u32") op(here(printer), "i32x4.trunc_sat_f32x4_u");
  op(here(printer), "local.set", local);
  return local;
}

function storeVector(printer: KernelPrinter, buffer: string, form: LaneForm, value: number): void {
  const { local, displacement } = pointerTo(printer, buffer, laneIndex(form, 0));
  op(here(printer), "local.get", local);
  op(here(printer), "local.get", value);
  access(here(printer), "v128.store", displacement);
}

function storeLane(printer: KernelPrinter, buffer: string, form: LaneForm, value: number, lane: number): void {
  const { local, displacement } = pointerTo(printer, buffer, laneIndex(form, lane));
  op(here(printer), "local.get", local);
  op(here(printer), "local.get", value);
  access(here(printer), "v128.store32_lane", displacement, lane);
}

function printLanes(printer: KernelPrinter, store: Store, form: LaneForm, which: readonly number[]): void {
  const value = keepVector(printer, store);
  for (const lane of which) storeLane(printer, store.buffer, form, value, lane);
}

function printWhole(printer: KernelPrinter, store: Store, form: LaneForm): void {
  const { buffer, value } = store;
  const { type } = placeOf(printer, buffer);
  if (type === "u8") throw new InvariantError(`${buffer} holds bytes, which kernels cannot store`);
  const isUniform = form.kind === "linear" && form.factor === 0;
  // Lanes that write to one place write the same.
  if (isUniform && printer.analysis.isVarying(value)) return printLanes(printer, store, form, [0]);
  if (!isUniform && !(form.kind === "linear" && form.factor === 1)) return printLanes(printer, store, form, lanes);
  const { local, displacement } = pointerTo(printer, buffer, laneIndex(form, 0));
  op(here(printer), "local.get", local);
  if (isUniform) pushScalar(printer, value);
  else pushVector(printer, value);
  if (type === "u32") op(here(printer), isUniform ? "i32.trunc_sat_f32_u" : "i32x4.trunc_sat_f32x4_u");
  access(here(printer), isUniform ? (type === "u32" ? "i32.store" : "f32.store") : "v128.store", displacement);
}
