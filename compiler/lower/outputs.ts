/** The end of a kernel: each output's value, from the results, stored for every point of the tile. */
import { InvariantError } from "../graph/graph.ts";
import { add, type Index } from "../nest/integer.ts";
import { type Value, zero } from "../value.ts";
import type { Starts } from "./axes.ts";
import { coordinatesAt, type Lowering } from "./lowering.ts";

export function emitOutputs(lowering: Lowering, starts: Starts, names: readonly string[]): void {
  const { kernel, emitter, table, axes, domainPoints, where } = lowering;
  const perPoint = kernel.accumulators.length;
  emitter.results(names, () => {
    const placeOf = (tensor: number, coordinates: readonly Index[]) => {
      const { shape } = table.term({ kind: "access", tensor, coordinates });
      if (shape.kind !== "load") throw new InvariantError("an output is no place in memory");
      return shape;
    };
    const stores = kernel.outputs.flatMap(({ tensor, value }) =>
      domainPoints.flatMap((point) => {
        const at = coordinatesAt(lowering, axes.domain, starts, point);
        const results = kernel.accumulators.map((_, a): Value => ({
          kind: "result",
          number: point.number * perPoint + a,
        }));
        const padding = paddingAfter(lowering, tensor, at).map((beside) => ({ at: beside, value: zero }));
        return [{ at, value: value(at, results) }, ...padding].map((store) => ({
          place: placeOf(tensor, store.at),
          term: table.term(store.value),
        }));
      }),
    );
    emitter.prepare(stores.map(({ term }) => term));
    for (const { place, term } of stores) {
      const value = emitter.expression(term);
      const store = { kind: "store", buffer: place.buffer, index: place.index, value } as const;
      emitter.push(where ? { ...store, where } : store);
    }
  });
}

/** Places of the padding behind the end of a row: written too, so that whole quads are. */
function paddingAfter({ tensors }: Lowering, id: number, at: readonly Index[]): Index[][] {
  const { shape = [], pitch } = tensors.get(id) ?? {};
  const extent = shape.at(-1) ?? 1;
  const column = at.at(-1);
  if (pitch === undefined || !column || column.minimum !== extent - 1) return [];
  return Array.from({ length: pitch - extent }, (_, i) => [...at.slice(0, -1), add(column, i + 1)]);
}
