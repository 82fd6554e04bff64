/** Comparing arrays of numbers within stated tolerances. */
import { expect } from "vitest";

export interface Tolerance {
  /** Of the expected element. */
  readonly relative: number;
  /** Of the largest expected element of the tensor: sums round by the size of their terms, not of their result. */
  readonly ofLargest: number;
  readonly absolute?: number;
}

/** The difference, and how much was allowed, where it was least in proportion. */
export function worstDifference(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { relative, ofLargest, absolute = 0 }: Tolerance,
): { element: number; share: number } {
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i] ?? NaN));
  let worst = { element: -1, share: 0 };
  for (let i = 0; i < expected.length; i++) {
    const [got = NaN, wanted = NaN] = [actual[i], expected[i]];
    if (got === wanted) continue;
    const share = Math.abs(got - wanted) / (absolute + relative * Math.abs(wanted) + ofLargest * largest);
    // NaN is as bad as can be.
    if (!(share <= worst.share)) worst = { element: i, share: Number.isNaN(share) ? Infinity : share };
  }
  return worst;
}

/** Fails with the worst element of the tensor. */
export function expectClose(
  what: string,
  actual: ArrayLike<number> | undefined,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
): void {
  if (actual?.length !== expected.length)
    expect.fail(`${what} has ${actual?.length} elements, should have ${expected.length}`);
  const { element, share } = worstDifference(actual, expected, tolerance);
  if (share > 1)
    expect.fail(
      `${what}: element ${element} of ${expected.length} is ${actual[element]}, should be ${expected[element]} ` +
        `(${share.toPrecision(2)} times what is allowed)`,
    );
}
