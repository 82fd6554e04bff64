/**
 * Statements in WebAssembly: blocks, loops, conditions, reductions over lanes.
 */
import type { Expression, Statement } from "../../nest/loopNest.ts";
import { printStoredTogether, storedTogether } from "./blockStores.ts";
import { printCall } from "./calls.ts";
import { definedTogether, planColumns } from "./columns.ts";
import { appendCode, byte, i32, op, shuffle } from "./assembler.ts";
import { decide, localOf, pushMask, pushScalar, pushTruth, pushVector } from "./expressions.ts";
import { fencedPieces } from "./fences.ts";
import { defineInteger } from "./integers.ts";
import { arrange, isArranged } from "./ordering.ts";
import { printPieces } from "./pieces.ts";
import { type Block, here, inBlock, type KernelPrinter, newLocal, parameter } from "./state.ts";
import { empty, printIf, printStore } from "./stores.ts";

export function printStatements(printer: KernelPrinter, statements: readonly Statement[]): void {
  const forgetColumns = planColumns(printer, statements);
  if (isArranged(statements)) printArranged(printer, statements);
  else if (printer.keepsOrder) printEach(printer, statements);
  else printWithFences(printer, statements);
  forgetColumns();
}

function printArranged(printer: KernelPrinter, statements: readonly Statement[]): void {
  const blockFrom = (from: number): number =>
    definedTogether(printer, statements, from) || storedTogether(printer, statements, from);
  const pieces = arrange(statements, blockFrom);
  if (printer.keepsOrder) for (const unit of pieces.flat()) printEach(printer, unit.statements);
  else printPieces(printer, pieces, (unit) => printEach(printer, unit));
}

function printWithFences(printer: KernelPrinter, statements: readonly Statement[]): void {
  let done = 0;
  for (const { start, end } of fencedPieces(statements, printer.relaxedSimd)) {
    printEach(printer, statements.slice(done, start));
    printFenced(printer, statements.slice(start, end));
    done = end;
  }
  printEach(printer, statements.slice(done));
}

function printEach(printer: KernelPrinter, statements: readonly Statement[]): void {
  for (let i = 0; i < statements.length;) {
    const together = storedTogether(printer, statements, i);
    if (together > 0) printStoredTogether(printer, statements.slice(i, i + together));
    else for (const statement of statements.slice(i, i + 1)) printStatement(printer, statement);
    i += Math.max(1, together);
  }
}

/**
 * Inside of a loop that goes round for a workgroup below zero: never, but the engine cannot know it, and as each fence
 * has a number of its own, cannot conclude it from the fence before.
 */
function printFenced(printer: KernelPrinter, statements: readonly Statement[]): void {
  const code = here(printer);
  op(code, "loop");
  byte(code, empty);
  printEach(printer, statements);
  op(code, "local.get", parameter.workgroup);
  i32(code, -++printer.fences);
  op(code, "i32.eq");
  op(code, "br_if", 0);
  op(code, "end");
}

function printStatement(printer: KernelPrinter, statement: Statement): void {
  switch (statement.kind) {
    case "let":
      return printDefinition(printer, statement.name, statement.value);
    case "variable":
      return printDefinition(printer, statement.name, statement.initial);
    case "assign":
      return printAssign(printer, statement.name, statement.value);
    case "letIndex": {
      const form = printer.analysis.laneForm(statement.value);
      // What differs between lanes stands in the indices themselves.
      if (form.kind === "linear" && form.factor === 0) defineInteger(printer, statement.variable.name, form.rest);
      return;
    }
    case "loop":
      return printLoop(printer, statement);
    case "if":
      return printCondition(printer, statement);
    case "store":
      return printStore(printer, statement);
    case "call":
      return printCall(printer, statement);
    case "reduceLanes":
      if (printer.nest.lanes > 1) for (const name of statement.names) reduceLanes(printer, statement.operator, name);
      return;
    case "barrier":
    case "comment":
      return;
  }
}

