/**
 * Index arithmetic: the simplified normal form against direct evaluation, for random expressions over random variables.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  add,
  type Atom,
  clamp,
  divide,
  element,
  evaluate,
  factorOf,
  type Index,
  index,
  multiply,
  offset,
  remainder,
  renameBuffers,
  rowMajorStrides,
  substitute,
  subtract,
  variable,
  variablesOf,
} from "../../compiler/nest/integer.ts";
import { unflatten } from "../../compiler/operators/tensors.ts";

const extents = { a: 2, b: 3, c: 5, d: 12, e: 25 } as const;
type Name = keyof typeof extents;
const variableNames = Object.keys(extents) as Name[];

/** What `element` reads: 40 numbers from 0 to 9, anything elsewhere. */
const memory = Array.from({ length: 40 }, (_, i) => (i * 7 + 3) % 10);

type Assignment = Readonly<Record<Name, number>>;

/** An index, and the same computed step by step. */
interface Expression {
  readonly index: Index;
  readonly value: (at: Assignment) => number;
}

const floorMod = (a: number, b: number): number => ((a % b) + b) % b;

/** `constant + Σ factor · variable` */
const linear: fc.Arbitrary<Expression> = fc
  .tuple(
    fc.integer({ min: -12, max: 12 }),
    fc.array(fc.tuple(fc.constantFrom(-2, -1, 1, 2, 3, 4, 5, 6, 8, 12, 25), fc.constantFrom(...variableNames)), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([start, parts]) => ({
    index: add(start, ...parts.map(([factor, name]) => multiply(index(variable(name, extents[name])), factor))),
    value: (at) => parts.reduce((sum, [factor, name]) => sum + factor * at[name], start),
  }));

const expressions: fc.Arbitrary<Expression> = fc.letrec<{ tree: Expression }>((tie) => {
  const tree = tie("tree");
  const divisor = fc.constantFrom(1, 2, 3, 4, 5, 6, 8, 25);
  return {
    tree: fc.oneof(
      { depthSize: "small", maxDepth: 6 },
      fc.integer({ min: -30, max: 30 }).map((value): Expression => ({ index: index(value), value: () => value })),
      fc.constantFrom(...variableNames).map((name): Expression => ({
        index: index(variable(name, extents[name])),
        value: (at) => at[name],
      })),
      fc.tuple(tree, tree).map(([x, y]): Expression => ({
        index: add(x.index, y.index),
        value: (at) => x.value(at) + y.value(at),
      })),
      fc.tuple(tree, tree).map(([x, y]): Expression => ({
        index: subtract(x.index, y.index),
        value: (at) => x.value(at) - y.value(at),
      })),
      fc.tuple(tree, fc.integer({ min: -6, max: 25 })).map(([x, by]): Expression => ({
        index: multiply(x.index, by),
        value: (at) => x.value(at) * by,
      })),
      fc.tuple(tree, divisor).map(([x, by]): Expression => ({
        index: divide(x.index, by),
        value: (at) => Math.floor(x.value(at) / by),
      })),
      fc.tuple(tree, divisor).map(([x, by]): Expression => ({
        index: remainder(x.index, by),
        value: (at) => floorMod(x.value(at), by),
      })),
      fc.tuple(tree, fc.integer({ min: -9, max: 20 }), fc.integer({ min: 0, max: 20 })).map(([x, low, more]): Expression => ({
        index: clamp(x.index, low, low + more),
        value: (at) => Math.min(Math.max(x.value(at), low), low + more),
      })),
      tree.map((x): Expression => ({
        index: element("rows", clamp(x.index, 0, memory.length - 1), 9),
        value: (at) => memory[Math.min(Math.max(x.value(at), 0), memory.length - 1)] ?? NaN,
      })),
      // Sums of multiples under a quotient or a remainder, as strides make them: factors that share a divisor.
      fc.tuple(linear, fc.constantFrom(2, 4, 5, 6, 8, 10, 12, 24, 25), fc.boolean()).map(([x, by, isQuotient]): Expression => ({
        index: isQuotient ? divide(x.index, by) : remainder(x.index, by),
        value: (at) => (isQuotient ? Math.floor(x.value(at) / by) : floorMod(x.value(at), by)),
      })),
      // What unflattening and flattening again gives: the two halves meet.
      fc.tuple(tree, divisor, divisor).map(([x, by, scale]): Expression => ({
        index: add(multiply(divide(x.index, by), by * scale), multiply(remainder(x.index, by), scale)),
        value: (at) => x.value(at) * scale,
      })),
    ),
  };
}).tree; // prettier-ignore

const assignments: fc.Arbitrary<Assignment> = fc.record({
  a: fc.nat(extents.a - 1),
  b: fc.nat(extents.b - 1),
  c: fc.nat(extents.c - 1),
  d: fc.nat(extents.d - 1),
  e: fc.nat(extents.e - 1),
});

const corners: readonly Assignment[] = Array.from({ length: 2 ** variableNames.length }, (_, bits) => {
  const at = variableNames.map((name, i) => [name, (bits >> i) & 1 ? extents[name] - 1 : 0]);
  return Object.fromEntries(at) as Assignment;
});

const valueAt = (of: Index, at: Assignment): number =>
  evaluate(
    of,
    (name) => at[name as Name],
    (_, place) => memory[place] ?? NaN,
  );

/** As integers: zero has no sign. */
const expectSame = (actual: number, expected: number): void => expect(actual + 0).toBe(expected + 0);

function check(holds: (expression: Expression, at: Assignment) => void): void {
  const property = fc.property(expressions, fc.array(assignments, { minLength: 6, maxLength: 6 }), (one, random) => {
    for (const at of [...random, ...corners.slice(0, 4), ...corners.slice(-4)]) holds(one, at);
  });
  fc.assert(property, { numRuns: 1500, seed: 3 });
}

/** All atoms, those inside of others too. */
function atomsOf(of: Index): Atom[] {
  return of.terms.flatMap(({ atom }) => [
    atom,
    ...(atom.kind === "variable" ? [] : atomsOf(atom.kind === "element" ? atom.at : atom.of)),
  ]);
}

describe("a simplified index", () => {
  it("has the value of what was written", () => {
    check((one, at) => expectSame(valueAt(one.index, at), one.value(at)));
  });

  it("stays in its range", () => {
    check(({ index: { minimum, maximum }, value }, at) => {
      expect(value(at)).toBeGreaterThanOrEqual(minimum);
      expect(value(at)).toBeLessThanOrEqual(maximum);
    });
  });

  it("is the same for equal keys", () => {
    const property = fc.property(expressions, expressions, assignments, (x, y, at) => {
      if (x.index.key === y.index.key) expectSame(x.value(at), y.value(at));
      // In another order, the same form.
      expect(add(x.index, y.index).key).toBe(add(y.index, x.index).key);
      expectSame(valueAt(subtract(add(x.index, y.index), y.index), at), x.value(at));
    });
    fc.assert(property, { numRuns: 1500, seed: 4 });
  });

  it("holds no constant variable, no factor of zero, and each atom once", () => {
    check(({ index: of }) => {
      const keys = of.terms.map(({ key }) => key);
      expect(new Set(keys).size).toBe(keys.length);
      expect(keys).toEqual(keys.toSorted());
      for (const { factor } of of.terms) expect(factor).not.toBe(0);
      for (const atom of atomsOf(of))
        if (atom.kind === "quotient" || atom.kind === "remainder") expect(atom.divisor).toBeGreaterThan(1);
    });
  });

  it("has the value of its substitution", () => {
    const property = fc.property(expressions, expressions, assignments, (x, y, at) => {
      // `d` becomes another expression, within d's range.
      const inside = clamp(y.index, 0, extents.d - 1);
      const replaced = substitute(x.index, (name) => (name === "d" ? inside : undefined));
      const d = Math.min(Math.max(y.value(at), 0), extents.d - 1);
      expectSame(valueAt(replaced, at), x.value({ ...at, d }));
    });
    fc.assert(property, { numRuns: 1500, seed: 5 });
  });

  it("moves by its factor where it is linear in a variable", () => {
    check(({ index: of, value }, at) => {
      for (const name of variableNames) {
        const factor = factorOf(of, name);
        if (factor === undefined || at[name] + 1 >= extents[name]) continue;
        expectSame(value({ ...at, [name]: at[name] + 1 }) - value(at), factor);
        if (!variablesOf(of).has(name)) expect(factor).toBe(0);
      }
    });
  });

  it("reads other buffers after renaming", () => {
    check(({ index: of, value }, at) => {
      const renamed = renameBuffers(of, (buffer) => `${buffer}2`);
      const read = (buffer: string, place: number): number => (buffer === "rows2" ? (memory[place] ?? NaN) : NaN);
      expectSame(
        evaluate(renamed, (name) => at[name as Name], read),
        value(at),
      );
    });
  });
});

describe("shapes", () => {
  const shapes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });

  it("unflatten what their strides flatten, as one straight line", () => {
    const property = fc.property(shapes, (shape) => {
      const strides = rowMajorStrides(shape);
      const total = shape.reduce((a, b) => a * b, 1);
      const flat = index(variable("flat", total));
      expect(offset(unflatten(flat, shape), strides).key).toBe(flat.key);
      const coordinates = shape.map((extent, d) => index(variable(`x${d}`, extent)));
      const keys = unflatten(offset(coordinates, strides), shape).map(({ key }) => key);
      expect(keys).toEqual(coordinates.map(({ key }) => key));
    });
    fc.assert(property, { numRuns: 300, seed: 6 });
  });

  it("count in row-major order", () => {
    expect(rowMajorStrides([4, 3, 5])).toEqual([15, 5, 1]);
    expect(rowMajorStrides([])).toEqual([]);
  });
});
