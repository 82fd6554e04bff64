/**
 * f32 values and conditions in WebAssembly.
 *
 * In: expressions and conditions of a nest. Out: code that leaves a value on the stack: an f32 (or an i32 truth) where
 * all lanes agree, an f32x4 (or a mask) where they may differ. What holds: of a `select` that all lanes decide alike only
 * the chosen side is evaluated.
 */
import { InvariantError } from "../../graph/graph.ts";
import type { BinaryOperator, Comparison, Condition, Expression, UnaryOperator } from "../../nest/loopNest.ts";
import { appendCode, byte, f32, f32x4, i32, i32x4, op } from "./assembler.ts";
import type { HelperName } from "./helpers.ts";
import { pushInteger } from "./integers.ts";
import { decideRange, pushInRange, pushIntegers, pushLanesInRange } from "./lanes.ts";
import { pushElement, pushElements } from "./loads.ts";
import { type Opcode, valueTypes } from "./opcodes.ts";
import { here, inBlock, type KernelPrinter } from "./state.ts";

/** One instruction, or one after a constant, or a call. */
type Operation<T> = { readonly op: T } | { readonly oneOver: readonly T[] } | { readonly helper: HelperName };
type Suffix = "neg" | "abs" | "sqrt" | "floor" | "ceil" | "add" | "sub" | "mul" | "div" | "min" | "max";

const unaryOperations: Readonly<Record<UnaryOperator, Operation<Suffix>>> = {
  negate: { op: "neg" },
  absolute: { op: "abs" },
  squareRoot: { op: "sqrt" },
  floor: { op: "floor" },
  ceil: { op: "ceil" },
  reciprocal: { oneOver: [] },
  inverseSquareRoot: { oneOver: ["sqrt"] },
  exponential: { helper: "exponential" },
  logarithm: { helper: "logarithm" },
  tanh: { helper: "tanh" },
  sine: { helper: "sine" },
  cosine: { helper: "cosine" },
  errorFunction: { helper: "errorFunction" },
};

const binaryOperations: Readonly<Record<BinaryOperator, Exclude<Operation<Suffix>, { oneOver: unknown }>>> = {
  add: { op: "add" },
  subtract: { op: "sub" },
  multiply: { op: "mul" },
  divide: { op: "div" },
  minimum: { op: "min" },
  maximum: { op: "max" },
  power: { helper: "power" },
};

const comparisons: Readonly<Record<Comparison, "lt" | "le" | "eq" | "ne" | "gt" | "ge">> = {
  less: "lt",
  lessEqual: "le",
  equal: "eq",
  notEqual: "ne",
  greater: "gt",
  greaterEqual: "ge",
};

/** Pushes a value as f32, or as f32x4. */
function push(printer: KernelPrinter, expression: Expression, isVector: boolean): void {
  if (isVector) pushVector(printer, expression);
  else pushScalar(printer, expression);
}

function constant(printer: KernelPrinter, value: number, isVector: boolean): void {
  if (isVector) f32x4(here(printer), [value, value, value, value]);
  else f32(here(printer), value);
}

/** Pushes a value that is the same in all lanes. */
export function pushScalar(printer: KernelPrinter, expression: Expression): void {
  switch (expression.kind) {
    case "constant":
      return f32(here(printer), expression.value);
    case "reference":
      op(here(printer), "local.get", localOf(printer, expression.name));
      if (printer.analysis.isVector(expression.name)) op(here(printer), "f32x4.extract_lane", 0);
      return;
    case "index": {
      pushInteger(printer, uniformIndex(printer, expression));
      return op(here(printer), "f32.convert_i32_s");
    }
    case "load":
      return pushElement(printer, expression.buffer, uniformIndex(printer, expression));
    case "random":
      return pushRandom(printer, expression, false);
    case "broadcast":
      throw new InvariantError("WebAssembly has no subgroups");
    default:
      return pushOperator(printer, expression, false);
  }
}

/** Pushes a value of four lanes. */
export function pushVector(printer: KernelPrinter, expression: Expression): void {
  if (expression.kind === "constant") return constant(printer, expression.value, true);
  if (expression.kind === "load")
    return pushElements(printer, expression.buffer, printer.analysis.laneForm(expression.index));
  if (expression.kind === "reference" && printer.analysis.isVector(expression.name))
    return op(here(printer), "local.get", localOf(printer, expression.name));
  if (!printer.analysis.isVarying(expression)) {
    pushScalar(printer, expression);
    return op(here(printer), "f32x4.splat");
  }
  switch (expression.kind) {
    case "index":
      pushIntegers(printer, printer.analysis.laneForm(expression.index));
      return op(here(printer), "f32x4.convert_i32x4_s");
    case "random":
      return pushRandom(printer, expression, true);
    case "reference":
    case "broadcast":
      throw new InvariantError(`${expression.name} is no vector`);
    default:
      return pushOperator(printer, expression, true);
  }
}

