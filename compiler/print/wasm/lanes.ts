/**
 * Integers of four lanes, and tests of them.
 *
 * In: how an index depends on the lane. Out: code that leaves an i32x4 or a mask on the stack; or, where the compiler
 * knows it, the outcome of a test.
 */
import { add, constant, type Index, isConstant } from "../../nest/integer.ts";
import { type LaneForm, vectorLanes } from "./analysis.ts";
import { i32, i32x4, op } from "./assembler.ts";
import { pushInteger } from "./integers.ts";
import { here, type KernelPrinter } from "./state.ts";

const lanes = [0, 1, 2, 3] as const;

/** Pushes an integer of each lane as i32x4. */
export function pushIntegers(printer: KernelPrinter, form: LaneForm): void {
  if (form.kind === "each") {
    form.lanes.forEach((index, lane) => {
      pushInteger(printer, index);
      if (lane === 0) op(here(printer), "i32x4.splat");
      else op(here(printer), "i32x4.replace_lane", lane);
    });
    return;
  }
  const { rest, factor } = form;
  const steps = lanes.map((lane) => lane * factor + rest.constant);
  if (isConstant(rest)) return i32x4(here(printer), steps);
  pushInteger(printer, add(rest, -rest.constant));
  op(here(printer), "i32x4.splat");
  if (steps.every((step) => step === 0)) return;
  i32x4(here(printer), steps);
  op(here(printer), "i32x4.add");
}

/** A test of integers that the compiler can decide: for all lanes, or for each. */
export function decideRange(
  form: LaneForm,
  minimum: number,
  maximum: number,
): boolean | readonly boolean[] | undefined {
  const whole = form.kind === "each" ? form.whole : form.rest;
  const reach = form.kind === "each" ? 0 : (vectorLanes - 1) * form.factor;
  const [low, high] = [whole.minimum + Math.min(0, reach), whole.maximum + Math.max(0, reach)];
  if (minimum <= low && high <= maximum) return true;
  if (high < minimum || maximum < low) return false;
  if (form.kind === "each" || !isConstant(whole)) return undefined;
  return lanes.map((lane) => {
    const value = whole.constant + lane * form.factor;
    return minimum <= value && value <= maximum;
  });
}

/** Pushes whether an integer that is the same in all lanes lies in the range. */
export function pushInRange(printer: KernelPrinter, value: Index, minimum: number, maximum: number): void {
  // Constants are subtracted from the bounds, so that the sum without constant is shared.
  const offset = value.constant;
  const sum = add(value, -offset);
  if (value.minimum >= minimum) compareTo(printer, sum, maximum - offset, "i32.le_s");
  else if (value.maximum <= maximum) compareTo(printer, sum, minimum - offset, "i32.ge_s");
  else compareTo(printer, add(sum, offset - minimum), maximum - minimum, "i32.le_u");
}

function compareTo(
  printer: KernelPrinter,
  value: Index,
  bound: number,
  name: "i32.le_s" | "i32.ge_s" | "i32.le_u",
): void {
  pushInteger(printer, value);
  i32(here(printer), bound);
  op(here(printer), name);
}

/** Pushes the mask of the lanes whose integer lies in the range. */
export function pushLanesInRange(printer: KernelPrinter, form: LaneForm, minimum: number, maximum: number): void {
  const code = here(printer);
  if (form.kind === "linear") {
    const { rest, factor } = form;
    const ends = [rest, add(rest, (vectorLanes - 1) * factor)];
    const isAbove = ends.every((end) => end.minimum >= minimum);
    const isBelow = ends.every((end) => end.maximum <= maximum);
    if (isAbove || isBelow) {
      // splat(rest) compared with a bound of each lane's own
      const bound = (isAbove ? maximum : minimum) - rest.constant;
      pushInteger(printer, add(rest, -rest.constant));
      op(here(printer), "i32x4.splat");
      i32x4(
        here(printer),
        lanes.map((lane) => bound - lane * factor),
      );
      return op(here(printer), isAbove ? "i32x4.le_s" : "i32x4.ge_s");
    }
    pushIntegers(printer, { ...form, rest: add(rest, -minimum) });
  } else {
    pushIntegers(printer, form);
    i32x4(
      code,
      lanes.map(() => minimum),
    );
    op(code, "i32x4.sub");
  }
  i32x4(
    code,
    lanes.map(() => maximum - minimum),
  );
  op(code, "i32x4.le_u");
}

/** An index with its lanes spread out. */
export function laneIndex(form: LaneForm, lane: number): Index {
  if (form.kind === "linear") return add(form.rest, lane * form.factor);
  return form.lanes[lane] ?? constant(0);
}
