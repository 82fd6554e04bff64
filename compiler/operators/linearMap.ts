/**
 * A constant matrix times values, with few operations.
 *
 * In: a matrix and as many values as it has columns. Out: one value a row. What holds: columns (and rows) that are equal
 * but for signs share their sums and differences, which halves the work of the matrices of fast convolutions. How is worked out
 * once for each matrix, which is applied to many tiles.
 */
import { add, binary, constant, multiply, type Value, zero } from "../value.ts";

type Matrix = readonly (readonly number[])[];

/** What is computed of numbered values: those that are given come first, then one for each step. */
type Step =
  | { readonly kind: "multiply"; readonly of: number; readonly factor: number }
  | { readonly kind: "add" | "subtract"; readonly left: number; readonly right: number };

interface Plan {
  readonly steps: readonly Step[];
  /** Numbers of the values of the rows; of rows of zeros, none. */
  readonly results: readonly (number | undefined)[];
}

const plans = new WeakMap<Matrix, Plan>();

/** `matrix · values`. */
export function applyMatrix(matrix: Matrix, values: readonly Value[]): Value[] {
  const { steps, results } = plans.get(matrix) ?? makePlan(matrix);
  const known = [...values];
  const at = (number: number): Value => known[number] ?? zero;
  for (const step of steps) {
    if (step.kind === "multiply") known.push(multiply(at(step.of), constant(step.factor)));
    else if (step.kind === "add") known.push(add(at(step.left), at(step.right)));
    else known.push(binary("subtract", at(step.left), at(step.right)));
  }
  return results.map((result) => (result === undefined ? zero : at(result)));
}

/** A numbered value times a factor. */
interface Scaled {
  readonly factor: number;
  readonly of: number;
}

function makePlan(matrix: Matrix): Plan {
  const width = matrix[0]?.length ?? 0;
  const steps: Step[] = [];
  const take = (step: Step): number => width + steps.push(step) - 1;
  const results: (number | undefined)[] = matrix.map(() => undefined);
  const rows = pairedTerms(matrix, take);
  const done = new Set<number>();
  rows.forEach((row, r) => {
    if (done.has(r)) return;
    const partner = rows.findIndex((other, s) => s > r && !done.has(s) && areRowsPaired(row, other));
    done.add(r);
    if (partner < 0) {
      results[r] = sum(row, take);
      return;
    }
    done.add(partner);
    const other = rows[partner] ?? [];
    const isSame = (_: Scaled, i: number): boolean => row[i]?.factor === other[i]?.factor;
    const even = sum(row.filter(isSame), take);
    const odd = sum(
      row.filter((term, i) => !isSame(term, i)),
      take,
    );
    if (even === undefined || odd === undefined) throw new Error("paired rows have terms of both signs");
    results[r] = take({ kind: "add", left: even, right: odd });
    results[partner] = take({ kind: "subtract", left: even, right: odd });
  });
  const plan = { steps, results };
  plans.set(matrix, plan);
  return plan;
}

/** Column pairs (i, j) with |m[r][i]| = |m[r][j]| in every row, and both signs. */
function pairColumns(matrix: Matrix): [number, number][] {
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

type Take = (step: Step) => number;

/** Sums of scaled values; factors of 1 and -1 cost nothing. */
function sum(terms: readonly Scaled[], take: Take): number | undefined {
  const [first, ...rest] = terms.toSorted((a, b) => Number(b.factor === 1) - Number(a.factor === 1));
  if (!first) return undefined;
  const scaled = ({ factor, of }: Scaled): number => (factor === 1 ? of : take({ kind: "multiply", of, factor }));
  return rest.reduce(
    (total, term) =>
      term.factor === -1
        ? take({ kind: "subtract", left: total, right: term.of })
        : take({ kind: "add", left: scaled(term), right: total }),
    scaled(first),
  );
}

/** The terms of each row after columns are paired. */
function pairedTerms(matrix: Matrix, take: Take): Scaled[][] {
  const pairs = pairColumns(matrix);
  const inPair = new Set(pairs.flat());
  const sums = pairs.map(([left, right]) => take({ kind: "add", left, right }));
  const differences = pairs.map(([left, right]) => take({ kind: "subtract", left, right }));
  return matrix.map((row) => [
    ...row.flatMap((factor, of): Scaled[] => (factor === 0 || inPair.has(of) ? [] : [{ factor, of }])),
    ...pairs.flatMap(([i, j], p): Scaled[] => {
      const factor = row[i] ?? 0;
      const of = factor === row[j] ? sums[p] : differences[p];
      return factor === 0 || of === undefined ? [] : [{ factor, of }];
    }),
  ]);
}

function areRowsPaired(row: readonly Scaled[], other: readonly Scaled[]): boolean {
  if (row.length !== other.length || row.length < 3) return false;
  if (!row.every(({ of }, i) => of === other[i]?.of)) return false;
  return arePaired(row.map(({ factor }, i) => [factor, other[i]?.factor ?? 0]));
}