function uniformIndex(printer: KernelPrinter, { index }: Extract<Expression, { kind: "index" | "load" }>) {
  const form = printer.analysis.laneForm(index);
  if (form.kind === "each" || form.factor !== 0) throw new InvariantError(`${index.key} depends on the lane`);
  return form.rest;
}

export function localOf(printer: KernelPrinter, name: string): number {
  const local = printer.values.get(name);
  if (local === undefined) throw new InvariantError(`${printer.nest.name}: the value ${name} is not defined here`);
  return local;
}

type Operator = Extract<Expression, { kind: "unary" | "binary" | "multiplyAdd" | "select" }>;

function pushOperator(printer: KernelPrinter, expression: Operator, isVector: boolean): void {
  const instruction = (suffix: Suffix): void => op(here(printer), `${isVector ? "f32x4" : "f32"}.${suffix}`);
  switch (expression.kind) {
    case "unary": {
      const operation = unaryOperations[expression.operator];
      if ("helper" in operation) return pushCall(printer, operation.helper, [expression.operand], isVector);
      if ("oneOver" in operation) constant(printer, 1, isVector);
      push(printer, expression.operand, isVector);
      if ("op" in operation) return instruction(operation.op);
      operation.oneOver.forEach(instruction);
      return instruction("div");
    }
    case "binary": {
      const operation = binaryOperations[expression.operator];
      const operands = [expression.left, expression.right];
      if ("helper" in operation) return pushCall(printer, operation.helper, operands, isVector);
      for (const operand of operands) push(printer, operand, isVector);
      return instruction(operation.op);
    }
    case "multiplyAdd": {
      for (const operand of [expression.a, expression.b]) push(printer, operand, isVector);
      if (isVector && printer.relaxedSimd) {
        push(printer, expression.c, true);
        return op(here(printer), "f32x4.relaxed_madd");
      }
      instruction("mul");
      push(printer, expression.c, isVector);
      return instruction("add");
    }
    case "select":
      return pushSelect(printer, expression, isVector);
  }
}

/** Helpers know vectors only. */
function pushCall(
  printer: KernelPrinter,
  helper: HelperName,
  operands: readonly Expression[],
  isVector: boolean,
): void {
  for (const operand of operands) {
    pushVector(printer, operand);
    keepApart(printer);
  }
  op(here(printer), "call", printer.helper(helper));
  if (!isVector) op(here(printer), "f32x4.extract_lane", 0);
}

/**
 * V8 13, where it joins vectors, ends the process if half of what it has joined is an argument, which has a register of its own. An
 * operation between them that changes nothing is not joined, as nothing that is stored follows from it but through the call.
 */
function keepApart(printer: KernelPrinter): void {
  i32x4(here(printer), [0, 0, 0, 0]);
  op(here(printer), "v128.or");
}

function pushRandom(
  printer: KernelPrinter,
  { counters }: Extract<Expression, { kind: "random" }>,
  isVector: boolean,
): void {
  for (const counter of counters) {
    pushIntegers(printer, printer.analysis.laneForm(counter));
    keepApart(printer);
  }
  op(here(printer), "call", printer.helper("random"));
  if (!isVector) op(here(printer), "f32x4.extract_lane", 0);
}

type Select = Extract<Expression, { kind: "select" }>;

function pushSelect(printer: KernelPrinter, { condition, then, otherwise }: Select, isVector: boolean): void {
  const decided = decide(printer, condition);
  if (decided === true) return push(printer, then, isVector);
  if (decided === false) return push(printer, otherwise, isVector);
  if (printer.analysis.isVaryingCondition(condition)) return pushBlend(printer, condition, then, otherwise);
  if (isCheap(then) && isCheap(otherwise)) {
    // Without a branch, which would part what is computed together.
    if (isVector && (isZero(then) || isZero(otherwise))) return pushBlend(printer, condition, then, otherwise);
    push(printer, then, isVector);
    push(printer, otherwise, isVector);
    pushTruth(printer, condition);
    op(here(printer), "typedSelect", 1);
    return byte(here(printer), valueTypes[isVector ? "v128" : "f32"]);
  }
  pushTruth(printer, condition);
  pushBranches(
    printer,
    isVector ? "v128" : "f32",
    () => push(printer, then, isVector),
    () => push(printer, otherwise, isVector),
  );
}

const isZero = (side: Expression): boolean => side.kind === "constant" && Object.is(side.value, 0);

function isCheap(expression: Expression): boolean {
  return expression.kind === "constant" || expression.kind === "reference";
}

/** Takes a truth from the stack and leaves what one of the branches leaves. */
function pushBranches(printer: KernelPrinter, type: "v128" | "f32", then: () => void, otherwise: () => void): void {
  const first = inBlock(printer, "if", undefined, then);
  const second = inBlock(printer, "if", undefined, otherwise);
  const code = here(printer);
  op(code, "if");
  byte(code, valueTypes[type]);
  appendCode(code, first.code);
  op(code, "else");
  appendCode(code, second.code);
  op(code, "end");
}

