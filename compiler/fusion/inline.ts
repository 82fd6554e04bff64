/**
 * Which nodes are stored and which are computed where they are read.
 *
 * In: a graph. Out: the set of stored nodes. A node is stored where it must be (reductions, updates of states) and
 * where recomputing it for each of its readers would cost more than writing it once and reading it back. Costs are in
 * units of one element moved to or from memory.
 */
import { type Graph, type Node, nodeAt, size } from "../graph/graph.ts";
import { index, variable } from "../nest/integer.ts";
import { define, storedAccessor } from "../reference/evaluate.ts";
import type { Accessor, Test, Value } from "../value.ts";
import { box } from "../value.ts";

export interface CostModel {
  /** Moving one element. */
  readonly read: number;
  readonly write: number;
  /** One arithmetic operation, and one exponential or the like. */
  readonly operation: number;
  readonly transcendental: number;
  /** A kernel of its own, in the same units. */
  readonly kernel: number;
}

/** What one evaluation of a value takes. */
interface Work {
  readonly reads: Map<number, number>;
  operations: number;
  transcendentals: number;
}

const dearOperators = new Set(["exponential", "logarithm", "tanh", "sine", "cosine", "errorFunction", "power"]);

/** Reductions of at most so many elements are computed inside other kernels if that is cheaper. */
const largestInlineReduction = 16;

function accessKey(value: Value & { kind: "access" }): string {
  return `${value.tensor}:${value.coordinates.map((coordinate) => coordinate.key).join()}`;
}

/** Counts distinct loads and operations of one evaluation; windows are opened, larger reductions multiplied. */
function measure(root: Value): Work {
  const work: Work = { reads: new Map(), operations: 0, transcendentals: 0 };
  const loads = new Set<string>();
  const seen = new Set<Value>();
  const visitTest = (test: Test, times: number): void => {
    if (test.kind === "compare") {
      visit(test.left, times);
      visit(test.right, times);
    } else if (test.kind === "all") test.tests.forEach((inner) => visitTest(inner, times));
    work.operations += times;
  };
  const visit = (value: Value, times: number): void => {
    if (seen.has(value)) return;
    seen.add(value);
    switch (value.kind) {
      case "access": {
        const key = accessKey(value);
        if (loads.has(key)) return;
        loads.add(key);
        work.reads.set(value.tensor, (work.reads.get(value.tensor) ?? 0) + times);
        return;
      }
      case "unary":
        if (dearOperators.has(value.operator)) work.transcendentals += times;
        else work.operations += times;
        return visit(value.operand, times);
      case "binary":
        if (value.operator === "power") work.transcendentals += times;
        else work.operations += times;
        visit(value.left, times);
        return visit(value.right, times);
      case "select":
        visitTest(value.test, times);
        visit(value.then, times);
        return visit(value.otherwise, times);
      case "operand":
        return visit(value.read(value.coordinates), times);
      case "random":
        work.operations += 12 * times;
        return;
      case "reduce": {
        const count = size(value.extents);
        if (count <= largestInlineReduction) {
          for (const at of box(value.extents)) visit(value.body(at), times);
          work.operations += times * count;
          return;
        }
        const inside = value.extents.map((extent, d) => index(variable(`m${d}`, extent)));
        work.operations += times * count;
        return visit(value.body(inside), times * count);
      }
      case "constant":
      case "index":
      case "result":
        return;
    }
  };
  visit(root, 1);
  return work;
}

export function symbolicCoordinates(shape: readonly number[]): ReturnType<typeof index>[] {
  return shape.map((extent, d) => index(variable(`c${d}`, extent)));
}

/** Whether a value is a product of operands: part of a contraction. */
export function containsOperand(value: Value): boolean {
  if (value.kind === "operand") return true;
  if (value.kind === "binary") return containsOperand(value.left) || containsOperand(value.right);
  return value.kind === "select" && containsOperand(value.then);
}

/** Whether a definition is a reduction with a kernel of its own: a contraction, or more elements than a window has. */
export function isReduction(value: Value): value is Value & { kind: "reduce" } {
  if (value.kind !== "reduce") return false;
  if (size(value.extents) > largestInlineReduction) return true;
  return containsOperand(value.body(value.extents.map((extent, d) => index(variable(`m${d}`, extent)))));
}

