/**
 * Grouping: stored nodes become kernels. Nodes share a kernel where that saves passes over memory: what is computed
 * from a reduction's result joins the reduction; reductions and maps over one space that read the same tensors join
 * each other.
 *
 * What holds: kernels are in an order in which every tensor is written before it is read, and a state is overwritten
 * after its last reader.
 */
import { type Graph, InvariantError, type Node, nodeAt, size } from "../graph/graph.ts";
import type { Index } from "../nest/integer.ts";
import { type Accessor, type Test, type Value } from "../value.ts";
import { box } from "../value.ts";
import { index, variable } from "../nest/integer.ts";
import { define } from "../reference/evaluate.ts";
import { createAccessors, isReduction, type Storage, symbolicCoordinates } from "./inline.ts";
import type { Accumulator, Kernel, KernelOutput } from "./kernel.ts";
import { distinguishOperands } from "./operands.ts";

interface Group {
  readonly id: number;
  readonly domain: readonly number[];
  extents: readonly number[];
  /** Nodes computed here, in order; reductions first bring their accumulators. */
  readonly members: number[];
  readonly reductions: number[];
}

/** Tells each stored tensor that a value reads, where, and whether as a number or as an index into another. */
export function readsOf(
  root: Value,
  onRead: (tensor: number, coordinates: readonly Index[], asIndex: boolean) => void,
): void {
  const seen = new Set<Value>();
  const visitIndex = (of: Index): void => {
    for (const { atom } of of.terms) {
      if (atom.kind === "element") {
        onRead(Number(atom.buffer), [atom.at], true);
        visitIndex(atom.at);
      } else if (atom.kind !== "variable") visitIndex(atom.of);
    }
  };
  const visitTest = (test: Test): void => {
    if (test.kind === "compare") {
      visit(test.left);
      visit(test.right);
    } else if (test.kind === "all") test.tests.forEach(visitTest);
    else if (test.kind === "inRange") visitIndex(test.index);
  };
  const visit = (value: Value): void => {
    if (seen.has(value)) return;
    seen.add(value);
    switch (value.kind) {
      case "access":
        value.coordinates.forEach(visitIndex);
        return onRead(value.tensor, value.coordinates, false);
      case "unary":
        return visit(value.operand);
      case "binary":
        visit(value.left);
        return visit(value.right);
      case "select":
        visitTest(value.test);
        visit(value.then);
        return visit(value.otherwise);
      case "operand":
        return visit(value.read(value.coordinates));
      case "random":
        return value.counters.forEach(visitIndex);
      case "index":
        return visitIndex(value.index);
      case "reduce": {
        if (size(value.extents) <= 16) for (const at of box(value.extents)) visit(value.body(at));
        else visit(value.body(value.extents.map((extent, d) => index(variable(`w${d}`, extent)))));
        return;
      }
      case "constant":
      case "result":
        return;
    }
  };
  visit(root);
}

const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);

/** Whether it shares a kernel with others: not what runs late, which they would bring forward. */
const mayJoin = ({ origin }: Node): boolean => origin.again !== true;

/** What the making of a group's kernel needs to know of all groups. */
interface Grouped {
  readonly reads: ReadonlyMap<number, ReadonlySet<number>>;
  readonly sources: (id: number) => readonly number[];
  readonly neededOutside: ReadonlySet<number>;
}

