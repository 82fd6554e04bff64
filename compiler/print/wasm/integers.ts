/**
 * Integers and addresses in WebAssembly.
 *
 * In: indices that do not depend on the lane. Out: code that leaves an i32 on the stack, or a pointer with a constant
 * displacement. What holds: each part of an index is computed once, in the outermost block where its variables are
 * known; what is linear in a loop's counter is a pointer that moves with the loop. i32 wraps around, so only quotients,
 * remainders, clamps and comparisons look at the sign.
 */
import { InvariantError } from "../../graph/graph.ts";
import { add, type Atom, clamp, type Index, isConstant, type Term } from "../../nest/integer.ts";
import { access, i32, op } from "./assembler.ts";
import { atDepth, blockAt, elementBytes, here, innermost, type KernelPrinter, newLocal, placeOf } from "./state.ts";

/** Pushes the index. */
export function pushInteger(printer: KernelPrinter, value: Index): void {
  if (isConstant(value)) return i32(here(printer), value.constant);
  const local = sumLocal(printer, value.terms);
  op(here(printer), "local.get", local);
  if (value.constant !== 0) {
    i32(here(printer), value.constant);
    op(here(printer), "i32.add");
  }
}

/** Defines an integer variable in the outermost block that can have it. */
export function defineInteger(printer: KernelPrinter, name: string, value: Index): void {
  const depth = depthOf(printer, value.terms);
  const local = newLocal(printer, "i32");
  atDepth(printer, depth, () => {
    pushInteger(printer, value);
    op(here(printer), "local.set", local);
  });
  printer.variables.set(name, { local, depth });
}

function depthOf(printer: KernelPrinter, terms: readonly Term[]): number {
  let depth = 0;
  for (const { atom } of terms) depth = Math.max(depth, depthOfAtom(printer, atom));
  return depth;
}

function depthOfAtom(printer: KernelPrinter, atom: Atom): number {
  if (atom.kind === "variable") return variableOf(printer, atom.name).depth;
  if (atom.kind !== "element") return depthOf(printer, atom.of.terms);
  // What a condition guards is not read outside of it.
  const guard = printer.blocks.findLastIndex(({ kind }) => kind === "if");
  return Math.max(guard, depthOf(printer, atom.at.terms), 0);
}

function variableOf(printer: KernelPrinter, name: string): { readonly local: number; readonly depth: number } {
  const found = printer.variables.get(name);
  if (!found) throw new InvariantError(`${printer.nest.name}: the integer ${name} is not defined here`);
  return found;
}

