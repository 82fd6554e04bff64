/**
 * The value of an expression, while the file is checked.
 *
 * In: an expression and a scope (a model's parameters, the shape that arrives). Out: a value, or undefined after a
 * report. What holds: evaluation terminates, its time is that of reading the expression once, and what it gives is finite.
 */
import type { Shape, Span } from "./checkedProgram.ts";
import type { Reporter } from "./diagnostic.ts";
import { meant } from "./suggest.ts";
import type { BinaryOperator, Chain, Expression, FunctionCall, Member, SizeLiteral, Unary } from "./syntaxTree.ts";

/** The names that are known at one place. */
export interface Names {
  readonly has: (name: string) => boolean;
  /** Undefined where an earlier error hides the value. */
  readonly get: (name: string) => Evaluated | undefined;
  readonly keys: () => Iterable<string>;
}

export const noNames: Names = new Map<string, Evaluated>();

/** What names mean at one place of a program. */
export interface Scope {
  readonly names: Names;
  /** The shape that arrives, for `in.channels`; undefined where an earlier error hides it; `none` where nothing arrives. */
  readonly input: Shape | undefined | "none";
  readonly report: Reporter;
}

export type Evaluated =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "truth"; readonly value: boolean }
  | { readonly kind: "size"; readonly height: number; readonly width: number }
  /** A name that stands for itself: `same`, `max`. */
  | { readonly kind: "word"; readonly text: string };

const KIND_NAMES: Record<Evaluated["kind"], string> = {
  number: "a number",
  truth: "true or false",
  size: "a size",
  word: "a word",
};

/** The value of an expression; undefined if it has none, which has then been reported (or follows from a report). */
export function evaluate(expression: Expression, scope: Scope): Evaluated | undefined {
  switch (expression.kind) {
    case "number":
      return number(expression.value, expression.span, scope);
    case "name":
      return scope.names.has(expression.text)
        ? scope.names.get(expression.text)
        : { kind: "word", text: expression.text };
    case "size":
      return evaluateSize(expression, scope);
    case "member":
      return evaluateMember(expression, scope);
    case "unary":
      return evaluateUnary(expression, scope);
    case "function":
      return evaluateFunction(expression, scope);
    case "chain":
      return evaluateChain(expression, scope);
    default:
      return expression satisfies never;
  }
}

/** A number; anything else is reported as not being `what`. */
export function evaluateNumber(expression: Expression, scope: Scope, what = "a number"): number | undefined {
  const found = evaluate(expression, scope);
  if (found === undefined) return undefined;
  if (found.kind === "number") return found.value;
  return reportKind(found, expression.span, what, scope);
}

/** Reports a value of another kind than was wanted. */
export function reportKind(found: Evaluated, span: Span, what: string, scope: Scope): undefined {
  if (found.kind !== "word") {
    const message = `expected ${what}`;
    return scope.report({ code: "CNN206", message, span, label: `this is ${KIND_NAMES[found.kind]}` });
  }
  const known = [...scope.names.keys(), "in.channels", "in.height", "in.width"];
  return scope.report({
    code: "CNN216",
    message: `\`${found.text}\` is not defined`,
    span,
    label: `expected ${what}`,
    ...meant(found.text, known, span),
  });
}

function number(value: number, span: Span, scope: Scope): Evaluated | undefined {
  if (Number.isFinite(value)) return { kind: "number", value };
  return scope.report({
    code: "CNN217",
    message: "the number is too large",
    span,
    label: "beyond 1.8e308",
    help: "take a smaller one",
  });
}

function evaluateSize(size: SizeLiteral, scope: Scope): Evaluated | undefined {
  const height = evaluateNumber(size.height, scope);
  const width = evaluateNumber(size.width, scope);
  return height === undefined || width === undefined ? undefined : { kind: "size", height, width };
}

const MEMBERS: Readonly<Record<string, (shape: Shape) => number>> = {
  channels: (shape) => shape.channels,
  height: (shape) => shape.height,
  width: (shape) => shape.width,
};

function evaluateMember({ object, property, span }: Member, scope: Scope): Evaluated | undefined {
  const read = object.text === "in" && Object.hasOwn(MEMBERS, property.text) ? MEMBERS[property.text] : undefined;
  if (read !== undefined && scope.input === "none") {
    const message = `nothing arrives here that \`in.${property.text}\` could be of`;
    return scope.report({ code: "CNN216", message, span, help: "write the number itself" });
  }
  if (read !== undefined)
    return scope.input === "none" ? undefined : scope.input && number(read(scope.input), span, scope);
  return scope.report({
    code: "CNN216",
    message: `\`${object.text}.${property.text}\` is not defined`,
    span,
    ...((object.text === "in" ? meant(property.text, Object.keys(MEMBERS), property.span) : undefined) ?? {
      help: "there are `in.channels`, `in.height` and `in.width`",
    }),
  });
}

