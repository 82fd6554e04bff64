/**
 * Integer arithmetic in WGSL.
 *
 * In: an `Index`. Out: a u32 text. Sums and products of u32 wrap around, so a number below zero needs no sign as long
 * as the end of the sum is not below zero; only quotients, remainders, clamps and conversions to f32 look at the sign.
 * What holds: each part of an index is computed once, in the outermost block where its variables are known.
 */
import type { Atom, Index, Term } from "../../nest/integer.ts";
import { add, atomKey, divide, isConstant, subtract } from "../../nest/integer.ts";
import type { Printer, Text } from "./state.ts";
import { blockAt, emitAtHead, layoutOf, precedence, primary, wrap } from "./state.ts";

export function unsigned(value: number): string {
  return value < 0 ? `0x${(value >>> 0).toString(16)}u` : `${value}u`;
}

/** The index as u32 (below zero: wrapped around). */
export function printInteger(printer: Printer, value: Index): Text {
  if (isConstant(value)) return primary(unsigned(value.constant));
  return plusConstant(sumOrName(printer, value.terms), value.constant);
}

/** The index as a text that may be repeated: what is not trivial has a name. */
export function printRepeatable(printer: Printer, value: Index): Text {
  if (isConstant(value)) return primary(unsigned(value.constant));
  return plusConstant(primary(sumName(printer, value.terms)), value.constant);
}

/** As `printInteger`, but the last step is left to the reader's own `let`. */
function printUnnamed(printer: Printer, value: Index): Text {
  const only = value.terms[0];
  if (!only || value.constant !== 0) return printInteger(printer, value);
  if (value.terms.length === 1 && only.factor === 1) return atomText(printer, only.atom);
  return sumText(printer, value.terms);
}

function plusConstant(sum: Text, constant: number): Text {
  if (constant === 0) return sum;
  const text = `${wrap(sum, precedence.sum)} ${constant < 0 ? "-" : "+"} ${Math.abs(constant)}u`;
  return { text, precedence: precedence.sum };
}

/** The number of the innermost block that defines a variable of the value. */
export function depthOf(printer: Printer, value: Index): number {
  return Math.max(0, ...value.terms.map(({ atom }) => depthOfAtom(printer, atom)));
}

function depthOfAtom(printer: Printer, atom: Atom): number {
  if (atom.kind === "variable") return printer.depths.get(atom.name) ?? 0;
  return depthOf(printer, atom.kind === "element" ? atom.at : atom.of);
}

function define(printer: Printer, depth: number, key: string, hint: string, text: () => string): string {
  const block = blockAt(printer, depth);
  const known = block.names.get(key);
  if (known !== undefined) return known;
  const value = text();
  const name = printer.namer.fresh(hint);
  emitAtHead(block, `let ${name} = ${value};`);
  block.names.set(key, name);
  return name;
}

function sumKey(terms: readonly Term[]): string {
  const only = terms[0];
  if (only && terms.length === 1 && only.factor === 1) return only.key;
  return terms.map(({ factor, key }) => `${factor}*${key}`).join("+");
}

/** The sum itself where it is short, used once and of this block; else its name. */
function sumOrName(printer: Printer, terms: readonly Term[]): Text {
  const key = sumKey(terms);
  printer.sumUses.set(key, (printer.sumUses.get(key) ?? 0) + 1);
  const depth = Math.max(...terms.map(({ atom }) => depthOfAtom(printer, atom)));
  const here = depth === printer.blocks.length - 1 && !blockAt(printer, depth).names.has(key);
  if (here && terms.length <= 3 && printer.usedOnce?.has(key)) return sumText(printer, terms);
  return primary(sumName(printer, terms));
}

/** A name for the sum of the terms, which are not none. */
function sumName(printer: Printer, terms: readonly Term[]): string {
  const only = terms[0];
  if (only && terms.length === 1 && only.factor === 1) return atomName(printer, only.atom);
  const depth = Math.max(...terms.map(({ atom }) => depthOfAtom(printer, atom)));
  return define(printer, depth, sumKey(terms), "at", () => sumText(printer, terms).text);
}

/** What outer blocks know of the sum has a name there; the rest is added, large factors first. */
function sumText(printer: Printer, terms: readonly Term[]): Text {
  const depth = Math.max(...terms.map(({ atom }) => depthOfAtom(printer, atom)));
  const outer = terms.filter(({ atom }) => depthOfAtom(printer, atom) < depth);
  const inner = terms.filter((term) => !outer.includes(term));
  inner.sort((a, b) => b.factor - a.factor);
  let text = outer.length > 0 ? sumName(printer, outer) : "";
  let count = outer.length > 0 ? 1 : 0;
  for (const { atom, factor } of inner) {
    const size = Math.abs(factor);
    const product = size === 1 ? atomName(printer, atom) : `${size}u * ${atomName(printer, atom)}`;
    if (text === "") text = factor < 0 ? `0u - ${product}` : product;
    else text += factor < 0 ? ` - ${product}` : ` + ${product}`;
    count += factor < 0 ? 2 : 1;
  }
  return { text, precedence: count > 1 ? precedence.sum : precedence.product };
}

function atomName(printer: Printer, atom: Atom): string {
  if (atom.kind === "variable") return printer.namer.of(atom.name);
  const hint = atom.kind === "element" ? atom.buffer : "i";
  return define(printer, depthOfAtom(printer, atom), atomKey(atom), hint, () => atomText(printer, atom).text);
}

