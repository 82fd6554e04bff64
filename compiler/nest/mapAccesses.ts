/**
 * Rewrites every load and store of a nest: where each buffer's element really lies. A call names whole buffers: they may
 * be given other names, which are asked for by their first elements.
 */
import { type Index, index } from "./integer.ts";
import type { Condition, Expression, Statement } from "./loopNest.ts";

export type MapAccess = (buffer: string, index: Index) => { readonly buffer: string; readonly index: Index };

type Load = Extract<Expression, { kind: "load" }>;
/** What stands for a load; `isGuarded`: a test can keep it from being read. */
export type MapLoad = (load: Load, isGuarded: boolean) => Expression;

function mapExpression(of: Expression, access: MapLoad, isGuarded = false): Expression {
  const recur = (inner: Expression): Expression => mapExpression(inner, access, isGuarded);
  switch (of.kind) {
    case "load":
      return access(of, isGuarded);
    case "unary":
      return { ...of, operand: recur(of.operand) };
    case "binary":
      return { ...of, left: recur(of.left), right: recur(of.right) };
    case "multiplyAdd":
      return { ...of, a: recur(of.a), b: recur(of.b), c: recur(of.c) };
    case "select":
      return {
        ...of,
        condition: mapCondition(of.condition, access, isGuarded),
        then: mapExpression(of.then, access, true),
        otherwise: mapExpression(of.otherwise, access, true),
      };
    case "constant":
    case "reference":
    case "index":
    case "random":
    case "broadcast":
      return of;
  }
}

function mapCondition(of: Condition, access: MapLoad, isGuarded = false): Condition {
  const recur = (inner: Condition): Condition => mapCondition(inner, access, isGuarded);
  switch (of.kind) {
    case "compare":
      return {
        ...of,
        left: mapExpression(of.left, access, isGuarded),
        right: mapExpression(of.right, access, isGuarded),
      };
    case "and":
    case "or":
      return { ...of, conditions: of.conditions.map(recur) };
    case "not":
      return { ...of, condition: recur(of.condition) };
    case "inRange":
      return of;
  }
}

export function mapAccesses(statements: readonly Statement[], access: MapAccess): Statement[] {
  const load: MapLoad = ({ buffer, index: at }) => ({ kind: "load", ...access(buffer, at) });
  return statements.map((of): Statement => {
    switch (of.kind) {
      case "loop":
        return { ...of, body: mapAccesses(of.body, access) };
      case "if":
        return { ...of, condition: mapCondition(of.condition, load), body: mapAccesses(of.body, access) };
      case "store":
        return { ...mapLoads(of, load), ...access(of.buffer, of.index) };
      case "call":
        return { ...of, buffers: of.buffers.map((buffer) => access(buffer, index(0)).buffer) };
      default:
        return mapLoads(of, load);
    }
  });
}

/** Puts something else in place of the loads of one statement, not of those inside of it. */
export function mapLoads<S extends Statement>(of: S, load: MapLoad): S;
export function mapLoads(of: Statement, load: MapLoad): Statement {
  switch (of.kind) {
    case "let":
    case "assign":
      return { ...of, value: mapExpression(of.value, load) };
    case "variable":
      return { ...of, initial: mapExpression(of.initial, load) };
    case "store": {
      const store = { ...of, value: mapExpression(of.value, load, of.where !== undefined) };
      return of.where ? { ...store, where: mapCondition(of.where, load) } : store;
    }
    default:
      return of;
  }
}
