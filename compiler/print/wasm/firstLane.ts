/**
 * What one lane does alone: the kernels of a chain that are not spread over lanes.
 *
 * In: an `if`. Out: whether it only says that the first lane acts, while nothing inside depends on the lane. Then the body
 * is printed as it is: four lanes that are one instruction stream act once anyway.
 */
import type { Index } from "../../nest/integer.ts";
import { type Condition, type Expression, laneName, type Statement } from "../../nest/loopNest.ts";

type If = Extract<Statement, { kind: "if" }>;

function isFirstLane(condition: Condition): boolean {
  if (condition.kind !== "inRange" || condition.minimum !== 0 || condition.maximum !== 0) return false;
  const [term, ...others] = condition.index.terms;
  return (
    condition.index.constant === 0 &&
    others.length === 0 &&
    term?.factor === 1 &&
    term.atom.kind === "variable" &&
    term.atom.name === laneName
  );
}

export function isForFirstLane({ condition, body }: If, isVaryingIndex: (index: Index) => boolean): boolean {
  const ofExpression = (of: Expression): boolean => {
    switch (of.kind) {
      case "constant":
      case "reference":
        return true;
      case "index":
      case "load":
        return !isVaryingIndex(of.index);
      case "random":
        return !of.counters.some(isVaryingIndex);
      case "unary":
        return ofExpression(of.operand);
      case "binary":
        return ofExpression(of.left) && ofExpression(of.right);
      case "multiplyAdd":
        return ofExpression(of.a) && ofExpression(of.b) && ofExpression(of.c);
      case "select":
        return ofCondition(of.condition) && ofExpression(of.then) && ofExpression(of.otherwise);
      case "broadcast":
        return false;
    }
  };
  const ofCondition = (of: Condition): boolean => {
    switch (of.kind) {
      case "compare":
        return ofExpression(of.left) && ofExpression(of.right);
      case "inRange":
        return !isVaryingIndex(of.index);
      case "not":
        return ofCondition(of.condition);
      default:
        return of.conditions.every(ofCondition);
    }
  };
  const ofStatement = (of: Statement): boolean => {
    switch (of.kind) {
      case "let":
      case "assign":
        return ofExpression(of.value);
      case "variable":
        return ofExpression(of.initial);
      case "letIndex":
        return !isVaryingIndex(of.value);
      case "store":
        return !isVaryingIndex(of.index) && ofExpression(of.value) && (of.where === undefined || ofCondition(of.where));
      case "loop":
        return of.body.every(ofStatement);
      case "if":
        return ofCondition(of.condition) && of.body.every(ofStatement);
      case "call":
      case "reduceLanes":
        return false;
      case "barrier":
      case "comment":
        return true;
    }
  };
  return isFirstLane(condition) && body.every(ofStatement);
}