export function groupKernels(graph: Graph, storage: Storage, fuse: boolean): Kernel[] {
  const { stored, aliases, live } = storage;
  const groups = new Map<number, Group>();
  /** Groups that read a tensor or compute it, in the order in which they were begun. */
  const byTensor = new Map<number, Set<Group>>();
  const groupOf = new Map<number, number>();
  const reads = new Map<number, ReadonlySet<number>>();
  const elsewhere = new Map<number, ReadonlySet<string>>();

  const knownSources = new Map<number, readonly number[]>();
  /** The nodes that really compute what an alias shows. */
  const sources = (id: number): readonly number[] => {
    const found = knownSources.get(id) ?? (aliases.has(id) ? nodeAt(graph, id).inputs.flatMap(sources) : [id]);
    knownSources.set(id, found);
    return found;
  };
  /** The states that each node's value is written to. */
  const overwritten = new Map<number, string[]>();
  for (const { state, value } of graph.updates)
    for (const id of sources(value)) overwritten.set(id, [...(overwritten.get(id) ?? []), state.name]);
  const definition = (node: Node): Value =>
    define(node, node.inputs.map(storage.accessor))(symbolicCoordinates(node.shape));
  /** The groups that each group needs, kept up as members join. */
  const needed = new Map<number, Set<number>>();
  const dependencies = (group: Group): Set<number> => needed.get(group.id) ?? new Set();
  const noteDependencies = (group: Group, readSet: ReadonlySet<number>): void => {
    const found = dependencies(group);
    for (const source of [...readSet].flatMap(sources)) {
      const of = groupOf.get(source);
      if (of !== undefined && of !== group.id) found.add(of);
    }
    needed.set(group.id, found);
  };
  /** Whether one of the groups is `target` or needs it, directly or not; `seen` are known not to. */
  const reach = (groups: Iterable<number>, target: number, seen = new Set<number>()): boolean => {
    for (const group of groups) {
      if (group === target) return true;
      if (seen.has(group)) continue;
      seen.add(group);
      if (reach(needed.get(group) ?? [], target, seen)) return true;
    }
    return false;
  };

  /** Whether in one kernel of these nodes an element of a state could be overwritten before another place has read it. */
  function overwritesTooEarly(members: readonly number[]): boolean {
    const written = new Set(members.flatMap((member) => overwritten.get(member) ?? []));
    return written.size > 0 && members.some((member) => [...(elsewhere.get(member) ?? [])].some((s) => written.has(s)));
  }

  /** States that a node reads as indices, or at other coordinates than its own. */
  function statesReadElsewhere(node: Node, value: Value): Set<string> {
    const here = symbolicCoordinates(node.shape).map((coordinate) => coordinate.key);
    const found = new Set<string>();
    readsOf(value, (tensor, coordinates, asIndex) => {
      const isHere = coordinates.length === here.length && coordinates.every(({ key }, d) => key === here[d]);
      if (asIndex || !isHere || !isWhole(tensor)) for (const name of statesOf(tensor)) found.add(name);
    });
    return found;
  }

  /** Whether equal coordinates mean equal places: it is computed or a state itself, or such in another shape. */
  function isWhole(tensor: number): boolean {
    const { operator, inputs } = nodeAt(graph, tensor);
    return !aliases.has(tensor) || (operator === "reshape" && inputs.every(isWhole));
  }

  function statesOf(tensor: number): string[] {
    return sources(tensor).flatMap((id) => {
      const node = nodeAt(graph, id);
      return node.operator === "state" ? [node.attributes.name] : [];
    });
  }

  function tryJoin(node: Node, value: Value, readSet: ReadonlySet<number>): Group | undefined {
    const reduction = isReduction(value) ? value : undefined;
    const direct = new Set([...readSet].flatMap(sources).flatMap((id) => groupOf.get(id) ?? []));
    const met = new Set([...readSet].flatMap((tensor) => [tensor, ...sources(tensor)]));
    const candidates = new Set([...met].flatMap((tensor) => [...(byTensor.get(tensor) ?? [])]));
    for (const group of [...candidates].toSorted((a, b) => b.id - a.id)) {
      if (!same(group.domain, node.shape)) continue;
      if (overwritesTooEarly([...group.members, node.id])) continue;
      const depends = direct.has(group.id);
      const isSibling = !depends && (reduction ? same(group.extents, reduction.extents) : group.extents.length === 0);
      if (reduction && !isSibling) continue;
      if (!reduction && depends && !readsInPlace(node, value, group)) continue;
      if (!depends && (!isSibling || !sharesTensor(readSet, group))) continue;
      // Nothing else that the node needs may come after the group.
      const others = [...direct].filter((id) => id !== group.id);
      if (reach(others, group.id)) continue;
      return group;
    }
    return undefined;
  }

  function sharesTensor(readSet: ReadonlySet<number>, group: Group): boolean {
    const elements = size(group.domain) * size(group.extents);
    return group.members.some((member) =>
      [...(reads.get(member) ?? [])].some((id) => readSet.has(id) && size(nodeAt(graph, id).shape) * 16 > elements),
    );
  }

  /** Whether the node reads the group's members only at its own coordinates. */
  function readsInPlace(node: Node, value: Value, group: Group): boolean {
    const here = symbolicCoordinates(node.shape).map((coordinate) => coordinate.key);
    let inPlace = true;
    readsOf(value, (tensor, coordinates) => {
      if (!sources(tensor).some((id) => group.members.includes(id))) return;
      const at = coordinates.map((coordinate) => coordinate.key);
      if (aliases.has(tensor) || at.length !== here.length || at.some((key, d) => key !== here[d])) inPlace = false;
    });
    return inPlace;
  }

  for (const node of graph.nodes) {
    if (!live.has(node.id) || !stored.has(node.id) || aliases.has(node.id) || node.operator === "state") continue;
    const value = definition(node);
    const readSet = new Set<number>();
    readsOf(value, (tensor) => readSet.add(tensor));
    reads.set(node.id, readSet);
    elsewhere.set(node.id, statesReadElsewhere(node, value));
    const reduction = isReduction(value) ? value : undefined;
    const joined = fuse && mayJoin(node) ? tryJoin(node, value, readSet) : undefined;
    const group = joined ?? {
      id: node.id,
      domain: node.shape,
      extents: reduction?.extents ?? [],
      members: [],
      reductions: [],
    };
    for (const tensor of [node.id, ...readSet]) byTensor.set(tensor, (byTensor.get(tensor) ?? new Set()).add(group));
    groups.set(group.id, group);
    group.members.push(node.id);
    if (reduction) group.reductions.push(node.id);
    groupOf.set(node.id, group.id);
    noteDependencies(group, readSet);
  }
  const ordered = orderGroups(graph, groups, dependencies, reads, sources, groupOf);
  const neededOutside = tensorsNeededOutside(graph, reads, sources, groupOf);
  return ordered.map((group) => kernelOf(graph, storage, group, { reads, sources, neededOutside }));
}