function atomText(printer: Printer, atom: Atom): Text {
  switch (atom.kind) {
    case "variable":
      return primary(printer.namer.of(atom.name));
    case "quotient":
      return quotientText(printer, atom.of, atom.divisor);
    case "remainder":
      return remainderText(printer, atom.of, atom.divisor);
    case "clamp":
      return primary(clampText(printer, atom.of, atom.minimum, atom.maximum));
    case "element":
      return elementText(printer, atom.buffer, atom.at);
  }
}

function isPowerOfTwo(value: number): boolean {
  return Math.log2(value) % 1 === 0;
}

/** The multiple of `divisor` that lifts the value to zero or above. */
function lift(value: Index, divisor: number): number {
  return Math.max(0, Math.ceil(-value.minimum / divisor));
}

function quotientText(printer: Printer, of: Index, divisor: number): Text {
  const lifted = lift(of, divisor);
  const value = printInteger(printer, add(of, lifted * divisor));
  const quotient: Text = isPowerOfTwo(divisor)
    ? { text: `${wrap(value, precedence.unary)} >> ${Math.log2(divisor)}u`, precedence: precedence.shift }
    : { text: `${wrap(value, precedence.product)} / ${divisor}u`, precedence: precedence.product };
  return plusConstant(quotient, -lifted);
}

function remainderText(printer: Printer, of: Index, divisor: number): Text {
  if (isPowerOfTwo(divisor)) return maskText(printInteger(printer, of), divisor - 1);
  const value = printInteger(printer, add(of, lift(of, divisor) * divisor));
  return { text: `${wrap(value, precedence.product)} % ${divisor}u`, precedence: precedence.product };
}

function maskText(value: Text, mask: number): Text {
  return { text: `${wrap(value, precedence.unary)} & ${mask}u`, precedence: precedence.bitwise };
}

function clampText(printer: Printer, of: Index, minimum: number, maximum: number): string {
  const value = printInteger(printer, of).text;
  const [above, below] = [of.minimum < minimum, of.maximum > maximum];
  if (of.minimum >= 0 && minimum >= 0) {
    if (above && below) return `clamp(${value}, ${minimum}u, ${maximum}u)`;
    return above ? `max(${value}, ${minimum}u)` : `min(${value}, ${maximum}u)`;
  }
  printer.usesWrapping = true;
  if (above && below) return `u32(clamp(i32(${value}), ${minimum}, ${maximum}))`;
  return above ? `u32(max(i32(${value}), ${minimum}))` : `u32(min(i32(${value}), ${maximum}))`;
}

function elementText(printer: Printer, buffer: string, at: Index): Text {
  if (layoutOf(printer, buffer) !== "bytes")
    return primary(`${printer.namer.of(buffer)}[${printInteger(printer, at).text}]`);
  return printByte(printer, buffer, at);
}

/** The byte at an index, out of its word. */
export function printByte(printer: Printer, buffer: string, at: Index): Text {
  const name = printer.namer.of(buffer);
  if (at.terms.every(({ factor }) => factor % 4 === 0)) {
    const word = `${name}[${printInteger(printer, divide(at, 4)).text}]`;
    return byteOfWord(word, at.constant - 4 * Math.floor(at.constant / 4));
  }
  const place = wrap(printRepeatable(printer, at), precedence.unary);
  const shifted = `${name}[${place} >> 2u] >> ((${place} & 3u) << 3u)`;
  return maskText({ text: shifted, precedence: precedence.shift }, 255);
}

/** Component 0 to 3 of a word. */
export function byteOfWord(word: string, component: number): Text {
  if (component === 0) return { text: `${word} & 255u`, precedence: precedence.bitwise };
  if (component === 3) return { text: `${word} >> 24u`, precedence: precedence.shift };
  return { text: `(${word} >> ${8 * component}u) & 255u`, precedence: precedence.bitwise };
}

/** The index as f32. */
export function printAsFloat(printer: Printer, value: Index): Text {
  if (isConstant(value)) return primary(`f32(${value.constant})`);
  const text = printInteger(printer, value).text;
  return primary(value.minimum < 0 ? `f32(i32(${text}))` : `f32(${text})`);
}

/** The value of a counter of a random number: 32 bits. */
export function printCounter(printer: Printer, value: Index): string {
  return printInteger(printer, value).text;
}

/** `minimum <= value <= maximum`; one comparison wherever possible, since what is below zero wraps to a large number. */
export function printInRange(printer: Printer, value: Index, minimum: number, maximum: number): Text {
  const [low, high] = [Math.max(minimum, value.minimum), Math.min(maximum, value.maximum)];
  if (low > high) return primary("false");
  if (low === value.minimum && high === value.maximum) return primary("true");
  const sum = subtract(value, value.constant);
  const relation = (operator: string, from: Index, bound: number): Text => {
    const text = `${printInteger(printer, from).text} ${operator} ${unsigned(bound)}`;
    return { text, precedence: precedence.relational };
  };
  if (low === high) return relation("==", sum, low - value.constant);
  if (sum.minimum >= 0) {
    if (low === value.minimum) return relation("<", sum, high - value.constant + 1);
    if (high === value.maximum) return relation(">=", sum, low - value.constant);
  }
  printer.usesWrapping = true;
  return relation("<", subtract(value, low), high - low + 1);
}

/** A `let` of the nest, in the outermost block that can have it. */
export function printLetIndex(printer: Printer, name: string, value: Index): void {
  const depth = depthOf(printer, value);
  const block = blockAt(printer, depth);
  const key = value.constant === 0 ? sumKey(value.terms) : value.key;
  const text = block.names.get(key) ?? printUnnamed(printer, value).text;
  emitAtHead(block, `let ${printer.namer.of(name)} = ${text};`);
  printer.depths.set(name, depth);
  if (!isConstant(value) && value.constant === 0 && !block.names.has(key)) block.names.set(key, printer.namer.of(name));
}
