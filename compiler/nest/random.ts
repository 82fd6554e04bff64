/**
 * Counter-based randomness: three 32-bit counters give three hashed words; kernels use the first.
 *
 * The hash is PCG3D (M. Jarzynski and M. Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020). Every printer
 * repeats exactly these integer operations, so a draw depends on its counters alone: not on device, batch or order.
 */
export function pcg3d(a: number, b: number, c: number): [number, number, number] {
  let x = (Math.imul(a, 1664525) + 1013904223) | 0;
  let y = (Math.imul(b, 1664525) + 1013904223) | 0;
  let z = (Math.imul(c, 1664525) + 1013904223) | 0;
  x = (x + Math.imul(y, z)) | 0;
  y = (y + Math.imul(z, x)) | 0;
  z = (z + Math.imul(x, y)) | 0;
  x ^= x >>> 16;
  y ^= y >>> 16;
  z ^= z >>> 16;
  x = (x + Math.imul(y, z)) | 0;
  y = (y + Math.imul(z, x)) | 0;
  z = (z + Math.imul(x, y)) | 0;
  return [x >>> 0, y >>> 0, z >>> 0];
}

/** Uniform in [0, 1): the upper 24 bits of the hash's first word, over 2^24; exact in f32. */
export function uniform(a: number, b: number, c: number): number {
  return (pcg3d(a, b, c)[0] >>> 8) / 16777216;
}

/**
 * The counter that stands for a user's seed in kernels. Streams (a layer's dropout, a parameter's start) are added to it:
 * it is hashed, so that the streams of neighbouring seeds are not the same ones, a layer further on. Below 2^31.
 */
export function seedCounter(seed: number): number {
  return pcg3d(seed, 0, 0)[0] >>> 1;
}