function pushAs(printer: KernelPrinter, name: string, value: Expression): void {
  if (printer.analysis.isVector(name)) pushVector(printer, value);
  else pushScalar(printer, value);
}

function printDefinition(printer: KernelPrinter, name: string, value: Expression): void {
  pushAs(printer, name, value);
  const local = newLocal(printer, printer.analysis.isVector(name) ? "v128" : "f32");
  printer.values.set(name, local);
  op(here(printer), "local.set", local);
}

function printAssign(printer: KernelPrinter, name: string, value: Expression): void {
  const local = localOf(printer, name);
  pushAs(printer, name, value);
  if (printer.mask !== undefined) {
    op(here(printer), "local.get", local);
    op(here(printer), "local.get", printer.mask);
    op(here(printer), "v128.bitselect");
  }
  op(here(printer), "local.set", local);
}

function printLoop(printer: KernelPrinter, { variable, count, body }: Extract<Statement, { kind: "loop" }>): void {
  const counter = newLocal(printer, "i32");
  const depth = printer.blocks.length;
  const block = inBlock(printer, "loop", variable.name, (inner) => {
    printer.variables.set(variable.name, { local: counter, depth });
    printStatements(printer, body);
    closeLoop(inner, counter, count);
  });
  const code = here(printer);
  i32(code, 0);
  op(code, "local.set", counter);
  op(code, "loop");
  byte(code, empty);
  appendCode(code, block.code);
  op(code, "end");
}

/** Moves the pointers, counts and goes round. */
function closeLoop({ code, increments }: Block, counter: number, count: number): void {
  for (const { local, step } of [...increments, { local: counter, step: 1 }]) {
    op(code, "local.get", local);
    i32(code, step);
    op(code, "i32.add");
    op(code, local === counter ? "local.tee" : "local.set", local);
  }
  i32(code, count);
  op(code, "i32.ne");
  op(code, "br_if", 0);
}

function printCondition(printer: KernelPrinter, statement: Extract<Statement, { kind: "if" }>): void {
  const { condition, body } = statement;
  if (printer.analysis.isForFirstLane(statement)) return printStatements(printer, body);
  const decided = decide(printer, condition);
  if (decided === false) return;
  if (decided === true) return printStatements(printer, body);
  if (!printer.analysis.isVaryingCondition(condition))
    return printIf(
      printer,
      () => pushTruth(printer, condition),
      () => printStatements(printer, body),
    );
  printMaskedBody(printer, condition, body);
}

/** Lanes decide differently: all go through the body, and a mask keeps what the others must not change. */
function printMaskedBody(
  printer: KernelPrinter,
  condition: Extract<Statement, { kind: "if" }>["condition"],
  body: readonly Statement[],
): void {
  const outside = { mask: printer.mask, isGuarded: printer.isGuarded };
  const mask = newLocal(printer, "v128");
  pushMask(printer, condition);
  if (outside.mask !== undefined) {
    op(here(printer), "local.get", outside.mask);
    op(here(printer), "v128.and");
  }
  op(here(printer), "local.set", mask);
  const pushAny = (): void => {
    op(here(printer), "local.get", mask);
    op(here(printer), "v128.any_true");
  };
  printIf(printer, pushAny, () => {
    printer.mask = mask;
    printer.isGuarded = true;
    printStatements(printer, body);
  });
  printer.mask = outside.mask;
  printer.isGuarded = outside.isGuarded;
}

/** The variable becomes the sum (maximum) over its lanes, in the same order in each: 0+2 and 1+3 first. */
function reduceLanes(printer: KernelPrinter, operator: "add" | "maximum", name: string): void {
  const local = localOf(printer, name);
  const code = here(printer);
  for (const order of [
    [2, 3, 0, 1],
    [1, 0, 3, 2],
  ] as const) {
    for (let i = 0; i < 3; i++) op(code, "local.get", local);
    shuffle(code, order);
    op(code, operator === "add" ? "f32x4.add" : "f32x4.max");
    op(code, "local.set", local);
  }
}
