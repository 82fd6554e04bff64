/**
 * Loads and stores in WGSL.
 *
 * In: the loads and stores of straight-line blocks, in order. Out: few memory accesses: an aligned quad that a block
 * uses more than once is loaded once into a vec4f, and stores to all four components of a quad become one.
 * What holds: a load sees every store before it. A store may wait for the rest of its quad, but not beyond a load that
 * may read it, a store that may overwrite it, a change of a variable that it mentions, or the end of the block.
 */
import type { Condition, Expression, Statement } from "../../nest/loopNest.ts";
import type { Index } from "../../nest/integer.ts";
import { divide } from "../../nest/integer.ts";
import { storedBuffers } from "../../nest/verifyNest.ts";
import { byteOfWord, printByte, printInteger, printRepeatable } from "./integers.ts";
import type { Place } from "./layout.ts";
import { placeOf } from "./layout.ts";
import type { Block, NamedLoad, PendingStore, Printer, Text } from "./state.ts";
import { emit, emitAtHead, innermost, layoutOf, precedence, primary, wrap } from "./state.ts";

const components = ["x", "y", "z", "w"] as const;

const mostHeadLoads = 32;
/** Longer stores of four values take a line for each. */
const longestLine = 100;

function componentName(component: number): string {
  return components[component] ?? "x";
}

// --- loads ------------------------------------------------------------------------------------------------------

/** The element as f32. */
export function printLoad(printer: Printer, buffer: string, index: Index): Text {
  const layout = layoutOf(printer, buffer);
  const place = placeOf(buffer, index);
  settleBefore(printer, buffer, place);
  const quad = place.aligned && (layout === "quads" || layout === "bytes");
  const named = findNamed(printer, place, quad);
  if (named) return componentOf(printer, named, place.component);
  const use = innermost(printer).uses.get(place.key);
  if (!use || use.count < 2) return directLoad(printer, buffer, index, place);
  const load = nameLoad(printer, buffer, index, place, quad && use.components.size > 1);
  return componentOf(printer, load, place.component);
}

/** Stores that this load might read are made first. */
function settleBefore(printer: Printer, buffer: string, place: Place): void {
  const block = innermost(printer);
  for (const pending of block.pending) {
    if (pending.buffer !== buffer) continue;
    const component = place.start + place.component - pending.start;
    const apart = pending.termsKey === place.termsKey && place.aligned && !pending.values.has(component);
    if (!apart) settle(block, pending);
  }
}

function findNamed(printer: Printer, place: Place, quad: boolean): NamedLoad | undefined {
  const keys = quad ? [place.key, `${place.key}.${place.component}`] : [`${place.key}.${place.component}`];
  for (const block of printer.blocks.toReversed())
    for (const key of keys) {
      const load = block.loads.get(key);
      if (load && !load.stale.has(load.width === 4 ? place.component : 0)) return load;
    }
  return undefined;
}

function componentOf(printer: Printer, load: NamedLoad, component: number): Text {
  if (load.width === 1) return primary(load.name);
  if (layoutOf(printer, load.buffer) === "bytes") return primary(`f32(${byteOfWord(load.name, component).text})`);
  return primary(`${load.name}.${componentName(component)}`);
}

function nameLoad(printer: Printer, buffer: string, index: Index, place: Place, quad: boolean): NamedLoad {
  const { termsKey, start, component, key } = place;
  const text = quad ? quadText(printer, buffer, index) : loadText(printer, buffer, index, place).text;
  const name = printer.namer.fresh(buffer);
  const block = innermost(printer);
  // Loads together, before the arithmetic, are faster; too many at once would fill the registers.
  const early = !printer.stored.has(buffer) && block.headLoads < mostHeadLoads;
  if (early) {
    emitAtHead(block, `let ${name} = ${text};`);
    block.headLoads++;
  } else emit(printer, `let ${name} = ${text};`);
  const load: NamedLoad = quad
    ? { buffer, termsKey, start, width: 4, name, stale: waitingComponents(printer, buffer, place) }
    : { buffer, termsKey, start: start + component, width: 1, name, stale: new Set() };
  block.loads.set(quad ? key : `${key}.${component}`, load);
  return load;
}