/** Topological order, earliest nodes first; readers of a state's old value come before the kernel that overwrites it. */
function orderGroups(
  graph: Graph,
  groups: ReadonlyMap<number, Group>,
  dependencies: (group: Group) => Set<number>,
  reads: ReadonlyMap<number, ReadonlySet<number>>,
  sources: (id: number) => readonly number[],
  groupOf: ReadonlyMap<number, number>,
): Group[] {
  const needs = new Map([...groups.values()].map((group) => [group.id, dependencies(group)]));
  const stateReaders = new Map<string, Set<number>>();
  for (const group of groups.values())
    for (const member of group.members)
      for (const source of [...(reads.get(member) ?? [])].flatMap(sources)) {
        const node = nodeAt(graph, source);
        if (node.operator !== "state") continue;
        const { name } = node.attributes;
        stateReaders.set(name, (stateReaders.get(name) ?? new Set()).add(group.id));
      }
  for (const { state, value } of graph.updates)
    for (const source of sources(value)) {
      const writer = groupOf.get(source);
      for (const reader of stateReaders.get(state.name) ?? [])
        if (writer !== undefined && reader !== writer) needs.get(writer)?.add(reader);
    }
  const done = new Set<number>();
  const open = new Set<number>();
  const order: Group[] = [];
  const visit = (id: number): void => {
    if (done.has(id)) return;
    if (open.has(id)) throw new InvariantError(`kernels of ${graph.name} depend on each other in a circle`);
    open.add(id);
    for (const need of [...(needs.get(id) ?? [])].sort((a, b) => a - b)) visit(need);
    open.delete(id);
    done.add(id);
    const group = groups.get(id);
    if (group) order.push(group);
  };
  for (const id of [...groups.keys()].sort((a, b) => a - b)) visit(id);
  return order;
}

