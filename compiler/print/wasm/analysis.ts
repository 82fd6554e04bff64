/**
 * What the printer must know of a nest before it starts: which values differ between lanes.
 *
 * In: a nest. Out: the names of lane-varying f32 values and integers, which uniform `let`s are best kept as vectors, and
 * how each index depends on the lane. What holds: whatever is not called varying is the same in all lanes.
 */
import { InvariantError } from "../../graph/graph.ts";
import { index, type Index, substitute, type Term } from "../../nest/integer.ts";
import { isForFirstLane as isFirstLaneOnly } from "./firstLane.ts";
import { type Condition, type Expression, laneName, type LoopNest, type Statement } from "../../nest/loopNest.ts";

/** How an index depends on the lane. */
export type LaneForm =
  /** `rest + factor · lane`; factor 0: the same in all lanes. */
  | { readonly kind: "linear"; readonly factor: number; readonly rest: Index }
  /** Anything else: the index of each lane. */
  | { readonly kind: "each"; readonly lanes: readonly Index[]; readonly whole: Index };

export interface Analysis {
  laneForm(value: Index): LaneForm;
  isVarying(expression: Expression): boolean;
  isVaryingCondition(condition: Condition): boolean;
  /** Its body is for the first lane, and the same for all. */
  isForFirstLane(statement: Extract<Statement, { kind: "if" }>): boolean;
  /** The `let` or `variable` is an f32x4. */
  isVector(name: string): boolean;
}

export const vectorLanes = 4;

export function analyse(nest: LoopNest): Analysis {
  if (nest.lanes !== 1 && nest.lanes !== vectorLanes)
    throw new InvariantError(`${nest.name}: WebAssembly kernels have 1 or ${vectorLanes} lanes, not ${nest.lanes}`);
  const laneForm = createLaneForms(nest);
  const varying = new Set<string>();
  const known = new Map<Expression, boolean>();
  const isVaryingIndex = (value: Index): boolean => {
    const form = laneForm(value);
    return form.kind === "each" || form.factor !== 0;
  };
  const isVarying = (expression: Expression): boolean => {
    let found = known.get(expression);
    if (found === undefined) {
      found = compute(expression);
      // While the set of varying names grows, only "varying" is final.
      if (found || finished) known.set(expression, found);
    }
    return found;
  };
  const compute = (expression: Expression): boolean => {
    switch (expression.kind) {
      case "constant":
        return false;
      case "reference":
        return varying.has(expression.name);
      case "index":
      case "load":
        return isVaryingIndex(expression.index);
      case "random":
        return expression.counters.some(isVaryingIndex);
      case "select":
        return (
          isVaryingCondition(expression.condition) || isVarying(expression.then) || isVarying(expression.otherwise)
        );
      case "broadcast":
        throw new InvariantError(`${nest.name}: WebAssembly has no subgroups`);
      default:
        return operandsOf(expression).some(isVarying);
    }
  };
  const isVaryingCondition = (condition: Condition): boolean => {
    switch (condition.kind) {
      case "compare":
        return isVarying(condition.left) || isVarying(condition.right);
      case "inRange":
        return isVaryingIndex(condition.index);
      case "not":
        return isVaryingCondition(condition.condition);
      default:
        return condition.conditions.some(isVaryingCondition);
    }
  };
  const isForFirstLane = memoized((statement: Extract<Statement, { kind: "if" }>) =>
    isFirstLaneOnly(statement, isVaryingIndex),
  );
  let finished = false;
  if (nest.lanes > 1)
    for (let before = -1; before !== varying.size;) {
      before = varying.size;
      markVarying(nest.body, false, varying, { isVarying, isVaryingCondition, isForFirstLane });
    }
  finished = true;
  const asVectors = vectorUses(nest, isVarying, isVaryingCondition, isVaryingIndex);
  return {
    laneForm,
    isVarying,
    isVaryingCondition,
    isForFirstLane,
    isVector: (name) => varying.has(name) || asVectors.has(name),
  };
}

/** The f32 operands of an operator. */
export function operandsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case "unary":
      return [expression.operand];
    case "binary":
      return [expression.left, expression.right];
    case "multiplyAdd":
      return [expression.a, expression.b, expression.c];
    case "select":
      return [expression.then, expression.otherwise];
    default:
      return [];
  }
}

