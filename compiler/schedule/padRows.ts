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
  const viewed = new Set(
    [...tensors.values()].flatMap(({ storage }) => (storage.kind === "alias" ? [storage.of] : [])),
  );
  return new Map(
    [...tensors].map(([id, tensor]) => {
      const columns = tensor.shape.at(-1) ?? 1;
      const pitch = Math.ceil(columns / quad) * quad;
      const pays = pitch > columns && pitch <= columns * mostWaste && tensor.shape.length > 1;
      return [id, pays && tensor.storage.kind === "temporary" && !viewed.has(id) ? { ...tensor, pitch } : tensor];
    }),
  );
}
