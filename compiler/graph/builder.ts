/**
 * Builds a graph node by node; equal nodes (same operator, attributes and inputs) are one node. Constants (no inputs) are
 * kept apart: each may come to lie in a place of its own. So is what is computed again.
 */
import type { OperatorAttributes, OperatorName } from "../operators/operator.ts";
import { operators } from "../operators/table.ts";
import { type Graph, InvariantError, type Node, type Origin, type StateTensor } from "./graph.ts";

export interface GraphBuilder {
  readonly nodes: readonly Node[];
  readonly add: <K extends OperatorName>(
    operator: K,
    attributes: OperatorAttributes[K],
    inputs: readonly number[],
    origin: Origin,
  ) => number;
  readonly state: (tensor: StateTensor) => number;
  readonly update: (state: StateTensor, value: number) => void;
  readonly shapeOf: (node: number) => readonly number[];
  readonly finish: () => Graph;
}

export function createGraphBuilder(name: string): GraphBuilder {
  const nodes: Node[] = [];
  const known = new Map<string, number>();
  const updates: { state: StateTensor; value: number }[] = [];

  function shapeOf(id: number): readonly number[] {
    const node = nodes[id];
    if (!node) throw new InvariantError(`${name}: there is no node ${id}`);
    return node.shape;
  }

  function add<K extends OperatorName>(
    operator: K,
    attributes: OperatorAttributes[K],
    inputs: readonly number[],
    origin: Origin,
  ): number {
    const isConstant = inputs.length === 0 && operator !== "state";
    const key = JSON.stringify([operator, attributes, inputs, isConstant ? nodes.length : 0, origin.again ?? false]);
    const found = known.get(key);
    if (found !== undefined) return found;
    const shape = operators[operator].shape(attributes, inputs.map(shapeOf));
    const type = operator === "state" ? (attributes as OperatorAttributes["state"]).type : "f32";
    const id = nodes.length;
    // The generic parameter ties operator and attributes together; the union of all nodes cannot express that here.
    nodes.push({ id, operator, attributes, inputs, shape, type, origin } as Node);
    known.set(key, id);
    return id;
  }

  return {
    nodes,
    add,
    shapeOf,
    state: (tensor) => add("state", tensor, [], { layer: tensor.name, line: 0, role: "state" }),
    update: (state, value) => {
      if (updates.some((update) => update.state.name === state.name))
        throw new InvariantError(`${name}: state ${state.name} is updated twice`);
      updates.push({ state, value });
    },
    finish: () => ({ name, nodes, updates }),
  };
}