/** Integers that vary between lanes are replaced by their values; the rest is split into lane and what does not vary. */
function createLaneForms(nest: LoopNest): (value: Index) => LaneForm {
  const replaced = new Map<string, Index>();
  const forms = new Map<string, LaneForm>();
  // Terms are shared by many indices: each is looked through once.
  const varying = new Map<string, boolean>();
  if (nest.lanes === 1) replaced.set(laneName, index(0));
  const isVarying = ({ atom, key }: Term): boolean => {
    let found = varying.get(key);
    if (found === undefined) {
      if (atom.kind === "variable") found = atom.name === laneName || replaced.has(atom.name);
      else found = (atom.kind === "element" ? atom.at : atom.of).terms.some(isVarying);
      varying.set(key, found);
    }
    return found;
  };
  const resolve = (value: Index): Index =>
    replaced.size > 0 && value.terms.some(isVarying) ? substitute(value, (name) => replaced.get(name)) : value;
  const form = (value: Index): LaneForm => {
    const whole = resolve(value);
    const inside = whole.terms.filter(isVarying);
    if (inside.length === 0) return { kind: "linear", factor: 0, rest: whole };
    const [only] = inside;
    if (inside.length === 1 && only?.atom.kind === "variable")
      return { kind: "linear", factor: only.factor, rest: without(whole, only, nest.lanes) };
    const lanes = Array.from({ length: nest.lanes }, (_, k) =>
      substitute(whole, (name) => (name === laneName ? index(k) : undefined)),
    );
    const isUniform = lanes.every(({ key }) => key === lanes[0]?.key);
    return isUniform && lanes[0] ? { kind: "linear", factor: 0, rest: lanes[0] } : { kind: "each", lanes, whole };
  };
  const visit = (statements: readonly Statement[]): void => {
    for (const statement of statements) {
      if (statement.kind === "letIndex" && statement.value.terms.some(isVarying)) {
        replaced.set(statement.variable.name, resolve(statement.value));
        varying.set(statement.variable.name, true);
      }
      if (statement.kind === "loop" || statement.kind === "if") visit(statement.body);
    }
  };
  visit(nest.body);
  return (value) => {
    let found = forms.get(value.key);
    if (!found) {
      found = form(value);
      forms.set(value.key, found);
    }
    return found;
  };
}

/** The index less its term of the lane. */
function without(whole: Index, lane: Term, lanes: number): Index {
  const reach = lane.factor * (lanes - 1);
  return {
    constant: whole.constant,
    terms: whole.terms.filter((term) => term !== lane),
    minimum: whole.minimum - Math.min(0, reach),
    maximum: whole.maximum - Math.max(0, reach),
    key: `${whole.key}-lane`,
  };
}

function memoized<A extends object, B>(compute: (of: A) => B): (of: A) => B {
  const known = new Map<A, B>();
  return (of) => {
    const found = known.get(of) ?? compute(of);
    known.set(of, found);
    return found;
  };
}

function markVarying(
  statements: readonly Statement[],
  masked: boolean,
  varying: Set<string>,
  is: Pick<Analysis, "isVarying" | "isVaryingCondition" | "isForFirstLane">,
): void {
  for (const statement of statements) {
    if (statement.kind === "let" && is.isVarying(statement.value)) varying.add(statement.name);
    if (statement.kind === "variable" && is.isVarying(statement.initial)) varying.add(statement.name);
    if (statement.kind === "assign" && (masked || is.isVarying(statement.value))) varying.add(statement.name);
    if (statement.kind === "reduceLanes") for (const name of statement.names) varying.add(name);
    if (statement.kind === "loop") markVarying(statement.body, masked, varying, is);
    if (statement.kind === "if") {
      const differs = is.isVaryingCondition(statement.condition) && !is.isForFirstLane(statement);
      markVarying(statement.body, masked || differs, varying, is);
    }
  }
}

/** Uniform `let`s that are operands of vectors: splatting them once, where they are defined, saves it at each use. */
function vectorUses(
  nest: LoopNest,
  isVarying: (expression: Expression) => boolean,
  isVaryingCondition: (condition: Condition) => boolean,
  isVaryingIndex: (value: Index) => boolean,
): ReadonlySet<string> {
  const lets = new Set<string>();
  const found = new Set<string>();
  const visit = (expression: Expression, asVector: boolean): void => {
    if (expression.kind === "reference" && asVector && lets.has(expression.name)) found.add(expression.name);
    const inside = isVarying(expression);
    if (expression.kind === "select") visitCondition(expression.condition);
    for (const operand of operandsOf(expression)) visit(operand, inside);
  };
  const visitCondition = (condition: Condition): void => {
    if (condition.kind === "compare") {
      const inside = isVaryingCondition(condition);
      visit(condition.left, inside);
      visit(condition.right, inside);
    } else if (condition.kind === "not") visitCondition(condition.condition);
    else if (condition.kind !== "inRange") condition.conditions.forEach(visitCondition);
  };
  const visitAll = (statements: readonly Statement[]): void => {
    for (const statement of statements) {
      if (statement.kind === "let") {
        lets.add(statement.name);
        visit(statement.value, false);
      } else if (statement.kind === "variable") visit(statement.initial, false);
      else if (statement.kind === "assign") visit(statement.value, false);
      else if (statement.kind === "store") {
        visit(statement.value, isVaryingIndex(statement.index));
        if (statement.where) visitCondition(statement.where);
      } else if (statement.kind === "if") visitCondition(statement.condition);
      if (statement.kind === "loop" || statement.kind === "if") visitAll(statement.body);
    }
  };
  if (nest.lanes > 1) visitAll(nest.body);
  return found;
}
