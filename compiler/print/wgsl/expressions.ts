/**
 * f32 expressions and conditions in WGSL.
 *
 * In: an expression. Out: its text; named loads and integers that it needs are emitted before. Operators on constants
 * are folded with the interpreter's arithmetic, since WGSL refuses constant expressions that overflow.
 */
import { InvariantError } from "../../graph/graph.ts";
import { applyBinary, applyMultiplyAdd, applyUnary } from "../../nest/arithmetic.ts";
import { isConstant } from "../../nest/integer.ts";
import type { BinaryOperator, Comparison, Condition, Expression, UnaryOperator } from "../../nest/loopNest.ts";
import { printNumber } from "../../nest/printNest.ts";
import { printAsFloat, printCounter, printInRange } from "./integers.ts";
import { broadcastKey } from "./layout.ts";
import { printLoad } from "./memory.ts";
import type { Printer, Text } from "./state.ts";
import { innermost, precedence, primary, wrap } from "./state.ts";

/** A literal that WGSL reads as exactly this f32. */
export function printFloat(printer: Printer, value: number): Text {
  const rounded = Math.fround(value);
  if (Number.isNaN(rounded)) return helperCall(printer, "notANumber");
  if (rounded < 0 || Object.is(rounded, -0))
    return { text: `-${printFloat(printer, -rounded).text}`, precedence: precedence.unary };
  if (rounded === Infinity) return helperCall(printer, "infinity");
  if (rounded === 3.4028234663852886e38) return primary("0x1.fffffep+127f");
  const text = printNumber(rounded);
  return primary(/[.e]/.test(text) ? text : `${text}.0`);
}

function helperCall(printer: Printer, name: "infinity" | "notANumber"): Text {
  printer.helpers.add(name);
  return primary(`${name}()`);
}

export function printExpression(printer: Printer, expression: Expression): Text {
  const folded = fold(expression);
  if (folded !== undefined) return printFloat(printer, folded);
  switch (expression.kind) {
    case "constant":
      return printFloat(printer, expression.value);
    case "reference":
      return primary(printer.namer.of(expression.name));
    case "index":
      return printAsFloat(printer, expression.index);
    case "load":
      return printLoad(printer, expression.buffer, expression.index);
    case "unary":
      return unaryText(printer, expression.operator, expression.operand);
    case "binary":
      return binaryText(printer, expression.operator, expression.left, expression.right);
    case "multiplyAdd": {
      const parts = [expression.a, expression.b, expression.c].map((part) => printExpression(printer, part).text);
      return primary(`fma(${parts.join(", ")})`);
    }
    case "select": {
      const [then, otherwise] = [expression.then, expression.otherwise].map(
        (part) => printExpression(printer, part).text,
      );
      return primary(`select(${otherwise}, ${then}, ${printCondition(printer, expression.condition).text})`);
    }
    case "random":
      printer.helpers.add("randomUniform");
      return primary(`randomUniform(${expression.counters.map((value) => printCounter(printer, value)).join(", ")})`);
    case "broadcast":
      return broadcastText(printer, expression.name, expression.subgroupLane);
  }
}

/** The value of an expression of constants. */
function fold(expression: Expression): number | undefined {
  if (expression.kind === "constant") return expression.value;
  if (expression.kind === "index" && isConstant(expression.index)) return expression.index.constant;
  if (expression.kind === "unary") {
    const operand = fold(expression.operand);
    return operand === undefined ? undefined : applyUnary(expression.operator, operand);
  }
  if (expression.kind === "binary") {
    const [left, right] = [fold(expression.left), fold(expression.right)];
    return left === undefined || right === undefined ? undefined : applyBinary(expression.operator, left, right);
  }
  if (expression.kind === "multiplyAdd") {
    const [a, b, c] = [fold(expression.a), fold(expression.b), fold(expression.c)];
    return a === undefined || b === undefined || c === undefined ? undefined : applyMultiplyAdd(a, b, c);
  }
  return undefined;
}

const functions: Readonly<Record<Exclude<UnaryOperator, "negate" | "reciprocal">, string>> = {
  absolute: "abs",
  exponential: "exp",
  logarithm: "log",
  squareRoot: "sqrt",
  inverseSquareRoot: "inverseSqrt",
  tanh: "tanh",
  floor: "floor",
  ceil: "ceil",
  sine: "sin",
  cosine: "cos",
  errorFunction: "errorFunction",
};

