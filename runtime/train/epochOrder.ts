/**
 * The order of the training images in an epoch.
 *
 * In: seed, epoch, number of images. Out: a permutation. What holds: it depends on these three numbers alone.
 */
import { uniform } from "../../compiler/nest/random.ts";

/** Keeps these draws apart from those of the kernels, whose streams are smaller numbers (dropout, initial values). */
const orderStream = 1 << 21;

/** Steps of one epoch. */
export function stepsPerEpoch(count: number, batch: number): number {
  return Math.floor(count / batch);
}

/** A permutation of 0 … count - 1: Fisher and Yates' shuffle (Durstenfeld's form), draw i from (seed, epoch, i). */
export function epochOrder(seed: number, epoch: number, count: number): Uint32Array<ArrayBuffer> {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(uniform(seed + orderStream, epoch, i) * (i + 1));
    const kept = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = kept;
  }
  return order;
}