/** Components of the quad whose stores still wait: what is loaded now is not their value. */
function waitingComponents(printer: Printer, buffer: string, { termsKey, start }: Place): Set<number> {
  const waiting = [...innermost(printer).pending].filter(
    (pending) => pending.buffer === buffer && pending.termsKey === termsKey && pending.start === start,
  );
  return new Set(waiting.flatMap(({ values }) => [...values.keys()]));
}

function directLoad(printer: Printer, buffer: string, index: Index, place: Place): Text {
  if (printer.stored.has(buffer)) printer.changingLoads++;
  return loadText(printer, buffer, index, place);
}

function quadText(printer: Printer, buffer: string, index: Index): string {
  return `${printer.namer.of(buffer)}[${printInteger(printer, divide(index, 4)).text}]`;
}

function loadText(printer: Printer, buffer: string, index: Index, place: Place): Text {
  switch (layoutOf(printer, buffer)) {
    case "quads":
      return primary(elementPlace(printer, buffer, index, place));
    case "scalar":
      return primary(`${printer.namer.of(buffer)}[${printInteger(printer, index).text}]`);
    case "words":
      return primary(`f32(${printer.namer.of(buffer)}[${printInteger(printer, index).text}])`);
    case "bytes":
      return primary(`f32(${printByte(printer, buffer, index).text})`);
  }
}

/** `x[at0 + 1u].y`, or where the component is not known `x[at0 >> 2u][at0 & 3u]`. */
function elementPlace(printer: Printer, buffer: string, index: Index, place: Place): string {
  if (place.aligned) return `${quadText(printer, buffer, index)}.${componentName(place.component)}`;
  const at = wrap(printRepeatable(printer, index), precedence.unary);
  return `${printer.namer.of(buffer)}[${at} >> 2u][${at} & 3u]`;
}

// --- forgetting -------------------------------------------------------------------------------------------------

/** Named loads that a store may have changed are loaded again when next used. */
function noteStore(printer: Printer, buffer: string, place: Place): void {
  for (const block of printer.blocks)
    for (const [key, load] of block.loads) {
      if (load.buffer !== buffer) continue;
      const distance = place.start + place.component - load.start;
      if (load.termsKey !== place.termsKey) block.loads.delete(key);
      else if (distance >= 0 && distance < load.width) load.stale.add(distance);
    }
}

function forget(printer: Printer, buffers: ReadonlySet<string>): void {
  for (const block of printer.blocks)
    for (const [key, load] of block.loads) if (buffers.has(load.buffer)) block.loads.delete(key);
}

/** After a barrier other lanes' stores are visible. */
export function forgetAtBarrier(printer: Printer): void {
  forget(printer, printer.written);
}

/** Before a loop: its body's later stores come before its next round's loads. */
export function forgetAtLoop(printer: Printer, body: readonly Statement[]): void {
  forget(printer, hasBarrier(body) ? printer.written : storedBuffers(body));
}

function hasBarrier(statements: readonly Statement[]): boolean {
  return statements.some(
    (statement) =>
      statement.kind === "barrier" ||
      ((statement.kind === "loop" || statement.kind === "if") && hasBarrier(statement.body)),
  );
}

// --- stores -----------------------------------------------------------------------------------------------------

/** A store whose value and condition are printed; `mentions` are the variables in them. */
export interface PrintedStore {
  readonly buffer: string;
  readonly index: Index;
  readonly value: string;
  readonly where: string | undefined;
  readonly mentions: readonly string[];
}

export function printStore(printer: Printer, store: PrintedStore): void {
  const { buffer, index, value, where } = store;
  const place = placeOf(buffer, index);
  const layout = layoutOf(printer, buffer);
  noteStore(printer, buffer, place);
  if (layout === "quads" && place.aligned) return postpone(printer, store, place);
  const target = `${printer.namer.of(buffer)}[${printInteger(printer, index).text}]`;
  emitMasked(innermost(printer), where, `${target} = ${layout === "words" ? `u32(${value})` : value};`);
}

