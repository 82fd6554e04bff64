/**
 * Nodes of the syntax tree from tokens.
 *
 * In: tokens and the nodes they join. Out: nodes with their spans. What holds: a token that the parser imagined while it
 * recovered has no place, and does not widen a span.
 */
import type { IToken } from "chevrotain";
import type { Span } from "./checkedProgram.ts";
import type * as tree from "./syntaxTree.ts";
import { endOf } from "./tokens.ts";

type Operand = tree.Expression;
type ChainRest = tree.Chain["rest"][number];

export function spanOf(token: IToken): Span {
  return { start: token.startOffset, end: endOf(token) };
}

type Placed = IToken | { readonly span: Span };

export function join(first: Placed, last: Placed): Span {
  const from = "span" in first ? first.span : spanOf(first);
  const to = "span" in last ? last.span : spanOf(last);
  // An imagined token has no place.
  return { start: from.start, end: Number.isNaN(to.end) ? from.end : Math.max(from.end, to.end) };
}

export function identifier(token: IToken): tree.Identifier {
  return { text: token.image, span: spanOf(token) };
}

export function stringLiteral(token: IToken): tree.StringLiteral {
  return { kind: "string", text: token.image.slice(1, -1), span: spanOf(token) };
}

export function numberLiteral(token: IToken): tree.NumberLiteral {
  return { kind: "number", value: Number(token.image), span: spanOf(token) };
}

export function chain(first: Operand, rest: readonly ChainRest[]): Operand {
  const last = rest.at(-1);
  return last === undefined ? first : { kind: "chain", first, rest, span: join(first, last.operand) };
}

export function unary(operators: readonly IToken[], operator: "-" | "not", operand: Operand): Operand {
  const [first] = operators;
  if (first === undefined) return operand;
  return { kind: "unary", operators: operators.map(() => operator), operand, span: join(first, operand) };
}