function pushBlend(printer: KernelPrinter, condition: Condition, then: Expression, otherwise: Expression): void {
  if (isZero(otherwise)) {
    pushVector(printer, then);
    pushMask(printer, condition);
    return op(here(printer), "v128.and");
  }
  if (isZero(then)) {
    pushVector(printer, otherwise);
    pushMask(printer, condition);
    return op(here(printer), "v128.andnot");
  }
  pushVector(printer, then);
  pushVector(printer, otherwise);
  pushMask(printer, condition);
  op(here(printer), "v128.bitselect");
}

// --- conditions -------------------------------------------------------------------------------------------------

/** What the compiler knows: the outcome for all lanes, or for each lane; undefined where it depends. */
export function decide(printer: KernelPrinter, condition: Condition): boolean | readonly boolean[] | undefined {
  switch (condition.kind) {
    case "compare":
      return undefined;
    case "inRange":
      return decideRange(printer.analysis.laneForm(condition.index), condition.minimum, condition.maximum);
    case "not": {
      const inner = decide(printer, condition.condition);
      return typeof inner === "boolean" ? !inner : inner?.map((lane) => !lane);
    }
    default:
      return decideAll(
        condition.kind === "and",
        condition.conditions.map((part) => decide(printer, part)),
      );
  }
}

function decideAll(
  isAnd: boolean,
  parts: readonly (boolean | readonly boolean[] | undefined)[],
): boolean | readonly boolean[] | undefined {
  if (parts.includes(!isAnd)) return !isAnd;
  const open = parts.filter((part) => part !== isAnd);
  if (open.length === 0) return isAnd;
  if (open.includes(undefined)) return undefined;
  const lanes = [0, 1, 2, 3].map((lane) => {
    const truths = open.map((part) => (typeof part === "object" ? part[lane] === true : part === true));
    return isAnd ? truths.every(Boolean) : truths.some(Boolean);
  });
  return lanes.every((lane) => lane === lanes[0]) ? lanes[0] : lanes;
}

/** Pushes a condition that all lanes decide alike, as i32. */
export function pushTruth(printer: KernelPrinter, condition: Condition): void {
  const decided = decide(printer, condition);
  if (typeof decided === "boolean") return i32(here(printer), decided ? 1 : 0);
  switch (condition.kind) {
    case "compare":
      pushScalar(printer, condition.left);
      pushScalar(printer, condition.right);
      return op(here(printer), `f32.${comparisons[condition.operator]}`);
    case "inRange": {
      const form = printer.analysis.laneForm(condition.index);
      if (form.kind === "each") throw new InvariantError("a truth depends on the lane");
      return pushInRange(printer, form.rest, condition.minimum, condition.maximum);
    }
    case "not":
      pushTruth(printer, condition.condition);
      return op(here(printer), "i32.eqz");
    default:
      return pushAll(printer, condition, pushTruth, condition.kind === "and" ? "i32.and" : "i32.or");
  }
}

/** Pushes the mask of the lanes in which a condition holds. */
export function pushMask(printer: KernelPrinter, condition: Condition): void {
  const decided = decide(printer, condition);
  if (decided !== undefined) {
    const lanes = typeof decided === "boolean" ? [decided, decided, decided, decided] : decided;
    return i32x4(
      here(printer),
      lanes.map((lane) => (lane ? -1 : 0)),
    );
  }
  if (!printer.analysis.isVaryingCondition(condition)) {
    i32(here(printer), 0);
    pushTruth(printer, condition);
    op(here(printer), "i32.sub");
    return op(here(printer), "i32x4.splat");
  }
  switch (condition.kind) {
    case "compare":
      pushVector(printer, condition.left);
      pushVector(printer, condition.right);
      return op(here(printer), `f32x4.${comparisons[condition.operator]}`);
    case "inRange":
      return pushLanesInRange(
        printer,
        printer.analysis.laneForm(condition.index),
        condition.minimum,
        condition.maximum,
      );
    case "not":
      pushMask(printer, condition.condition);
      return op(here(printer), "v128.not");
    default:
      return pushAll(printer, condition, pushMask, condition.kind === "and" ? "v128.and" : "v128.or");
  }
}

function pushAll(
  printer: KernelPrinter,
  { kind, conditions }: Extract<Condition, { kind: "and" | "or" }>,
  pushPart: (printer: KernelPrinter, condition: Condition) => void,
  combine: Opcode,
): void {
  const open = conditions.filter((part) => decide(printer, part) !== (kind === "and"));
  open.forEach((part, i) => {
    pushPart(printer, part);
    if (i > 0) op(here(printer), combine);
  });
}