export interface Storage {
  readonly live: ReadonlySet<number>;
  readonly stored: ReadonlySet<number>;
  /** Views of stored tensors: no kernel, the same memory. */
  readonly aliases: ReadonlySet<number>;
  /** Reads the node where it is stored, else computes it in place. */
  readonly accessor: (id: number) => Accessor;
}

export function liveNodes(graph: Graph): Set<number> {
  const live = new Set(graph.updates.map((update) => update.value));
  for (const node of graph.nodes.toReversed()) if (live.has(node.id)) for (const input of node.inputs) live.add(input);
  return live;
}

/** Reads or computes nodes; definitions are made once. `override` replaces single nodes. */
export function createAccessors(
  graph: Graph,
  stored: Pick<ReadonlySet<number>, "has">,
  override: ReadonlyMap<number, Accessor> = new Map(),
): (id: number) => Accessor {
  const known = new Map<number, Accessor>();
  const accessor = (id: number): Accessor => {
    const found = override.get(id) ?? known.get(id);
    if (found) return found;
    const node = nodeAt(graph, id);
    const made = stored.has(id)
      ? storedAccessor(node)
      : { shape: node.shape, at: define(node, node.inputs.map(accessor)) };
    known.set(id, made);
    return made;
  };
  return accessor;
}

export function decideStorage(graph: Graph, costs: CostModel, fuse: boolean): Storage {
  const live = liveNodes(graph);
  const stored = new Set<number>();
  const aliases = new Set<number>();
  const required = new Set(graph.updates.flatMap((update) => [update.value, ...viewed(graph, update.value)]));
  for (const node of graph.nodes)
    if (live.has(node.id) && needsStoredInputs(graph, node)) for (const input of node.inputs) required.add(input);
  const consumers = consumersOf(graph, live);
  const work = new Map<number, Work>();
  for (const node of graph.nodes) {
    if (!live.has(node.id) || node.operator === "state") continue;
    const accessors = node.inputs.map((input) => storedAccessor(nodeAt(graph, input)));
    const value = define(node, accessors)(symbolicCoordinates(node.shape));
    if (isReduction(value)) required.add(node.id);
    work.set(node.id, measure(value));
  }
  const evaluation = new Map<number, number>();
  const decision: Decision = { graph, consumers, work, stored, costs, reads: new Map() };
  for (const node of graph.nodes) {
    if (!live.has(node.id)) continue;
    const isView = node.operator === "reshape" || node.operator === "part" || node.operator === "pack";
    if (node.operator === "state") stored.add(node.id);
    else if (isView && node.inputs.every((input) => stored.has(input))) {
      stored.add(node.id);
      aliases.add(node.id);
    } else {
      const cost = evaluationCost(graph, node, work, stored, evaluation, costs);
      evaluation.set(node.id, cost);
      if (isEpilogue(decision, node, required)) required.add(node.id);
      if (!fuse || required.has(node.id) || !isCheaperInline(decision, node, cost)) stored.add(node.id);
    }
  }
  return { live, stored, aliases, accessor: createAccessors(graph, stored) };
}

/** What a state's new value is a view of: stored in the state, it may be computed where what it comes from is. */
function viewed(graph: Graph, id: number): number[] {
  const { operator, inputs } = nodeAt(graph, id);
  const [input] = inputs;
  if (operator !== "reshape" || input === undefined || nodeAt(graph, input).operator === "state") return [];
  return [input, ...viewed(graph, input)];
}

/** Views cost nothing on stored tensors; computing through one would turn simple coordinates into divisions. */
function needsStoredInputs(graph: Graph, node: Node): boolean {
  if (node.operator === "pack") return true;
  if (node.operator !== "reshape") return false;
  const withoutOnes = (shape: readonly number[]): string => shape.filter((extent) => extent > 1).join();
  return node.inputs.some((input) => withoutOnes(nodeAt(graph, input).shape) !== withoutOnes(node.shape));
}

function consumersOf(graph: Graph, live: ReadonlySet<number>): Map<number, Node[]> {
  const consumers = new Map<number, Node[]>();
  for (const node of graph.nodes)
    if (live.has(node.id))
      for (const input of new Set(node.inputs)) {
        const known = consumers.get(input);
        if (known) known.push(node);
        else consumers.set(input, [node]);
      }
  return consumers;
}

/** A tensor smaller than what reads it is read again from registers or caches: only its share is paid for. */
const smallestShare = 0.1;