function evaluateUnary({ operators, operand }: Unary, scope: Scope): Evaluated | undefined {
  const odd = operators.length % 2 === 1;
  if (operators[0] === "-") {
    const value = evaluateNumber(operand, scope);
    return value === undefined ? undefined : { kind: "number", value: odd ? -value : value };
  }
  const value = evaluateTruth(operand, scope);
  return value === undefined ? undefined : { kind: "truth", value: odd ? !value : value };
}

/** True or false; `on` and `off` are that too. Anything else is reported. */
export function evaluateTruth(expression: Expression, scope: Scope): boolean | undefined {
  const found = evaluate(expression, scope);
  if (found === undefined) return undefined;
  return truthOf(found) ?? reportKind(found, expression.span, "true or false", scope);
}

/** The truth that a value is, if it is one. */
export function truthOf(value: Evaluated): boolean | undefined {
  if (value.kind === "truth") return value.value;
  return value.kind === "word" && (value.text === "on" || value.text === "off") ? value.text === "on" : undefined;
}

/** A value in the language's own words. */
export function printEvaluated(value: Evaluated): string {
  switch (value.kind) {
    case "number":
      return `${value.value}`;
    case "truth":
      return value.value ? "on" : "off";
    case "size":
      return `${value.height}x${value.width}`;
    case "word":
      return value.text;
    default:
      return value satisfies never;
  }
}

const FUNCTIONS: Readonly<Record<string, { count: "one" | "some"; apply: (values: readonly number[]) => number }>> = {
  min: { count: "some", apply: (values) => values.reduce((a, b) => Math.min(a, b)) },
  max: { count: "some", apply: (values) => values.reduce((a, b) => Math.max(a, b)) },
  floor: { count: "one", apply: ([value = 0]) => Math.floor(value) },
  ceil: { count: "one", apply: ([value = 0]) => Math.ceil(value) },
  round: { count: "one", apply: ([value = 0]) => Math.round(value) },
};

function evaluateFunction(call: FunctionCall, scope: Scope): Evaluated | undefined {
  const { name, span } = call;
  const known = Object.hasOwn(FUNCTIONS, name.text) ? FUNCTIONS[name.text] : undefined;
  if (known === undefined) {
    return scope.report({
      code: "CNN216",
      message: `there is no function \`${name.text}\``,
      span: name.span,
      ...(meant(name.text, Object.keys(FUNCTIONS), name.span) ?? {
        help: `there are ${Object.keys(FUNCTIONS).join(", ")}`,
      }),
    });
  }
  const values = call.arguments.map((argument) => evaluateNumber(argument, scope));
  const fits = known.count === "one" ? values.length === 1 : values.length > 0;
  if (!fits) {
    const message = `\`${name.text}\` takes ${known.count === "one" ? "one number" : "at least one number"}`;
    return scope.report({ code: "CNN205", message, span, label: `${values.length} given` });
  }
  const numbers = values.filter((value) => value !== undefined);
  return numbers.length < values.length ? undefined : number(known.apply(numbers), span, scope);
}

const ARITHMETIC: Partial<Record<BinaryOperator, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a - b * Math.floor(a / b),
};

const COMPARISONS: Partial<Record<BinaryOperator, (a: number, b: number) => boolean>> = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

type Link = Chain["rest"][number];

function evaluateChain({ first, rest }: Chain, scope: Scope): Evaluated | undefined {
  const operator = rest[0]?.operator;
  if (operator === "and" || operator === "or") return evaluateLogic(first, rest, operator, scope);
  let value = evaluateNumber(first, scope);
  let truth: boolean | undefined;
  for (const link of rest) {
    const operand = evaluateNumber(link.operand, scope);
    if (value === undefined || operand === undefined) return undefined;
    const compare = COMPARISONS[link.operator];
    if (compare !== undefined) truth = compare(value, operand);
    else value = calculate(value, operand, link, scope);
  }
  if (truth !== undefined) return { kind: "truth", value: truth };
  return value === undefined ? undefined : { kind: "number", value };
}

function calculate(a: number, b: number, link: Link, scope: Scope): number | undefined {
  const span = { start: link.operatorSpan.start, end: link.operand.span.end };
  if (b === 0 && (link.operator === "/" || link.operator === "%")) {
    return scope.report({ code: "CNN217", message: "division by zero", span, label: "this is 0" });
  }
  const found = number(ARITHMETIC[link.operator]?.(a, b) ?? Number.NaN, span, scope);
  return found?.kind === "number" ? found.value : undefined;
}

/** All operands are evaluated, so that an error does not hide behind a truth. */
function evaluateLogic(
  first: Expression,
  rest: readonly Link[],
  operator: "and" | "or",
  scope: Scope,
): Evaluated | undefined {
  const values = [first, ...rest.map(({ operand }) => operand)].map((operand) => evaluateTruth(operand, scope));
  if (values.includes(undefined)) return undefined;
  return { kind: "truth", value: operator === "and" ? !values.includes(false) : values.includes(true) };
}
