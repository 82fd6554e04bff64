/** Arbitrary values that samples of operators are made of. */
import fc from "fast-check";

export const seed = fc.integer({ min: 0, max: 1e6 });
export const upTo = (most: number, least = 1): fc.Arbitrary<number> => fc.integer({ min: least, max: most });
export const pair = (of: fc.Arbitrary<number>): fc.Arbitrary<readonly [number, number]> => fc.tuple(of, of);
export const shape = (rank: number, most: number): fc.Arbitrary<number[]> =>
  fc.array(upTo(most), { minLength: rank, maxLength: rank });