function readCost(graph: Graph, tensor: number, readerSize: number, costs: CostModel): number {
  const share = size(nodeAt(graph, tensor).shape) / readerSize;
  return costs.read * Math.min(1, Math.max(smallestShare, share));
}

/** Cost of one element of a node, its inlined inputs included. */
function evaluationCost(
  graph: Graph,
  node: Node,
  work: ReadonlyMap<number, Work>,
  stored: ReadonlySet<number>,
  evaluation: ReadonlyMap<number, number>,
  costs: CostModel,
): number {
  const own = work.get(node.id);
  if (!own) return 0;
  let cost = own.operations * costs.operation + own.transcendentals * costs.transcendental;
  for (const [tensor, times] of own.reads) {
    const perRead = stored.has(tensor)
      ? readCost(graph, tensor, size(node.shape), costs)
      : (evaluation.get(tensor) ?? costs.read);
    cost += times * perRead;
  }
  return cost;
}

/** What a node reads from memory, through the inlined nodes it is computed from. */
function tensorsRead(graph: Graph, id: number, stored: ReadonlySet<number>, known: Map<number, ReadonlySet<number>>) {
  const found = known.get(id);
  if (found) return found;
  const reads = new Set<number>();
  for (const input of nodeAt(graph, id).inputs)
    if (stored.has(input)) reads.add(input);
    else for (const tensor of tensorsRead(graph, input, stored, known)) reads.add(tensor);
  known.set(id, reads);
  return reads;
}

interface Decision {
  readonly graph: Graph;
  readonly consumers: ReadonlyMap<number, readonly Node[]>;
  readonly work: ReadonlyMap<number, Work>;
  readonly stored: ReadonlySet<number>;
  readonly costs: CostModel;
  readonly reads: Map<number, ReadonlySet<number>>;
}

/**
 * Whether a node replaces a stored reduction: it alone reads it, element by element. Then it is computed where the
 * reduction ends and stored in its stead, which costs nothing.
 */
function isEpilogue({ graph, consumers, work }: Decision, node: Node, required: ReadonlySet<number>): boolean {
  return node.inputs.some((input) => {
    const isOnlyReader = consumers.get(input)?.length === 1;
    const takesEachOnce = (work.get(node.id)?.reads.get(input) ?? 0) === 1;
    const sameShape = nodeAt(graph, input).shape.join() === node.shape.join();
    return required.has(input) && isOnlyReader && takesEachOnce && sameShape && node.operator === "map";
  });
}

/**
 * Compares computing a node in each of its readers with storing it. A reader that takes each element about once and
 * reads the node's inputs itself anyway gets those reads for nothing.
 */
function isCheaperInline(decision: Decision, node: Node, cost: number): boolean {
  const { graph, consumers, work, stored, costs, reads } = decision;
  if (isMove(decision, node)) return true;
  const elements = size(node.shape);
  const inputs = tensorsRead(graph, node.id, stored, reads);
  let inline = 0;
  let store = elements * (cost + costs.write) + costs.kernel;
  for (const consumer of consumers.get(node.id) ?? []) {
    const times = work.get(consumer.id)?.reads.get(node.id) ?? 0;
    const readings = times * size(consumer.shape);
    const shared = [...inputs].filter((tensor) => readsItself(decision, consumer, node, tensor));
    const saved = readings <= elements * 1.01 ? shared.length * costs.read : 0;
    inline += readings * Math.max(costs.operation, cost - saved);
    store += readings * readCost(graph, node.id, size(consumer.shape), costs);
  }
  return inline <= store;
}

/** Whether a node only takes elements of a stored tensor: reading them there costs what reading a copy would. */
function isMove({ work, stored }: Decision, node: Node): boolean {
  const own = work.get(node.id);
  if (!own || own.operations > 0 || own.transcendentals > 0) return false;
  const [reads = 0, ...others] = own.reads.values();
  return reads === 1 && others.length === 0 && node.inputs.every((input) => stored.has(input));
}

function readsItself({ graph, stored, reads }: Decision, consumer: Node, except: Node, tensor: number): boolean {
  if (size(nodeAt(graph, tensor).shape) <= size(except.shape) * smallestShare) return false;
  return consumer.inputs.some(
    (input) =>
      input !== except.id &&
      (input === tensor || (!stored.has(input) && tensorsRead(graph, input, stored, reads).has(tensor))),
  );
}
