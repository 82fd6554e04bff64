/**
 * The tensor graph of one program (`trainStep`, `evaluateStep`, …): a DAG of named operators over tensors.
 *
 * In: the checked model and recipe (lowerModel.ts), gradient rules (differentiate.ts). Out: kernels (fusion/).
 * What holds (`verifyGraph`): a node's inputs precede it; its shape is what its operator's shape rule gives; states are
 * read through `state` nodes and written through `updates`, at most once each.
 */
import type { ElementType } from "../nest/loopNest.ts";
import { InvariantError } from "../invariantError.ts";
import type { OperatorAttributes, OperatorName } from "../operators/operator.ts";

/** Where a node comes from in the user's program. */
export interface Origin {
  /** `conv2`, `loss`, `optimizer`. */
  readonly layer: string;
  /** Line in the source, 1-based; 0 where the node belongs to no line. */
  readonly line: number;
  /** `forward`, `filter gradient`, … */
  readonly role: string;
  /** It computes what another node has computed before and what was not kept: it runs where it is read, not sooner. */
  readonly again?: true;
}

export type Node = {
  [K in OperatorName]: {
    readonly id: number;
    readonly operator: K;
    readonly attributes: OperatorAttributes[K];
    readonly inputs: readonly number[];
    readonly shape: readonly number[];
    readonly type: ElementType;
    readonly origin: Origin;
  };
}[OperatorName];

/** Memory that lives from program to program: parameters, statistics, optimizer state, data, metrics. */
export interface StateTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: ElementType;
}

export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  /** After the program, the state holds the value of the node. */
  readonly updates: readonly { readonly state: StateTensor; readonly value: number }[];
}

export function size(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

export function nodeAt(graph: Pick<Graph, "nodes">, id: number): Node {
  const node = graph.nodes[id];
  if (!node) throw new InvariantError(`there is no node ${id}`);
  return node;
}

export { InvariantError };