function known(printer: KernelPrinter, key: string): number | undefined {
  for (let depth = printer.blocks.length - 1; depth >= 0; depth--) {
    const found = printer.blocks[depth]?.integers.get(key);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The local of a value that `push` leaves on the stack of the block at `depth`. */
function define(printer: KernelPrinter, depth: number, key: string, push: () => void): number {
  const found = known(printer, key);
  if (found !== undefined) return found;
  const local = newLocal(printer, "i32");
  atDepth(printer, depth, () => {
    push();
    op(here(printer), "local.set", local);
    innermost(printer).integers.set(key, local);
  });
  return local;
}

const sumKeys = new WeakMap<readonly Term[], string>();

/** Names a sum of terms. */
export function sumKey(terms: readonly Term[]): string {
  let key = sumKeys.get(terms);
  if (key === undefined) {
    key = terms.map((term) => `${term.factor}*${term.key}`).join("+");
    sumKeys.set(terms, key);
  }
  return key;
}

function sumLocal(printer: KernelPrinter, terms: readonly Term[]): number {
  const only = terms[0];
  if (only && terms.length === 1 && only.factor === 1) return atomLocal(printer, only);
  const depth = depthOf(printer, terms);
  return define(printer, depth, sumKey(terms), () => {
    const outer = terms.filter(({ atom }) => depthOfAtom(printer, atom) < depth);
    let isFirst = outer.length === 0;
    if (!isFirst) op(here(printer), "local.get", sumLocal(printer, outer));
    for (const term of terms) {
      if (outer.includes(term)) continue;
      pushProduct(printer, term);
      if (!isFirst) op(here(printer), "i32.add");
      isFirst = false;
    }
  });
}

function pushProduct(printer: KernelPrinter, term: Term): void {
  const local = atomLocal(printer, term);
  const code = here(printer);
  op(code, "local.get", local);
  scale(printer, term.factor);
}

function scale(printer: KernelPrinter, factor: number): void {
  if (factor === 1) return;
  const code = here(printer);
  const shift = Math.log2(factor);
  i32(code, Number.isInteger(shift) ? shift : factor);
  op(code, Number.isInteger(shift) ? "i32.shl" : "i32.mul");
}

function atomLocal(printer: KernelPrinter, { atom, key }: Term): number {
  if (atom.kind === "variable") return variableOf(printer, atom.name).local;
  return define(printer, depthOfAtom(printer, atom), key, () => pushAtom(printer, atom));
}

function pushAtom(printer: KernelPrinter, atom: Exclude<Atom, { kind: "variable" }>): void {
  switch (atom.kind) {
    case "quotient":
      return pushQuotient(printer, atom.of, atom.divisor);
    case "remainder":
      return pushRemainder(printer, atom.of, atom.divisor);
    case "clamp":
      if (atom.of.minimum < atom.minimum)
        pushBounded(printer, () => pushUpper(printer, atom), atom.minimum, "i32.gt_s");
      else pushUpper(printer, atom);
      return;
    case "element": {
      const { type, length } = placeOf(printer, atom.buffer);
      const at = printer.isGuarded ? clamp(atom.at, 0, length - 1) : atom.at;
      const { local, displacement } = pointerTo(printer, atom.buffer, at);
      op(here(printer), "local.get", local);
      access(here(printer), type === "u8" ? "i32.load8_u" : "i32.load", displacement);
    }
  }
}

/** The multiple of `divisor` that lifts the value to zero or above. */
function lift(value: Index, divisor: number): number {
  return Math.max(0, Math.ceil(-value.minimum / divisor));
}

function pushQuotient(printer: KernelPrinter, of: Index, divisor: number): void {
  const shift = Math.log2(divisor);
  if (Number.isInteger(shift)) {
    pushInteger(printer, of);
    i32(here(printer), shift);
    return op(here(printer), "i32.shr_s");
  }
  const lifted = lift(of, divisor);
  pushInteger(printer, add(of, lifted * divisor));
  i32(here(printer), divisor);
  op(here(printer), "i32.div_u");
  if (lifted === 0) return;
  i32(here(printer), lifted);
  op(here(printer), "i32.sub");
}

function pushRemainder(printer: KernelPrinter, of: Index, divisor: number): void {
  const isPowerOfTwo = Number.isInteger(Math.log2(divisor));
  pushInteger(printer, isPowerOfTwo ? of : add(of, lift(of, divisor) * divisor));
  i32(here(printer), isPowerOfTwo ? divisor - 1 : divisor);
  op(here(printer), isPowerOfTwo ? "i32.and" : "i32.rem_u");
}

function pushUpper(printer: KernelPrinter, { of, maximum }: Extract<Atom, { kind: "clamp" }>): void {
  if (of.maximum > maximum) pushBounded(printer, () => pushInteger(printer, of), maximum, "i32.lt_s");
  else pushInteger(printer, of);
}

/** Pushes the value where it compares so with the bound, else the bound. */
function pushBounded(printer: KernelPrinter, push: () => void, bound: number, better: "i32.lt_s" | "i32.gt_s"): void {
  const value = newLocal(printer, "i32");
  push();
  const code = here(printer);
  op(code, "local.tee", value);
  i32(code, bound);
  op(code, "local.get", value);
  i32(code, bound);
  op(code, better);
  op(code, "select");
}

// --- addresses --------------------------------------------------------------------------------------------------

/** A local's value plus a constant that is not below zero, in bytes. */
export interface Pointer {
  readonly local: number;
  readonly displacement: number;
}

/**
 * Addresses lie above this many bytes (the caller of a kernel sees to it), so a pointer may be moved down by as much
 * without a wrap-around.
 */
export const lowestAddress = 8192;

/** The address of an element, shared with all addresses of the buffer that differ from it by a constant. */
export function pointerTo(printer: KernelPrinter, buffer: string, at: Index): Pointer {
  const place = placeOf(printer, buffer);
  const size = elementBytes[place.type];
  // WebAssembly adds displacements without wrap-around: what varies must not be below zero by itself.
  const low = Math.min(0, at.minimum - at.constant);
  const key = `${buffer}@${sumKey(at.terms)}`;
  const displacement = size * (at.constant + low) + place.displacement;
  if (displacement < 0) printer.lowest.set(key, Math.min(displacement, printer.lowest.get(key) ?? 0));
  const shared = printer.knownLowest.get(key) ?? 0;
  const below = shared <= displacement && shared > -lowestAddress / 2 ? shared : Math.min(displacement, 0);
  const local = pointerLocal(printer, buffer, at.terms, below - size * low);
  return { local, displacement: displacement - below };
}

/** The local with the buffer's base plus the terms plus `bias` bytes. */
function pointerLocal(printer: KernelPrinter, buffer: string, terms: readonly Term[], bias: number): number {
  const place = placeOf(printer, buffer);
  if (terms.length === 0 && bias === 0) return place.local;
  const size = elementBytes[place.type];
  const key = `${buffer}@${sumKey(terms)}@${bias}`;
  const found = known(printer, key);
  if (found !== undefined) return found;
  const depth = depthOf(printer, terms);
  const block = blockAt(printer, depth);
  const inner = terms.filter(({ atom }) => depthOfAtom(printer, atom) === depth);
  const counter = inner.find(({ atom }) => atom.kind === "variable" && atom.name === block.counter);
  const start = (rest: readonly Term[], moved: readonly Term[]) => (): void => {
    op(here(printer), "local.get", pointerLocal(printer, buffer, rest, 0));
    if (moved.length > 0) {
      op(here(printer), "local.get", sumLocal(printer, moved));
      scale(printer, size);
      op(here(printer), "i32.add");
    }
    if (bias === 0) return;
    i32(here(printer), bias);
    op(here(printer), "i32.add");
  };
  if (counter && inner.length === 1) {
    const rest = terms.filter((term) => term !== counter);
    const local = newLocal(printer, "i32");
    atDepth(printer, depth - 1, () => {
      start(rest, [])();
      op(here(printer), "local.set", local);
    });
    block.increments.push({ local, step: counter.factor * size });
    block.integers.set(key, local);
    return local;
  }
  const moved = inner.filter((term) => term !== counter);
  const rest = terms.filter((term) => !moved.includes(term));
  return define(printer, depth, key, start(rest, moved));
}
