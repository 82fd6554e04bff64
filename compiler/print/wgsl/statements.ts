/**
 * Statements in WGSL: blocks, loops, conditions, reductions over lanes.
 */
import { InvariantError } from "../../graph/graph.ts";
import type { LoopNest, Statement } from "../../nest/loopNest.ts";
import { printCondition, printExpression } from "./expressions.ts";
import type { ReductionName } from "./helpers.ts";
import { countWork } from "../../nest/countAccesses.ts";
import { storedBuffers } from "../../nest/verifyNest.ts";
import { printLetIndex } from "./integers.ts";
import { conditionReferences, forgetAtBarrier, forgetAtLoop, printStore, referencesOf } from "./memory.ts";
import { settleAll, settleMentions } from "./memory.ts";
import type { Block, Printer } from "./state.ts";
import { closeHead, emit, innermost, zeroName } from "./state.ts";

/** The lines of a block; `prepare` may define names in it first. */
export function printBlock(
  printer: Printer,
  statements: readonly Statement[],
  prepare: (depth: number) => void = () => {},
): string[] {
  const block: Block = {
    lines: [],
    head: 0,
    headLoads: 0,
    names: new Map(),
    loads: new Map(),
    pending: new Set(),
    uses: printer.uses.get(statements) ?? new Map(),
    mask: undefined,
  };
  printer.blocks.push(block);
  prepare(printer.blocks.length - 1);
  printStages(printer, statements);
  settleAll(printer);
  printer.blocks.pop();
  return block.lines;
}

const isBarrier = ({ kind }: Statement): boolean => kind === "barrier";

/** Between the barriers of a block that runs once, memory is constant that no statement there stores to. */
function printStages(printer: Printer, statements: readonly Statement[]): void {
  const { stored, isRepeated } = printer;
  const ends = statements.flatMap((statement, i) => (isBarrier(statement) ? [i] : []));
  let start = 0;
  for (const end of [...ends, statements.length]) {
    const stage = statements.slice(start, end);
    if (ends.length > 0 && !isRepeated) printer.stored = storedBuffers(stage);
    for (const statement of stage) printStatement(printer, statement);
    for (const barrier of statements.slice(end, end + 1)) printStatement(printer, barrier);
    start = end + 1;
  }
  printer.stored = stored;
}

function printStatement(printer: Printer, statement: Statement): void {
  switch (statement.kind) {
    case "let":
      return emitValue(printer, `let ${printer.namer.of(statement.name)}`, statement.value);
    case "letIndex":
      return printLetIndex(printer, statement.variable.name, statement.value);
    case "variable":
      printer.variables.add(statement.name);
      return emitValue(printer, `var ${printer.namer.of(statement.name)}`, statement.initial);
    case "assign":
      return printAssign(printer, statement);
    case "loop":
      return printLoop(printer, statement);
    case "if":
      return printIf(printer, statement);
    case "store":
      return printStoreStatement(printer, statement);
    case "barrier":
      settleAll(printer);
      forgetAtBarrier(printer);
      emit(printer, ...barrierLines(printer));
      return closeHead(innermost(printer));
    case "call":
      throw new InvariantError(`${printer.nest.name}: a WGSL kernel calls no other`);
    case "reduceLanes":
      return printReduction(printer, statement.operator, statement.names);
    case "comment":
      return emit(printer, `// ${statement.text}`);
  }
}

function emitValue(printer: Printer, target: string, value: Parameters<typeof printExpression>[1]): void {
  const { text } = printExpression(printer, value);
  // A bare literal would have WGSL's abstract type; `f32` says what a variable is.
  const typed = target.startsWith("var") && value.kind === "constant" ? `${target}: f32` : target;
  emit(printer, `${typed} = ${text};`);
}