function kernelOf(graph: Graph, storage: Storage, group: Group, { reads, sources, neededOutside }: Grouped): Kernel {
  const accumulators: Accumulator[] = [];
  const members = new Set(group.members);
  const outside = { has: (id: number) => storage.stored.has(id) && !members.has(id) };
  const outsideAccessor = createAccessors(graph, outside);
  for (const id of group.reductions) {
    const at = outsideAccessor(id).at;
    const first = at(symbolicCoordinates(nodeAt(graph, id).shape));
    if (!isReduction(first)) throw new InvariantError(`node ${id} is no reduction`);
    const { operator } = first;
    accumulators.push({
      operator,
      body: (coordinates, along) => {
        const value = at(coordinates);
        if (value.kind !== "reduce") throw new InvariantError(`node ${id} is no reduction at some place`);
        return value.body(along);
      },
    });
  }
  const outputs = group.members.map((id): KernelOutput => {
    const place = group.reductions.indexOf(id);
    if (place >= 0) return { tensor: id, value: (_, results) => resultAt(results, place) };
    return { tensor: id, value: memberValue(graph, outside, group, id) };
  });
  const kept = outputs.filter(({ tensor }) => neededOutside.has(tensor));
  const distinct = distinguishOperands({ accumulators, outputs: kept }, group.domain, group.extents);
  return {
    origins: group.members.map((id) => nodeAt(graph, id).origin),
    domain: group.domain,
    extents: group.extents,
    ...distinct,
    inPlace: overwritesWhatItReads(graph, group, reads, sources),
  };
}

function overwritesWhatItReads(
  graph: Graph,
  group: Group,
  reads: ReadonlyMap<number, ReadonlySet<number>>,
  sources: (id: number) => readonly number[],
): boolean {
  const read = new Set(
    group.members.flatMap((member) =>
      [...(reads.get(member) ?? [])].flatMap(sources).flatMap((id) => {
        const node = nodeAt(graph, id);
        return node.operator === "state" ? [node.attributes.name] : [];
      }),
    ),
  );
  return graph.updates.some(
    ({ state, value }) => read.has(state.name) && sources(value).some((id) => group.members.includes(id)),
  );
}

function resultAt(results: readonly Value[], place: number): Value {
  const found = results[place];
  if (!found) throw new InvariantError(`result ${place} is missing`);
  return found;
}

/** A member that is no reduction: computed from the results, other members inlined. */
function memberValue(
  graph: Graph,
  outside: Pick<ReadonlySet<number>, "has">,
  group: Group,
  id: number,
): KernelOutput["value"] {
  let current: readonly Value[] = [];
  const override = new Map<number, Accessor>(
    group.reductions.map((reduction, place) => [
      reduction,
      { shape: group.domain, at: () => resultAt(current, place) },
    ]),
  );
  const { at } = createAccessors(graph, outside, override)(id);
  return (coordinates, results) => {
    current = results;
    return at(coordinates);
  };
}

/** What updates a state, or is read by a node of another group. */
function tensorsNeededOutside(
  graph: Graph,
  reads: ReadonlyMap<number, ReadonlySet<number>>,
  sources: (id: number) => readonly number[],
  groupOf: ReadonlyMap<number, number>,
): Set<number> {
  const found = new Set(graph.updates.flatMap(({ value }) => sources(value)));
  for (const [reader, tensors] of reads)
    for (const source of [...tensors].flatMap(sources))
      if (groupOf.get(reader) !== groupOf.get(source)) found.add(source);
  return found;
}
