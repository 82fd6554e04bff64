/**
 * Nests for WebAssembly out of nests of any number of lanes: with lanes that do not meet, four lanes of a workgroup of
 * eight are a workgroup of their own, and so is one lane.
 */
import {
  add,
  type Index,
  index,
  multiply,
  divide,
  remainder,
  substitute,
  variable,
} from "../../compiler/nest/integer.ts";
import type { Condition, Expression, LoopNest, Statement } from "../../compiler/nest/loopNest.ts";
import { laneName, workgroupName } from "../../compiler/nest/loopNest.ts";
import { select } from "./nestForms.ts";

type Replace = (value: Index) => Index;

function inExpression(expression: Expression, replace: Replace): Expression {
  switch (expression.kind) {
    case "constant":
    case "reference":
    case "broadcast":
      return expression;
    case "index":
    case "load":
      return { ...expression, index: replace(expression.index) };
    case "unary":
      return { ...expression, operand: inExpression(expression.operand, replace) };
    case "binary":
      return {
        ...expression,
        left: inExpression(expression.left, replace),
        right: inExpression(expression.right, replace),
      };
    case "multiplyAdd": {
      const [a, b, c] = [expression.a, expression.b, expression.c].map((part) => inExpression(part, replace));
      return a && b && c ? { ...expression, a, b, c } : expression;
    }
    case "select": {
      const { condition, then, otherwise } = expression;
      return select(inCondition(condition, replace), inExpression(then, replace), inExpression(otherwise, replace));
    }
    case "random": {
      const [a, b, c] = expression.counters;
      return { ...expression, counters: [replace(a), replace(b), replace(c)] };
    }
  }
}

function inCondition(condition: Condition, replace: Replace): Condition {
  switch (condition.kind) {
    case "compare":
      return {
        ...condition,
        left: inExpression(condition.left, replace),
        right: inExpression(condition.right, replace),
      };
    case "inRange":
      return { ...condition, index: replace(condition.index) };
    case "not":
      return { ...condition, condition: inCondition(condition.condition, replace) };
    default:
      return { ...condition, conditions: condition.conditions.map((part) => inCondition(part, replace)) };
  }
}

function inStatement(statement: Statement, replace: Replace): Statement {
  switch (statement.kind) {
    case "let":
    case "assign":
      return { ...statement, value: inExpression(statement.value, replace) };
    case "variable":
      return { ...statement, initial: inExpression(statement.initial, replace) };
    case "letIndex":
      return { ...statement, value: replace(statement.value) };
    case "loop":
      return { ...statement, body: statement.body.map((inner) => inStatement(inner, replace)) };
    case "if":
      return {
        ...statement,
        condition: inCondition(statement.condition, replace),
        body: statement.body.map((inner) => inStatement(inner, replace)),
      };
    case "store": {
      const { where } = statement;
      const store = { ...statement, index: replace(statement.index), value: inExpression(statement.value, replace) };
      return where ? { ...store, where: inCondition(where, replace) } : store;
    }
    default:
      return statement;
  }
}

/** The same work in workgroups of `lanes` lanes, which divide the nest's own. */
export function withLanes(nest: LoopNest, lanes: number): LoopNest {
  const parts = nest.lanes / lanes;
  const workgroups = nest.workgroups * parts;
  const workgroup = index(variable(workgroupName, workgroups));
  const inner = lanes === 1 ? index(0) : index(variable(laneName, lanes));
  const replaced = new Map<string, Index>([
    [workgroupName, divide(workgroup, parts)],
    [laneName, add(multiply(remainder(workgroup, parts), lanes), inner)],
  ]);
  const replace: Replace = (value) => substitute(value, (name) => replaced.get(name));
  return { ...nest, workgroups, lanes, body: nest.body.map((statement) => inStatement(statement, replace)) };
}
