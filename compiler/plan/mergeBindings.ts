/**
 * Keeps a kernel within the adapter's number of bindings: tensors that lie in one buffer can share a binding, which spans
 * them all; their addresses move by their distance from its start.
 *
 * In: a nest, the place of each of its bindings, the limit. Out: the same, with bindings merged buffer by buffer until
 * they fit. Kernels within the limit are left alone: separate bindings let equal kernels share a pipeline.
 */
import { InvariantError } from "../graph/graph.ts";
import { add, type Index } from "../nest/integer.ts";
import type { Binding, LoopNest } from "../nest/loopNest.ts";
import { mapAccesses } from "../nest/mapAccesses.ts";
import type { PlanDispatch } from "./plan.ts";

type Place = PlanDispatch["bindings"][number];

interface Bound {
  readonly binding: Binding;
  readonly place: Place;
}

export function mergeBindings(
  nest: LoopNest,
  places: readonly Place[],
  limit: number,
): { nest: LoopNest; places: Place[] } {
  let bound = nest.bindings.map((binding, i): Bound => {
    const place = places[i];
    if (!place) throw new InvariantError(`${nest.name}: binding ${binding.name} has no place`);
    return { binding, place };
  });
  let merged = nest;
  while (bound.length > limit) {
    const group = largestGroup(bound);
    if (group.length < 2) throw new InvariantError(`${nest.name} needs ${bound.length} bindings of ${limit}`);
    const { span, moves } = spanOf(group, nest.name, bound.length);
    const access = (buffer: string, index: Index): { buffer: string; index: Index } => {
      const move = moves.get(buffer);
      return move === undefined ? { buffer, index } : { buffer: span.binding.name, index: add(index, move) };
    };
    bound = [...bound.filter((one) => !group.includes(one)), span];
    merged = { ...merged, body: mapAccesses(merged.body, access) };
  }
  return {
    nest: { ...merged, bindings: bound.map(({ binding }) => binding) },
    places: bound.map(({ place }) => place),
  };
}

/** The f32 bindings of the buffer that has most of them. */
function largestGroup(bound: readonly Bound[]): Bound[] {
  const groups = new Map<number, Bound[]>();
  for (const one of bound)
    if (one.binding.type === "f32") groups.set(one.place.buffer, [...(groups.get(one.place.buffer) ?? []), one]);
  return [...groups.values()].toSorted((a, b) => b.length - a.length)[0] ?? [];
}

function spanOf(group: readonly Bound[], name: string, count: number): { span: Bound; moves: Map<string, number> } {
  const start = Math.min(...group.map(({ place }) => place.offset));
  const end = Math.max(...group.map(({ place }) => place.offset + place.bytes));
  const [first] = group;
  if (!first) throw new InvariantError(`${name}: nothing to merge`);
  const isWritten = group.some(({ binding }) => binding.access === "readwrite");
  return {
    span: {
      binding: {
        name: `memory${count}`,
        type: "f32",
        access: isWritten ? "readwrite" : "read",
        length: (end - start) / 4,
      },
      place: { buffer: first.place.buffer, offset: start, bytes: end - start },
    },
    moves: new Map(group.map(({ binding, place }) => [binding.name, (place.offset - start) / 4])),
  };
}
