/**
 * Loads.
 *
 * In: a buffer and an index. Out: code that leaves an f32, or an f32x4 with one element a lane, on the stack. What
 * holds: elements outside of a buffer are read only within 60 bytes of it, and never used.
 */
import { add, clamp, type Index } from "../../nest/integer.ts";
import { type LaneForm, vectorLanes } from "./analysis.ts";
import { access, op, shuffle } from "./assembler.ts";
import { pointerTo } from "./integers.ts";
import { here, type KernelPrinter, newLocal, placeOf } from "./state.ts";
import { pushColumn } from "./columns.ts";

const lanes = [0, 1, 2, 3] as const;

/** Where lanes may be masked, their index is brought back into the buffer. */
function safe(printer: KernelPrinter, buffer: string, at: Index, factor = 0): Index {
  if (!printer.isGuarded) return at;
  const reach = (vectorLanes - 1) * factor;
  return clamp(at, Math.min(0, -reach), placeOf(printer, buffer).length - 1 + Math.max(0, -reach));
}

/** Pushes an element as f32. */
export function pushElement(printer: KernelPrinter, buffer: string, at: Index): void {
  const { type } = placeOf(printer, buffer);
  if (type === "f32") return pushAccess(printer, "f32.load", buffer, safe(printer, buffer, at));
  pushAccess(printer, type === "u8" ? "i32.load8_u" : "i32.load", buffer, safe(printer, buffer, at));
  op(here(printer), "f32.convert_i32_u");
}

type LoadCode = "f32.load" | "i32.load" | "i32.load8_u" | "v128.load" | "v128.load32_splat" | "v128.load32_zero";

function pushAccess(printer: KernelPrinter, name: LoadCode, buffer: string, at: Index): void {
  const { local, displacement } = pointerTo(printer, buffer, at);
  op(here(printer), "local.get", local);
  access(here(printer), name, displacement);
}

/** Pushes the elements of all lanes as f32x4. */
export function pushElements(printer: KernelPrinter, buffer: string, form: LaneForm): void {
  const { type } = placeOf(printer, buffer);
  if (form.kind === "each") pushGathered(printer, buffer, form.lanes);
  else if (form.factor === 0) return pushSplat(printer, buffer, form.rest);
  else if (form.factor === 1) pushContiguous(printer, buffer, safe(printer, buffer, form.rest, 1));
  else if (Math.abs(form.factor) <= 2 && type !== "u8")
    pushStrided(printer, buffer, safe(printer, buffer, form.rest, form.factor), form.factor);
  else if (!pushColumn(printer, buffer, form)) {
    const { rest, factor } = form;
    pushGathered(
      printer,
      buffer,
      lanes.map((lane) => add(rest, lane * factor)),
    );
  }
  if (type !== "f32") op(here(printer), "f32x4.convert_i32x4_u");
}

function pushSplat(printer: KernelPrinter, buffer: string, at: Index): void {
  if (placeOf(printer, buffer).type === "f32")
    return pushAccess(printer, "v128.load32_splat", buffer, safe(printer, buffer, at));
  pushElement(printer, buffer, at);
  op(here(printer), "f32x4.splat");
}

function pushContiguous(printer: KernelPrinter, buffer: string, at: Index): void {
  if (placeOf(printer, buffer).type !== "u8") return pushAccess(printer, "v128.load", buffer, at);
  pushAccess(printer, "v128.load32_zero", buffer, at);
  op(here(printer), "i16x8.extend_low_i8x16_u");
  op(here(printer), "i32x4.extend_low_i16x8_u");
}

/** Every second element, backwards or both: one or two vectors and a shuffle. */
function pushStrided(printer: KernelPrinter, buffer: string, at: Index, factor: number): void {
  if (factor === -1) {
    const vector = newLocal(printer, "v128");
    pushAccess(printer, "v128.load", buffer, add(at, -3));
    op(here(printer), "local.tee", vector);
    op(here(printer), "local.get", vector);
    return shuffle(here(printer), [3, 2, 1, 0]);
  }
  const first = factor > 0 ? at : add(at, -6);
  pushAccess(printer, "v128.load", buffer, first);
  // The second vector starts with the last element of the first and ends with the last one wanted.
  pushAccess(printer, "v128.load", buffer, add(first, 3));
  shuffle(here(printer), factor > 0 ? [0, 2, 5, 7] : [7, 5, 2, 0]);
}

function pushGathered(printer: KernelPrinter, buffer: string, at: readonly Index[]): void {
  const isByte = placeOf(printer, buffer).type === "u8";
  const pointers = at.map((index) => pointerTo(printer, buffer, safe(printer, buffer, index)));
  const code = here(printer);
  if (isByte) {
    pointers.forEach(({ local, displacement }, lane) => {
      op(code, "local.get", local);
      access(code, "i32.load8_u", displacement);
      if (lane === 0) op(code, "i32x4.splat");
      else op(code, "i32x4.replace_lane", lane);
    });
    return;
  }
  // The addresses of later lanes wait on the stack, the last one lowest.
  for (const { local } of pointers.toReversed()) op(code, "local.get", local);
  pointers.forEach(({ displacement }, lane) => {
    if (lane === 0) access(code, "v128.load32_zero", displacement);
    else access(code, "v128.load32_lane", displacement, lane);
  });
}
