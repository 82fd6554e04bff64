/**
 * Replaces nodes of a graph by others that compute the same, before fusion.
 *
 * In: a graph and a rule. Out: the graph with what the rule gave in place of the nodes for which it gave something. What
 * holds: a replacement has the shape of what it replaces; states and their updates stay.
 */
import { createGraphBuilder, type GraphBuilder } from "../graph/builder.ts";
import { type Graph, InvariantError, type Node, type Origin } from "../graph/graph.ts";
import type { OperatorAttributes, OperatorName } from "../operators/operator.ts";

/** Adds a node whose layer and line are those of the node that is replaced, and its role, if none is given. */
export type AddNode = <K extends OperatorName>(
  operator: K,
  attributes: OperatorAttributes[K],
  inputs: readonly number[],
  role?: string,
) => number;

export interface RewriteContext {
  readonly add: AddNode;
  /** Adds what an old node computes once more, from inputs in the new graph, for the node that is replaced. */
  readonly addAgain: (node: Node, inputs: readonly number[]) => number;
  /** The replaced node's inputs, in the new graph. */
  readonly inputs: readonly number[];
  readonly shapeOf: (node: number) => readonly number[];
  /** The old graph, who reads what in it, and where its nodes, those before the replaced one, are in the new one. */
  readonly graph: Graph;
  readonly readersOf: (node: number) => readonly number[];
  readonly placeOf: (node: number) => number;
}

/** The new node that stands for an old one, or undefined: it stays. */
export type RewriteRule = (node: Node, context: RewriteContext) => number | undefined;

/** The first of the rules that gives something. */
export function firstOf(...rules: readonly RewriteRule[]): RewriteRule {
  return (node, context) => {
    for (const rule of rules) {
      const found = rule(node, context);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

export function rewriteGraph(graph: Graph, rule: RewriteRule): Graph {
  const builder = createGraphBuilder(graph.name);
  const places: number[] = [];
  const placeOf = (node: number): number => places[node] ?? -1;
  const readers = graph.nodes.map((): number[] => []);
  for (const { id, inputs } of graph.nodes) for (const input of inputs) readers[input]?.push(id);
  const readersOf = (node: number): readonly number[] => readers[node] ?? [];
  for (const node of graph.nodes) {
    const inputs = node.inputs.map(placeOf);
    const add: AddNode = (operator, attributes, from, role) =>
      builder.add(operator, attributes, from, {
        ...node.origin,
        role: roleIn(node, role),
      });
    const addAgain = (copied: Node, from: readonly number[]): number =>
      addNode(builder, copied, from, { ...copied.origin, role: roleAgain(node, copied), again: true });
    const found = rule(node, { add, addAgain, inputs, shapeOf: builder.shapeOf, graph, readersOf, placeOf });
    if (found !== undefined && builder.shapeOf(found).join() !== node.shape.join())
      throw new InvariantError(`what replaces ${node.operator} of ${node.origin.layer} has another shape`);
    places[node.id] = found ?? addNode(builder, node, inputs, node.origin);
  }
  for (const { state, value } of graph.updates) builder.update(state, placeOf(value));
  return builder.finish();
}

function addNode(builder: GraphBuilder, node: Node, inputs: readonly number[], origin: Origin): number {
  // Operator and attributes are those of one node; the union cannot say so.
  const attributes = node.attributes as OperatorAttributes[OperatorName];
  return builder.add(node.operator, attributes, inputs, origin);
}

/** `tiles` of the forward pass, for `filter gradient, products`: `filter gradient, tiles again`. */
function roleAgain(reader: Node, { origin: { role } }: Node): string {
  const [gradient = ""] = reader.origin.role.split(",");
  return role === "forward" ? `${gradient}, again` : `${gradient}, ${role} again`;
}

function roleIn({ origin }: Node, role: string | undefined): string {
  if (role === undefined) return origin.role;
  return origin.role === "forward" ? role : `${origin.role}, ${role}`;
}
