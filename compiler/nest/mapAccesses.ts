/**
 * Rewrites every load and store of a nest: where each buffer's element really lies. A call names whole buffers: they may
 * be given other names, which are asked for by their first elements.
 */
import { type Index, index } from "./integer.ts";
import type { Condition, Expression, Statement } from "./loopNest.ts";

export type MapAccess = (buffer: string, index: Index) => { readonly buffer: string; readonly index: Index };

function mapExpression(of: Expression, access: MapAccess): Expression {
  const recur = (inner: Expression): Expression => mapExpression(inner, access);
  switch (of.kind) {
    case "load":
      return { kind: "load", ...access(of.buffer, of.index) };
    case "unary":
      return { ...of, operand: recur(of.operand) };
    case "binary":
      return { ...of, left: recur(of.left), right: recur(of.right) };
    case "multiplyAdd":
      return { ...of, a: recur(of.a), b: recur(of.b), c: recur(of.c) };
    case "select":
      return {
        ...of,
        condition: mapCondition(of.condition, access),
        then: recur(of.then),
        otherwise: recur(of.otherwise),
      };
    case "constant":
    case "reference":
    case "index":
    case "random":
    case "broadcast":
      return of;
  }
}

function mapCondition(of: Condition, access: MapAccess): Condition {
  switch (of.kind) {
    case "compare":
      return { ...of, left: mapExpression(of.left, access), right: mapExpression(of.right, access) };
    case "and":
    case "or":
      return { ...of, conditions: of.conditions.map((inner) => mapCondition(inner, access)) };
    case "not":
      return { ...of, condition: mapCondition(of.condition, access) };
    case "inRange":
      return of;
  }
}

export function mapAccesses(statements: readonly Statement[], access: MapAccess): Statement[] {
  return statements.map((of): Statement => {
    switch (of.kind) {
      case "let":
      case "assign":
        return { ...of, value: mapExpression(of.value, access) };
      case "variable":
        return { ...of, initial: mapExpression(of.initial, access) };
      case "loop":
        return { ...of, body: mapAccesses(of.body, access) };
      case "if":
        return { ...of, condition: mapCondition(of.condition, access), body: mapAccesses(of.body, access) };
      case "store": {
        const store = { ...of, ...access(of.buffer, of.index), value: mapExpression(of.value, access) };
        return of.where ? { ...store, where: mapCondition(of.where, access) } : store;
      }
      case "call":
        return { ...of, buffers: of.buffers.map((buffer) => access(buffer, index(0)).buffer) };
      case "letIndex":
      case "barrier":
      case "reduceLanes":
      case "comment":
        return of;
    }
  });
}
