/**
 * Tests of a relu's value become tests of what the relu was given.
 *
 * In: a `map` that reads y = max(x, 0) only to see whether it is above zero, as the relu's gradient does. Out: the same of x; or
 * nothing where x is not at hand. What holds: `max(x, 0) > 0` where and only where `x > 0`. Why: a normalised x is computed from
 * maps that are kept for the gradient of the normalisation, so that y need not be kept as well.
 */
import { type Graph, type Node, nodeAt, size } from "../graph/graph.ts";
import type { Formula } from "../operators/formula.ts";
import type { RewriteContext, RewriteRule } from "./rewriteGraph.ts";

type Context = Pick<RewriteContext, "graph" | "readersOf">;

export const maskRule: RewriteRule = (node, context) => {
  if (node.operator !== "map") return undefined;
  const { formula } = node.attributes;
  const inputs = node.inputs.map((input, argument) => {
    const given = onlyTested(formula, argument) ? givenToRelu(nodeAt(context.graph, input)) : undefined;
    return given !== undefined && isKept(given, node.id, context) ? given : input;
  });
  if (inputs.every((input, argument) => input === node.inputs[argument])) return undefined;
  return context.add("map", node.attributes, inputs.map(context.placeOf));
};

/** What the node is the maximum of, beside zero. */
export function givenToRelu(node: Node): number | undefined {
  if (node.operator !== "map") return undefined;
  const { formula } = node.attributes;
  const isRelu =
    formula.kind === "binary" &&
    formula.operator === "maximum" &&
    formula.left.kind === "argument" &&
    isZero(formula.right);
  const [input] = node.inputs;
  return isRelu && node.inputs.length === 1 ? input : undefined;
}

function isZero(formula: Formula): boolean {
  return formula.kind === "constant" && formula.value === 0;
}

/** Whether a formula reads an argument, and only to compare it with zero by `>`. */
function onlyTested(formula: Formula, argument: number): boolean {
  let tests = 0;
  const isOther = (of: Formula): boolean => {
    switch (of.kind) {
      case "argument":
        return of.number !== argument;
      case "unary":
        return isOther(of.operand);
      case "binary":
        return isOther(of.left) && isOther(of.right);
      case "choose": {
        const { operator, left, right } = of;
        const isTest = operator === "greater" && left.kind === "argument" && left.number === argument && isZero(right);
        if (isTest) tests++;
        return (isTest || (isOther(left) && isOther(right))) && isOther(of.then) && isOther(of.otherwise);
      }
      case "random":
        return of.seed !== argument && of.step !== argument;
      case "constant":
      case "coordinate":
        return true;
    }
  };
  return isOther(formula) && tests > 0;
}

/** Whether a value is in memory after `time` anyway, or is computed from one that is and from much smaller ones. */
export function isKept(id: number, time: number, context: Context): boolean {
  const { graph, readersOf } = context;
  if (readersOf(id).some((reader) => reader > time)) return true;
  const node = nodeAt(graph, id);
  if (node.operator !== "map" && node.operator !== "normalizeBatch") return false;
  const [only, ...others] = largeInputs(graph, node);
  return only !== undefined && others.length === 0 && isKept(only, time, context);
}

function largeInputs(graph: Graph, { inputs, shape }: Node): readonly number[] {
  return [...new Set(inputs)].filter((input) => size(nodeAt(graph, input).shape) === size(shape));
}
