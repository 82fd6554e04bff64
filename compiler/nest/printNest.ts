/**
 * The text form of a loop nest: for `cnnc explain`, golden tests and error messages.
 *
 * In: a nest, or a part of one. Out: text that is the same for equal nests; nothing is left out. Integers in square
 * brackets are element numbers, `/` and `%` between integers are floor division and non-negative remainder.
 */
import type { Atom, Index } from "./integer.ts";
import type { BinaryOperator, Comparison, Condition, Expression, LoopNest, Scratch, Statement } from "./loopNest.ts";

/** The whole nest, with a line for each binding, scratch and statement. */
export function printNest(nest: LoopNest): string {
  const lines = [
    `kernel ${nest.name}`,
    ...nest.header.map((line) => `  # ${line}`),
    `  ${nest.workgroups} workgroups of ${nest.lanes} lanes`,
    ...nest.bindings.map((b) => `  ${b.access === "read" ? "read" : "readwrite"} ${b.name}: ${b.type}[${b.length}]`),
    ...nest.scratch.map((scratch) => `  ${printScratch(scratch)}`),
    "",
    ...printStatements(nest.body, "  "),
  ];
  return lines.map((line) => line.trimEnd()).join("\n") + "\n";
}

function printScratch({ name, length, perLane }: Scratch): string {
  return `scratch ${name}: f32[${length}]${perLane ? " of each lane" : ""}`;
}

function printStatements(statements: readonly Statement[], indent: string): string[] {
  return statements.flatMap((statement) => printStatement(statement, indent));
}

/** One statement as lines; bodies are indented below it. */
export function printStatement(statement: Statement, indent = ""): string[] {
  switch (statement.kind) {
    case "let":
      return [`${indent}let ${statement.name} = ${printExpression(statement.value)}`];
    case "letIndex":
      return [`${indent}let ${statement.variable.name} = ${printIndex(statement.value)}`];
    case "variable":
      return [`${indent}var ${statement.name} = ${printExpression(statement.initial)}`];
    case "assign":
      return [`${indent}${statement.name} = ${printExpression(statement.value)}`];
    case "loop":
      return [
        `${indent}for ${statement.variable.name} in 0..${statement.count - 1}`,
        ...printStatements(statement.body, `${indent}  `),
      ];
    case "if":
      return [`${indent}if ${printCondition(statement.condition)}`, ...printStatements(statement.body, `${indent}  `)];
    case "store": {
      const where = statement.where ? ` where ${printCondition(statement.where)}` : "";
      return [
        `${indent}${statement.buffer}[${printIndex(statement.index)}] = ${printExpression(statement.value)}${where}`,
      ];
    }
    case "barrier":
      return [`${indent}barrier`];
    case "call":
      return printCall(statement, indent);
    case "reduceLanes":
      return [`${indent}${statement.operator === "add" ? "sum" : "maximum"} over lanes: ${statement.names.join(", ")}`];
    case "comment":
      return [`${indent}# ${statement.text}`];
  }
}

/** The statements of the nest that is called, below what its buffers are here. */
function printCall({ nest, buffers }: Extract<Statement, { kind: "call" }>, indent: string): string[] {
  const given = nest.bindings.map(({ name }, i) => (name === buffers[i] ? name : `${name} = ${buffers[i]}`));
  const scratch = nest.scratch.map((one) => `${indent}  ${printScratch(one)}`);
  return [`${indent}call with ${given.join(", ")}`, ...scratch, ...printStatements(nest.body, `${indent}  `)];
}

const symbols: Readonly<Record<BinaryOperator, string | undefined>> = {
  add: "+",
  subtract: "-",
  multiply: "*",
  divide: "/",
  minimum: undefined,
  maximum: undefined,
  power: undefined,
};

const comparisonSymbols: Readonly<Record<Comparison, string>> = {
  less: "<",
  lessEqual: "<=",
  equal: "==",
  notEqual: "!=",
  greater: ">",
  greaterEqual: ">=",
};

export function printExpression(expression: Expression): string {
  switch (expression.kind) {
    case "constant":
      return printNumber(expression.value);
    case "reference":
      return expression.name;
    case "index":
      return `f32(${printIndex(expression.index)})`;
    case "load":
      return `${expression.buffer}[${printIndex(expression.index)}]`;
    case "unary":
      return `${expression.operator}(${printExpression(expression.operand)})`;
    case "binary": {
      const symbol = symbols[expression.operator];
      if (symbol) return `${operand(expression.left)} ${symbol} ${operand(expression.right)}`;
      return `${expression.operator}(${printExpression(expression.left)}, ${printExpression(expression.right)})`;
    }
    case "multiplyAdd":
      return `${operand(expression.a)} * ${operand(expression.b)} + ${operand(expression.c)}`;
    case "select":
      return `select(${printCondition(expression.condition)}, ${printExpression(expression.then)}, ${printExpression(expression.otherwise)})`;
    case "random":
      return `random(${expression.counters.map(printIndex).join(", ")})`;
    case "broadcast":
      return `broadcast(${expression.name}, ${expression.subgroupLane})`;
  }
}

function operand(expression: Expression): string {
  const text = printExpression(expression);
  const compound =
    expression.kind === "multiplyAdd" || (expression.kind === "binary" && symbols[expression.operator] !== undefined);
  return compound ? `(${text})` : text;
}

/** The shortest decimal that rounds to the same f32. */
export function printNumber(value: number): string {
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded)) return String(rounded);
  if (Object.is(rounded, -0)) return "-0";
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(rounded.toPrecision(digits));
    if (Math.fround(short) === rounded) return String(short);
  }
  return String(Number(rounded.toPrecision(9)));
}

export function printCondition(condition: Condition): string {
  switch (condition.kind) {
    case "compare":
      return `${operand(condition.left)} ${comparisonSymbols[condition.operator]} ${operand(condition.right)}`;
    case "inRange":
      return `${printIndex(condition.index)} in ${condition.minimum}..${condition.maximum}`;
    case "and":
    case "or":
      return condition.conditions.map((part) => `(${printCondition(part)})`).join(` ${condition.kind} `);
    case "not":
      return `not (${printCondition(condition.condition)})`;
  }
}

/** `4 * lane + x - 3`, large factors first. */
export function printIndex(index: Index): string {
  let text = "";
  for (const { atom, factor } of index.terms.toSorted((a, b) => Math.abs(b.factor) - Math.abs(a.factor))) {
    const size = Math.abs(factor);
    const term = size === 1 ? printAtom(atom) : `${size} * ${printAtom(atom)}`;
    text += text === "" ? (factor < 0 ? `-${term}` : term) : factor < 0 ? ` - ${term}` : ` + ${term}`;
  }
  if (text === "") return String(index.constant);
  if (index.constant === 0) return text;
  return index.constant < 0 ? `${text} - ${-index.constant}` : `${text} + ${index.constant}`;
}

function printAtom(atom: Atom): string {
  switch (atom.kind) {
    case "variable":
      return atom.name;
    case "quotient":
      return `(${integerOperand(atom.of)} / ${atom.divisor})`;
    case "remainder":
      return `(${integerOperand(atom.of)} % ${atom.divisor})`;
    case "clamp":
      return `clamp(${printIndex(atom.of)}, ${atom.minimum}, ${atom.maximum})`;
    case "element":
      return `${atom.buffer}[${printIndex(atom.at)}]`;
  }
}

function integerOperand(index: Index): string {
  const text = printIndex(index);
  return index.terms.length === 1 && index.constant === 0 && index.terms[0]?.factor === 1 ? text : `(${text})`;
}
