/**
 * Rows padded to whole quads: four values are loaded and stored at once.
 *
 * In: the stored tensors of a program. Out: the same, some with a pitch. What holds: only tensors that nothing else is a
 * view of are padded (views take memory as it lies), and by no more than a quarter.
 */
import type { StoredTensor } from "../fusion/kernel.ts";

const quad = 4;
const mostWaste = 1.25;

export function padRows(tensors: ReadonlyMap<number, StoredTensor>): Map<number, StoredTensor> {
  return layOutFree(tensors, (tensor) => {
    const columns = tensor.shape.at(-1) ?? 1;
    const pitch = Math.ceil(columns / quad) * quad;
    const pays = pitch > columns && pitch <= columns * mostWaste && tensor.shape.length > 1;
    return pays ? { pitch } : {};
  });
}

/** A line of a cache. */
const line = 16;
/** Planes that start so many elements apart meet in a few sets of the first-level cache. */
const crowded = 256;

/** Planes a line further apart where they would crowd each other out of the cache. */
export function padPlanes(tensors: ReadonlyMap<number, StoredTensor>): Map<number, StoredTensor> {
  return layOutFree(tensors, ({ shape }) => {
    const plane = shape.slice(2).reduce((product, extent) => product * extent, 1);
    return shape.length > 2 && plane % crowded === 0 ? { gap: line } : {};
  });
}

/** Gives temporaries of which nothing is a view another layout. */
function layOutFree(
  tensors: ReadonlyMap<number, StoredTensor>,
  layoutOf: (tensor: StoredTensor) => Pick<StoredTensor, "pitch" | "gap">,
): Map<number, StoredTensor> {
  const viewed = new Set(
    [...tensors.values()].flatMap(({ storage }) => (storage.kind === "alias" ? [storage.of] : [])),
  );
  return new Map(
    [...tensors].map(([id, tensor]) => {
      const isFree = tensor.storage.kind === "temporary" && !viewed.has(id);
      return [id, isFree ? { ...tensor, ...layoutOf(tensor) } : tensor];
    }),
  );
}
