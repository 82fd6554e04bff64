/**
 * Reverse-mode automatic differentiation, source to source: adds to a graph the nodes that compute gradients.
 *
 * In: a builder, a scalar-like node (its gradient by itself is one everywhere) and the nodes to differentiate by.
 * Out: one gradient node for each. What holds: contributions are summed in the order of the nodes that made them.
 */
import { argument, number, plus, times } from "../operators/formula.ts";
import type { GradientContext, OperatorName } from "../operators/operator.ts";
import { operators } from "../operators/table.ts";
import type { GraphBuilder } from "./builder.ts";
import { InvariantError, type Node, type Origin } from "./graph.ts";

/** Nodes that depend on one of `sources`. */
function dependants(nodes: readonly Node[], sources: ReadonlySet<number>): Set<number> {
  const found = new Set(sources);
  for (const node of nodes) if (node.inputs.some((input) => found.has(input))) found.add(node.id);
  return found;
}

export function differentiate(
  builder: GraphBuilder,
  of: number,
  by: readonly number[],
  upstream?: number,
): Map<number, number> {
  const forward = builder.nodes.slice(0, of + 1);
  const relevant = dependants(forward, new Set(by));
  const gradients = new Map<number, number>();
  const seedOrigin = { layer: "loss", line: 0, role: "gradient" };
  const ones = (): number => {
    const formula = plus(times(number(0), argument(0)), number(1));
    return builder.add("map", { formula }, [of], seedOrigin);
  };
  gradients.set(of, upstream ?? ones());
  for (const node of forward.toReversed()) {
    const arriving = gradients.get(node.id);
    if (arriving === undefined || !relevant.has(node.id) || node.operator === "state") continue;
    if (by.includes(node.id) && !node.inputs.some((input) => relevant.has(input))) continue;
    const contributions = backward(builder, node, arriving, relevant);
    contributions.forEach((contribution, i) => {
      const input = node.inputs[i];
      if (contribution === undefined || input === undefined || !relevant.has(input)) return;
      const before = gradients.get(input);
      const origin = { ...node.origin, role: "gradient sum" };
      gradients.set(
        input,
        before === undefined
          ? contribution
          : builder.add("map", { formula: plus(argument(0), argument(1)) }, [before, contribution], origin),
      );
    });
  }
  return new Map(
    by.flatMap((source) => {
      const gradient = gradients.get(source);
      return gradient === undefined ? [] : [[source, gradient] as const];
    }),
  );
}

function backward(
  builder: GraphBuilder,
  node: Node,
  upstream: number,
  relevant: ReadonlySet<number>,
): readonly (number | undefined)[] {
  const rule = operators[node.operator].gradient;
  if (rule === "none") throw new InvariantError(`${node.operator} (${node.origin.layer}) has no gradient`);
  const context = {
    attributes: node.attributes,
    inputs: node.inputs,
    output: node.id,
    upstream,
    needs: (input: number) => relevant.has(node.inputs[input] ?? -1),
    shapeOf: builder.shapeOf,
    add: ((operator, attributes, inputs, role) =>
      builder.add(operator, attributes, inputs, { ...node.origin, role } satisfies Origin)) as GraphBuilderAdd,
  };
  // The table's entry and the node's attributes belong to the same operator; the union cannot say so.
  return (rule as (context: GradientContext<OperatorName>) => readonly (number | undefined)[])(
    context as GradientContext<OperatorName>,
  );
}

type GraphBuilderAdd = GradientContext<OperatorName>["add"];
