/**
 * Fusion: a graph of operators becomes kernels and the tensors they store.
 *
 * In: a graph. Out: kernels in order, and every stored tensor with where it lies. What holds: views (reshape, part,
 * pack) have no kernel; a value that updates a state is written straight into the state.
 */
import { type Graph, InvariantError, type Node, nodeAt } from "../graph/graph.ts";
import { groupKernels } from "./group.ts";
import { type CostModel, decideStorage, type Storage } from "./inline.ts";
import type { FusedGraph, StoredTensor } from "./kernel.ts";

export function fuseGraph(graph: Graph, costs: CostModel, fuse: boolean): FusedGraph {
  const storage = decideStorage(graph, costs, fuse);
  return {
    name: graph.name,
    kernels: groupKernels(graph, storage, fuse),
    tensors: placeTensors(graph, storage),
  };
}

/** A reshaped tensor keeps its name: `bn1.weight`, not the layer that reads it. */
function labelOf(graph: Graph, node: Node): string {
  if (node.operator === "state") return node.attributes.name;
  const [input = -1] = node.inputs;
  if (node.operator === "reshape") return labelOf(graph, nodeAt(graph, input));
  const { layer, role } = node.origin;
  return role === "forward" ? layer : `${layer} ${role}`;
}

function placeTensors(graph: Graph, storage: Storage): Map<number, StoredTensor> {
  const tensors = new Map<number, StoredTensor>();
  for (const id of storage.stored) {
    const node = nodeAt(graph, id);
    const common = { id, label: labelOf(graph, node), shape: node.shape, type: node.type };
    const [input = -1] = node.inputs;
    if (node.operator === "state")
      tensors.set(id, { ...common, storage: { kind: "state", state: node.attributes.name } });
    else if (storage.aliases.has(id) && node.operator === "part")
      tensors.set(id, { ...common, storage: { kind: "alias", of: input, offset: node.attributes.offset } });
    else if (storage.aliases.has(id) && node.operator === "reshape")
      tensors.set(id, { ...common, storage: { kind: "alias", of: input, offset: 0 } });
    else tensors.set(id, { ...common, storage: { kind: "temporary" } });
  }
  for (const id of storage.stored) {
    const node = nodeAt(graph, id);
    if (node.operator !== "pack" || !storage.aliases.has(id)) continue;
    node.inputs.forEach((input, i) =>
      redirect(tensors, input, { kind: "alias", of: id, offset: node.attributes.offsets[i] ?? 0 }),
    );
  }
  for (const { state, value } of graph.updates)
    redirect(tensors, value, { kind: "state", state: state.name }, state.type);
  return tensors;
}

/** Gives a temporary (or the temporary behind views of it) a place inside something else. */
function redirect(
  tensors: Map<number, StoredTensor>,
  id: number,
  storage: StoredTensor["storage"],
  type?: StoredTensor["type"],
): void {
  const tensor = tensors.get(id);
  if (!tensor) throw new InvariantError(`tensor ${id} is not stored`);
  if (tensor.storage.kind === "alias" && tensor.storage.offset === 0)
    redirect(tensors, tensor.storage.of, storage, type);
  else if (tensor.storage.kind === "temporary") tensors.set(id, { ...tensor, type: type ?? tensor.type, storage });
  else throw new InvariantError(`${tensor.label} would have to lie in two places`);
}