function printAssign(printer: Printer, { name, value }: Extract<Statement, { kind: "assign" }>): void {
  const target = printer.namer.of(name);
  if (
    value.kind === "binary" &&
    value.operator === "add" &&
    value.left.kind === "reference" &&
    value.left.name === name
  ) {
    const { text } = printExpression(printer, value.right);
    settleMentions(printer, name);
    return emit(printer, `${target} += ${text};`);
  }
  const { text } = printExpression(printer, value);
  settleMentions(printer, name);
  emit(printer, `${target} = ${text};`);
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

/**
 * Mesa unrolls loops of up to so many operations in all their turns. In a kernel that stays short that does no harm; a long
 * one takes seconds to compile (as the square of its loads). Hiding the count of other loops would slow them down: then
 * every load in them tests which lanes still turn.
 */
const longestUnrolled = 1200;
const fewAccesses = 16;
/** Outermost loops of so few turns are unrolled with all the loops in them. */
const fewTurns = 4;

function unrollsBadly(printer: Printer, count: number, body: readonly Statement[]): boolean {
  if (count > 32) return false;
  if (count <= fewTurns && !printer.isRepeated && body.some(({ kind }) => kind === "loop")) return true;
  const { accesses, operations } = countWork(body, printer.nest.scratch);
  const unrolled = printer.accesses + accesses * (count - 1);
  return accesses > 0 && unrolled > fewAccesses && operations * count <= longestUnrolled;
}

function printLoop(printer: Printer, { variable, count, body }: Extract<Statement, { kind: "loop" }>): void {
  settleAll(printer);
  forgetAtLoop(printer, body);
  const name = printer.namer.of(variable.name);
  const { isRepeated } = printer;
  printer.isRepeated = true;
  const lines = printBlock(printer, body, (depth) => printer.depths.set(variable.name, depth));
  printer.isRepeated = isRepeated;
  const hides = printer.options.keepLoops === true && unrollsBadly(printer, count, body);
  const bound = hides ? `${count}u + ${zeroName}` : `${count}u`;
  emit(printer, `for (var ${name} = 0u; ${name} < ${bound}; ${name}++) {`, ...indented(lines), "}");
  closeHead(innermost(printer));
}

function printIf(printer: Printer, { condition, body }: Extract<Statement, { kind: "if" }>): void {
  const { text } = printCondition(printer, condition);
  settleAll(printer);
  const lines = printBlock(printer, body);
  emit(printer, `if (${text}) {`, ...indented(lines), "}");
  closeHead(innermost(printer));
}

function printStoreStatement(printer: Printer, statement: Extract<Statement, { kind: "store" }>): void {
  const { buffer, index } = statement;
  const mentions = referencesOf(statement.value);
  let where: string | undefined;
  if (statement.where) {
    const { where: condition } = statement;
    conditionReferences(condition, mentions);
    where = settled(printer, "mask", () => printCondition(printer, condition).text);
  }
  const value = settled(printer, "value", () => printExpression(printer, statement.value).text);
  const changing = mentions.filter((name) => printer.variables.has(name));
  printStore(printer, { buffer, index, value, where, mentions: changing });
}

/** The text, or a name for it if it reads memory that may have changed by the time the store is made. */
function settled(printer: Printer, hint: string, print: () => string): string {
  const before = printer.changingLoads;
  const text = print();
  if (printer.changingLoads === before) return text;
  const name = printer.namer.fresh(hint);
  emit(printer, `let ${name} = ${text};`);
  return name;
}

/** Lanes wait at either; each orders the accesses to one kind of memory. */
function barrierLines({ nest, written }: Printer): string[] {
  const isOrdered = {
    storage: nest.bindings.some(({ name }) => written.has(name)),
    workgroup: hasWorkgroupMemory(nest),
  };
  const storage = isOrdered.storage ? ["storageBarrier();"] : [];
  return isOrdered.workgroup || !isOrdered.storage ? [...storage, "workgroupBarrier();"] : storage;
}

function hasWorkgroupMemory({ scratch }: LoopNest): boolean {
  return scratch.some(({ perLane }) => !perLane);
}

function printReduction(printer: Printer, operator: "add" | "maximum", names: readonly string[]): void {
  settleAll(printer);
  emitReduction(printer, operator, names);
  closeHead(innermost(printer));
}

function emitReduction(printer: Printer, operator: "add" | "maximum", names: readonly string[]): void {
  const { lanes } = printer.nest;
  const { subgroups, subgroupSize } = printer.options;
  if (lanes === 1) return;
  if (subgroups && subgroupSize > 0) printer.usesSubgroups = true;
  if (subgroups && lanes <= subgroupSize) {
    const call = operator === "add" ? "subgroupAdd" : "subgroupMax";
    for (const name of names.map((each) => printer.namer.of(each))) emit(printer, `${name} = ${call}(${name});`);
    return;
  }
  const base = operator === "add" ? "sumOverLanes" : "maximumOverLanes";
  for (let first = 0; first < names.length; first += 4)
    printFour(
      printer,
      base,
      names.slice(first, first + 4).map((name) => printer.namer.of(name)),
    );
}

/** Four variables at a time are reduced as a vec4f. */
function printFour(printer: Printer, base: "sumOverLanes" | "maximumOverLanes", names: readonly string[]): void {
  const helper: ReductionName = names.length === 1 ? base : `${base}4`;
  printer.helpers.add(helper);
  const [first = ""] = names;
  if (names.length === 1) return emit(printer, `${first} = ${helper}(${first}, lane);`);
  const four = [0, 1, 2, 3].map((i) => names[i] ?? first);
  const reduced = printer.namer.fresh("reduced");
  emit(printer, `let ${reduced} = ${helper}(vec4f(${four.join(", ")}), lane);`);
  names.forEach((name, i) => emit(printer, `${name} = ${reduced}.${"xyzw"[i]};`));
}
