/** The names and buffers that a definition, an assignment or a store reads. */
import type { Condition, Expression, Statement } from "../../nest/loopNest.ts";
import { operandsOf } from "./analysis.ts";

export interface Reads {
  readonly names: ReadonlySet<string>;
  readonly buffers: readonly string[];
}

const known = new WeakMap<Statement, Reads>();

export function readsOf(statement: Statement): Reads {
  const found = known.get(statement) ?? collect(statement);
  known.set(statement, found);
  return found;
}

function collect(statement: Statement): Reads {
  const names = new Set<string>();
  const buffers: string[] = [];
  const visit = (expression: Expression): void => {
    if (expression.kind === "load") buffers.push(expression.buffer);
    if (expression.kind === "reference") names.add(expression.name);
    if (expression.kind === "select") visitCondition(expression.condition);
    operandsOf(expression).forEach(visit);
  };
  const visitCondition = (condition: Condition): void => {
    if (condition.kind === "compare") [condition.left, condition.right].forEach(visit);
    else if (condition.kind === "not") visitCondition(condition.condition);
    else if (condition.kind !== "inRange") condition.conditions.forEach(visitCondition);
  };
  if (statement.kind === "let" || statement.kind === "assign" || statement.kind === "store") visit(statement.value);
  if (statement.kind === "store" && statement.where) visitCondition(statement.where);
  return { names, buffers };
}
