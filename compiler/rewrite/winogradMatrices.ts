/**
 * The matrices of Winograd's (Toom and Cook's) fast correlation F(m, r): m outputs of a filter of r taps from a tile of
 * n = m + r - 1 inputs with n products instead of m·r: `y = A · ((G · w) ∘ (B · x))`.
 *
 * In: m and r. Out: A `[m, n]`, G `[n, r]`, B `[n, n]`. Source: Lavin and Gray 2015, "Fast algorithms for convolutional
 * neural networks"; the construction by interpolation at the points below and infinity is that of Winograd 1980.
 */
export type Matrix = readonly (readonly number[])[];

export interface FastCorrelation {
  readonly outputs: Matrix;
  readonly filter: Matrix;
  readonly input: Matrix;
}

/** Small numbers in pairs of both signs: small rounding errors, and rows that share their sums. */
const points = [0, 1, -1, 2, -2, 0.5, -0.5] as const;

/** Coefficients of the product of (x - root), lowest power first. */
function polynomial(roots: readonly number[]): number[] {
  return roots.reduce(
    (of, root) => Array.from({ length: of.length + 1 }, (_, i) => (of[i - 1] ?? 0) - root * (of[i] ?? 0)),
    [1],
  );
}

export const transpose = (matrix: Matrix): Matrix => (matrix[0] ?? []).map((_, j) => matrix.map((row) => row[j] ?? 0));

/** Matrices of F(m, r); undefined where there are too few points for so large a tile. */
export function fastCorrelation(m: number, r: number): FastCorrelation | undefined {
  const n = m + r - 1;
  const finite = points.slice(0, n - 1);
  if (finite.length < n - 1) return undefined;
  const powers = (point: number, count: number): number[] => Array.from({ length: count }, (_, k) => point ** k);
  const atInfinity = (count: number): number[] => Array.from({ length: count }, (_, k) => (k === count - 1 ? 1 : 0));
  const others = (point: number): number[] => finite.filter((other) => other !== point);
  const scale = (point: number): number => others(point).reduce((product, other) => product * (point - other), 1);
  const padded = (of: readonly number[]): number[] => Array.from({ length: n }, (_, k) => of[k] ?? 0);
  return {
    outputs: transpose([...finite.map((point) => powers(point, m)), atInfinity(m)]),
    filter: [...finite.map((point) => powers(point, r).map((power) => power / scale(point))), atInfinity(r)],
    input: [...finite.map((point) => padded(polynomial(others(point)))), padded(polynomial(finite))],
  };
}

/** A matrix for a filter whose taps come in the opposite order. */
export const reverseColumns = (matrix: Matrix): Matrix => matrix.map((row) => row.toReversed());