function unaryText(printer: Printer, operator: UnaryOperator, operand: Expression): Text {
  const inner = printExpression(printer, operand);
  if (operator === "negate") return { text: `-${wrap(inner, precedence.primary)}`, precedence: precedence.unary };
  if (operator === "reciprocal")
    return { text: `1.0 / ${wrap(inner, precedence.unary)}`, precedence: precedence.product };
  if (operator === "errorFunction") printer.helpers.add("errorFunction");
  return primary(`${functions[operator]}(${inner.text})`);
}

const infix: Readonly<Partial<Record<BinaryOperator, { symbol: string; precedence: number }>>> = {
  add: { symbol: "+", precedence: precedence.sum },
  subtract: { symbol: "-", precedence: precedence.sum },
  multiply: { symbol: "*", precedence: precedence.product },
  divide: { symbol: "/", precedence: precedence.product },
};

const prefix: Readonly<Partial<Record<BinaryOperator, string>>> = { minimum: "min", maximum: "max", power: "pow" };

function binaryText(printer: Printer, operator: BinaryOperator, left: Expression, right: Expression): Text {
  const [a, b] = [printExpression(printer, left), printExpression(printer, right)];
  const between = infix[operator];
  if (!between) return primary(`${prefix[operator]}(${a.text}, ${b.text})`);
  const text = `${wrap(a, between.precedence)} ${between.symbol} ${wrap(b, between.precedence + 1)}`;
  return { text, precedence: between.precedence };
}

/** The other lane's value does not change: what a block needs twice has a name. */
function broadcastText(printer: Printer, name: string, lane: number): Text {
  const { subgroups, subgroupSize } = printer.options;
  if (!subgroups || lane >= Math.min(subgroupSize, printer.nest.lanes))
    throw new InvariantError(
      `${printer.nest.name}: no lane ${lane} to broadcast ${name} from: subgroups of ${subgroupSize}`,
    );
  printer.usesSubgroups = true;
  const key = broadcastKey(name, lane);
  for (const { names } of printer.blocks) {
    const known = names.get(key);
    if (known !== undefined) return primary(known);
  }
  const text = `subgroupBroadcast(${printer.namer.of(name)}, ${lane}u)`;
  const block = innermost(printer);
  if ((block.uses.get(key)?.count ?? 0) < 2) return primary(text);
  const shared = printer.namer.fresh(name);
  block.lines.push(`let ${shared} = ${text};`);
  block.names.set(key, shared);
  return primary(shared);
}

const comparisonSymbols: Readonly<Record<Comparison, string>> = {
  less: "<",
  lessEqual: "<=",
  equal: "==",
  notEqual: "!=",
  greater: ">",
  greaterEqual: ">=",
};

export function printCondition(printer: Printer, condition: Condition): Text {
  switch (condition.kind) {
    case "compare":
      return comparisonText(printer, condition.operator, condition.left, condition.right);
    case "inRange":
      return printInRange(printer, condition.index, condition.minimum, condition.maximum);
    case "and":
      return joined(
        condition.conditions.map((part) => printCondition(printer, part)),
        "&&",
        "true",
        "false",
      );
    case "or":
      return joined(
        condition.conditions.map((part) => printCondition(printer, part)),
        "||",
        "false",
        "true",
      );
    case "not":
      return {
        text: `!${wrap(printCondition(printer, condition.condition), precedence.primary)}`,
        precedence: precedence.unary,
      };
  }
}

function comparisonText(printer: Printer, operator: Comparison, left: Expression, right: Expression): Text {
  const [a, b] = [printExpression(printer, left), printExpression(printer, right)];
  // Compilers may take x == x for true; only the bits tell what is no number.
  if (a.text === b.text && (operator === "equal" || operator === "notEqual")) {
    printer.helpers.add("isNotANumber");
    const call = `isNotANumber(${a.text})`;
    return operator === "notEqual" ? primary(call) : { text: `!${call}`, precedence: precedence.unary };
  }
  const text = `${wrap(a, precedence.shift)} ${comparisonSymbols[operator]} ${wrap(b, precedence.shift)}`;
  return { text, precedence: precedence.relational };
}

/** `neutral` parts are left out, and one `decisive` part decides. */
function joined(parts: readonly Text[], operator: string, neutral: string, decisive: string): Text {
  const needed = parts.filter(
    ({ text }, i) => text !== neutral && parts.findIndex((other) => other.text === text) === i,
  );
  if (needed.some(({ text }) => text === decisive)) return primary(decisive);
  const [only] = needed;
  if (!only) return primary(neutral);
  if (needed.length === 1) return only;
  const text = needed.map((part) => wrap(part, precedence.relational)).join(` ${operator} `);
  return { text, precedence: precedence.logical };
}
