/**
 * The reference: evaluates operator definitions directly, in float64, one element after another. It is the meaning of
 * the language; generated kernels are compared with it, and it is compared with PyTorch and finite differences.
 */
import { type Graph, InvariantError, type Node, size } from "../graph/graph.ts";
import { evaluate as evaluateIndex, type Index, index, offset, rowMajorStrides } from "../nest/integer.ts";
import { binaryFunctions, unaryFunctions } from "../nest/arithmetic.ts";
import { uniform } from "../nest/random.ts";
import type { Operator, OperatorName } from "../operators/operator.ts";
import { operators } from "../operators/table.ts";
import { type Accessor, box, holds, identityOf, type Test, type Value } from "../value.ts";
import { element } from "../nest/integer.ts";

export type Memory = ReadonlyMap<number, ArrayLike<number>>;

/** The definition of a node as a function of output coordinates. */
export function define(node: Node, inputs: readonly Accessor[]): (coordinates: readonly Index[]) => Value {
  // Entry and attributes belong to the same operator; the union cannot say so.
  const operator = operators[node.operator] as Operator<OperatorName>;
  return operator.define(node.attributes, inputs, node.shape);
}

/** Reads a stored tensor. */
export function storedAccessor(node: Pick<Node, "id" | "shape">): Accessor {
  const strides = rowMajorStrides(node.shape);
  return {
    shape: node.shape,
    at: (coordinates) => ({ kind: "access", tensor: node.id, coordinates }),
    integer: (coordinates, maximum) => element(String(node.id), offset(coordinates, strides), maximum),
  };
}

type Shapes = (tensor: number) => readonly number[];

function evaluator(memory: Memory, shapes: Shapes): (value: Value) => number {
  const read = (tensor: number, at: number): number => {
    const found = memory.get(tensor)?.[at];
    if (found === undefined) throw new InvariantError(`element ${at} of tensor ${tensor} does not exist`);
    return found;
  };
  const noVariable = (name: string): number => {
    throw new InvariantError(`${name} is not bound`);
  };
  const integer = (of: Index): number => evaluateIndex(of, noVariable, (buffer, at) => read(Number(buffer), at));
  const test = (of: Test): boolean => {
    switch (of.kind) {
      case "always":
        return true;
      case "never":
        return false;
      case "inRange": {
        const at = integer(of.index);
        return at >= of.minimum && at <= of.maximum;
      }
      case "compare":
        return holds(of.operator, evaluate(of.left), evaluate(of.right));
      case "all":
        return of.tests.every(test);
    }
  };
  function evaluate(value: Value): number {
    switch (value.kind) {
      case "constant":
        return value.value;
      case "index":
        return integer(value.index);
      case "access":
        return read(value.tensor, integer(offset(value.coordinates, rowMajorStrides(shapes(value.tensor)))));
      case "unary":
        return unaryFunctions[value.operator](evaluate(value.operand));
      case "binary":
        return binaryFunctions[value.operator](evaluate(value.left), evaluate(value.right));
      case "select":
        return evaluate(test(value.test) ? value.then : value.otherwise);
      case "random":
        return uniform(...(value.counters.map(integer) as [number, number, number]));
      case "operand":
        return evaluate(value.read(value.coordinates));
      case "reduce": {
        const combine = binaryFunctions[value.operator];
        let total = identityOf(value.operator);
        for (const at of box(value.extents)) total = combine(total, evaluate(value.body(at)));
        return total;
      }
      case "result":
        throw new InvariantError("a definition holds no kernel result");
    }
  }
  return evaluate;
}

/** Evaluates every node of a graph, given the states by name; returns the value of each node. */
export function evaluateGraph(
  graph: Pick<Graph, "nodes">,
  states: Readonly<Record<string, ArrayLike<number>>>,
): Map<number, ArrayLike<number>> {
  const memory = new Map<number, ArrayLike<number>>();
  const nodes = graph.nodes;
  const evaluate = evaluator(memory, (tensor) => nodes[tensor]?.shape ?? []);
  for (const node of nodes) {
    if (node.operator === "state") {
      const given = states[node.attributes.name];
      if (!given || given.length !== size(node.shape))
        throw new InvariantError(`state ${node.attributes.name} needs ${size(node.shape)} elements`);
      memory.set(node.id, given);
      continue;
    }
    const inputs = node.inputs.map((input) => storedAccessor({ id: input, shape: nodes[input]?.shape ?? [] }));
    const at = define(node, inputs);
    memory.set(
      node.id,
      Float64Array.from(box(node.shape), (coordinates) => evaluate(at(coordinates))),
    );
  }
  return memory;
}

export { index };