function postpone(printer: Printer, store: PrintedStore, place: Place): void {
  const block = innermost(printer);
  const { buffer, where } = store;
  const { termsKey, start, component } = place;
  let partner: PendingStore | undefined;
  for (const pending of block.pending) {
    if (pending.buffer !== buffer) continue;
    const sameQuad = pending.termsKey === termsKey && pending.start === start;
    const apart = pending.termsKey === termsKey && pending.start !== start;
    if (sameQuad && pending.where === where && !pending.values.has(component)) partner = pending;
    else if (!apart) settle(block, pending);
  }
  if (!partner) {
    const address = quadText(printer, buffer, store.index);
    partner = { buffer, termsKey, start, address, where, values: new Map(), mentions: new Set() };
    block.pending.add(partner);
  }
  partner.values.set(component, store.value);
  for (const name of store.mentions) partner.mentions.add(name);
  if (partner.values.size === 4) settle(block, partner);
}

function settle(block: Block, pending: PendingStore): void {
  block.pending.delete(pending);
  const { address, where, values } = pending;
  const inOrder = [...values].sort(([a], [b]) => a - b);
  if (inOrder.length === 4)
    return emitMasked(
      block,
      where,
      ...quadStore(
        address,
        inOrder.map(([, value]) => value),
      ),
    );
  for (const [component, value] of inOrder)
    emitMasked(block, where, `${address}.${componentName(component)} = ${value};`);
}

/** Makes the stores that still wait: at the end of a block, before loops, `if`s and barriers. */
export function settleAll(printer: Printer): void {
  const block = innermost(printer);
  for (const pending of block.pending) settle(block, pending);
}

/** Makes the waiting stores whose value a change of `name` would change. */
export function settleMentions(printer: Printer, name: string): void {
  const block = innermost(printer);
  for (const pending of block.pending) if (pending.mentions.has(name)) settle(block, pending);
}

function quadStore(address: string, values: readonly string[]): string[] {
  const line = `${address} = ${wholeQuad(values) ?? `vec4f(${values.join(", ")})`};`;
  if (line.length <= longestLine) return [line];
  return [`${address} = vec4f(`, ...values.map((value) => `  ${value},`), ");"];
}

/** The name of the quad whose components these are. */
function wholeQuad(values: readonly string[]): string | undefined {
  const name = /^\w+(?=\.x$)/.exec(values[0] ?? "")?.[0];
  return values.every((value, i) => value === `${name}.${componentName(i)}`) ? name : undefined;
}

/** Neighbouring stores under one condition share an `if`. */
function emitMasked(block: Block, where: string | undefined, ...lines: string[]): void {
  if (where === undefined || where === "true") {
    block.lines.push(...lines);
    return;
  }
  const inside = lines.map((line) => `  ${line}`);
  if (block.mask?.condition === where && block.mask.end === block.lines.length) block.lines.splice(-1, 0, ...inside);
  else block.lines.push(`if (${where}) {`, ...inside, "}");
  block.mask = { condition: where, end: block.lines.length };
}

// --- what an expression depends on ------------------------------------------------------------------------------

/** The f32 names in an expression. */
export function referencesOf(expression: Expression, into: string[] = []): string[] {
  switch (expression.kind) {
    case "reference":
    case "broadcast":
      into.push(expression.name);
      break;
    case "unary":
      referencesOf(expression.operand, into);
      break;
    case "binary":
      [expression.left, expression.right].forEach((part) => referencesOf(part, into));
      break;
    case "multiplyAdd":
      [expression.a, expression.b, expression.c].forEach((part) => referencesOf(part, into));
      break;
    case "select":
      conditionReferences(expression.condition, into);
      [expression.then, expression.otherwise].forEach((part) => referencesOf(part, into));
      break;
    case "constant":
    case "index":
    case "load":
    case "random":
      break;
  }
  return into;
}

export function conditionReferences(condition: Condition, into: string[] = []): string[] {
  switch (condition.kind) {
    case "compare":
      [condition.left, condition.right].forEach((part) => referencesOf(part, into));
      break;
    case "and":
    case "or":
      condition.conditions.forEach((part) => conditionReferences(part, into));
      break;
    case "not":
      conditionReferences(condition.condition, into);
      break;
    case "inRange":
      break;
  }
  return into;
}
