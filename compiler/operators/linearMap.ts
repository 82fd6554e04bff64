/**
 * A constant matrix times values, with few operations.
 *
 * In: a matrix and as many values as it has columns. Out: one value a row. What holds: columns (and rows) that are equal
 * but for signs share their sums and differences, which halves the work of the matrices of fast convolutions.
 */
import { add, binary, constant, multiply, type Value, zero } from "../value.ts";

type Matrix = readonly (readonly number[])[];

interface Scaled {
  readonly factor: number;
  readonly value: Value;
}

/** Column pairs (i, j) with |m[r][i]| = |m[r][j]| in every row, and both signs. */
function pairColumns(matrix: Matrix): readonly (readonly [number, number])[] {
  const found = knownPairs.get(matrix) ?? findPairs(matrix);
  knownPairs.set(matrix, found);
  return found;
}

/** A matrix is applied to many tiles, and its columns are compared once. */
const knownPairs = new WeakMap<Matrix, readonly (readonly [number, number])[]>();

function findPairs(matrix: Matrix): [number, number][] {
  const width = matrix[0]?.length ?? 0;
  const free = new Set(Array.from({ length: width }, (_, i) => i));
  const pairs: [number, number][] = [];
  for (let i = 0; i < width; i++)
    for (let j = i + 1; j < width && free.has(i); j++) {
      if (!free.has(j) || !arePaired(matrix.map((row) => [row[i] ?? 0, row[j] ?? 0]))) continue;
      free.delete(i);
      free.delete(j);
      pairs.push([i, j]);
    }
  return pairs;
}

/** Whether the numbers of each pair are equal but for signs: the same sign in some pairs, opposite ones in others. */
function arePaired(pairs: readonly (readonly [number, number])[]): boolean {
  const open = pairs.filter(([a, b]) => a !== 0 || b !== 0);
  if (!open.every(([a, b]) => Math.abs(a) === Math.abs(b))) return false;
  return open.some(([a, b]) => a === b) && open.some(([a, b]) => a === -b);
}

/** Sums of scaled values; factors of 1 and -1 cost nothing. */
function sum(terms: readonly Scaled[]): Value {
  const [first, ...rest] = terms.toSorted((a, b) => Number(b.factor === 1) - Number(a.factor === 1));
  if (!first) return zero;
  const scaled = ({ factor, value }: Scaled): Value => multiply(value, constant(factor));
  return rest.reduce(
    (total, term) => (term.factor === -1 ? binary("subtract", total, term.value) : add(scaled(term), total)),
    scaled(first),
  );
}

/** The terms of each row after columns are paired. */
function pairedTerms(matrix: Matrix, values: readonly Value[]): Scaled[][] {
  const pairs = pairColumns(matrix);
  const inPair = new Set(pairs.flat());
  const at = (i: number): Value => values[i] ?? zero;
  const sums = pairs.map(([i, j]) => add(at(i), at(j)));
  const differences = pairs.map(([i, j]) => binary("subtract", at(i), at(j)));
  return matrix.map((row) => [
    ...row.flatMap((factor, i): Scaled[] => (factor === 0 || inPair.has(i) ? [] : [{ factor, value: at(i) }])),
    ...pairs.flatMap(([i, j], p): Scaled[] => {
      const factor = row[i] ?? 0;
      if (factor === 0) return [];
      return [{ factor, value: (factor === row[j] ? sums[p] : differences[p]) ?? zero }];
    }),
  ]);
}

/** `matrix · values`. */
export function applyMatrix(matrix: Matrix, values: readonly Value[]): Value[] {
  const rows = pairedTerms(matrix, values);
  const results: (Value | undefined)[] = rows.map(() => undefined);
  rows.forEach((row, r) => {
    if (results[r] !== undefined) return;
    const partner = rows.findIndex((other, s) => s > r && results[s] === undefined && areRowsPaired(row, other));
    if (partner < 0) {
      results[r] = sum(row);
      return;
    }
    const other = rows[partner] ?? [];
    const isSame = (_: Scaled, i: number): boolean => row[i]?.factor === other[i]?.factor;
    const even = sum(row.filter(isSame));
    const odd = sum(row.filter((term, i) => !isSame(term, i)));
    results[r] = add(even, odd);
    results[partner] = binary("subtract", even, odd);
  });
  return results.map((result) => result ?? zero);
}

function areRowsPaired(row: readonly Scaled[], other: readonly Scaled[]): boolean {
  if (row.length !== other.length || row.length < 3) return false;
  if (!row.every(({ value }, i) => value === other[i]?.value)) return false;
  return arePaired(row.map(({ factor }, i) => [factor, other[i]?.factor ?? 0]));
}
