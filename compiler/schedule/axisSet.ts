/** Sets of a kernel's axes by their numbers (their places among them), a bit for each: kernels have a dozen at most. */
export type AxisSet = number;

export function setOf(axes: Iterable<number>): AxisSet {
  let set = 0;
  for (const axis of axes) set |= 1 << axis;
  return set;
}

export function has(set: AxisSet, axis: number): boolean {
  return ((set >> axis) & 1) === 1;
}
