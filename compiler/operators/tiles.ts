/**
 * Maps as tiles under linear maps, and products of many small matrices: what fast convolutions are made of.
 *
 * Only rewriting after differentiation makes these operators, so they have no gradients. Notation: g group of images, q
 * place in a transformed tile, row by row, p tile of the group, c channel.
 */
import { add, divide, type Index, index, multiply, remainder } from "../nest/integer.ts";
import * as value from "../value.ts";
import type { Value } from "../value.ts";
import { four, padded } from "./convolution.ts";
import { applyMatrix } from "./linearMap.ts";
import type { Operator, TileAttributes } from "./operator.ts";

type Matrix = TileAttributes["matrix"];

/** Transformed tiles that are kept: all elements of a tile share their parts. */
const mostTiles = 64;

/** The elements of `matrix · tile · matrixᵀ`, row by row; `read` gives the tile's elements, `where` names it. */
function createTransform(matrix: Matrix): (where: string, read: (row: number, column: number) => Value) => Value[] {
  const known = new Map<string, Value[]>();
  const extent = matrix[0]?.length ?? 0;
  const places = Array.from({ length: extent }, (_, i) => i);
  return (where, read) => {
    const found = known.get(where);
    if (found) return found;
    const columns = places.map((column) =>
      applyMatrix(
        matrix,
        places.map((row) => read(row, column)),
      ),
    );
    const elements = matrix.flatMap((_, row) =>
      applyMatrix(
        matrix,
        columns.map((of) => of[row] ?? value.zero),
      ),
    );
    if (known.size >= mostTiles) known.clear();
    known.set(where, elements);
    return elements;
  };
}

/** The value with the number that the index is; a chain of tests where the index is not known. */
function pick(values: readonly Value[], at: Index): Value {
  return values.reduceRight((rest, one, i) => value.select(value.inRange(at, i, i), () => one, rest));
}

/** Tile and channel in the order of a layout, or back: either way it is the same exchange. */
function ordered<T>({ channelsFirst }: TileAttributes, p: T, c: T): [T, T] {
  return channelsFirst ? [c, p] : [p, c];
}

/** Coordinates of one name may range differently in another kernel, where other tests hold. */
const keyOf = (coordinates: readonly Index[]): string =>
  coordinates.map(({ key, minimum, maximum }) => `${key} ${minimum} ${maximum}`).join();

export const tileSplit: Operator<"tileSplit"> = {
  summary: "out[g,q,p,c] = element q of M · tile p of input's channel c · Mᵀ, zero outside of the maps",
  shape: (attributes, [input = []]) => {
    const { matrix, images, tiles } = attributes;
    const [count, channels] = four(input);
    return [count / images, matrix.length ** 2, ...ordered(attributes, images * tiles[0] * tiles[1], channels)];
  },
  define: (attributes, [input]) => {
    const { matrix, images, tiles, before, step } = attributes;
    if (!input) throw new Error("tileSplit takes (input)");
    const transform = createTransform(matrix);
    const read = padded(input);
    return (coordinates) => {
      const [g, q, ...inner] = four(coordinates);
      const [p, c] = ordered(attributes, ...inner);
      const n = add(multiply(g, images), divide(p, tiles[0] * tiles[1]));
      const top = multiply(remainder(divide(p, tiles[1]), tiles[0]), step);
      const left = multiply(remainder(p, tiles[1]), step);
      const elements = transform(keyOf([n, top, left, c]), (row, column) => {
        const y = add(top, row - before[0]);
        const x = add(left, column - before[1]);
        return value.operand("input", [n, c, y, x], read);
      });
      return pick(elements, q);
    };
  },
  gradient: "none",
};

export const tileJoin: Operator<"tileJoin"> = {
  summary: "out[n,c,y,x] = element (y mod m, x mod m) of M · tile (n, y div m, x div m) of input's channel c · Mᵀ",
  shape: (attributes, [input = []]) => {
    const { matrix, images, tiles } = attributes;
    const [groups, , ...inner] = four(input);
    const [, channels] = ordered(attributes, ...inner);
    return [groups * images, channels, tiles[0] * matrix.length, tiles[1] * matrix.length];
  },
  define: (attributes, [input]) => {
    const { matrix, images, tiles } = attributes;
    if (!input) throw new Error("tileJoin takes (input)");
    const transform = createTransform(matrix);
    const m = matrix.length;
    const t = matrix[0]?.length ?? 1;
    return (coordinates) => {
      const [n, c, y, x] = four(coordinates);
      const tile = add(multiply(remainder(n, images), tiles[0] * tiles[1]), multiply(divide(y, m), tiles[1]));
      const p = add(tile, divide(x, m));
      const elements = transform(keyOf([n, p, c]), (row, column) =>
        input.at([divide(n, images), index(row * t + column), ...ordered(attributes, p, c)]),
      );
      const rows = matrix.map((_, row) => pick(elements.slice(row * m, (row + 1) * m), remainder(x, m)));
      return pick(rows, remainder(y, m));
    };
  },
  gradient: "none",
};

export const batchMatmul: Operator<"batchMatmul"> = {
  summary: "out[g,b,m,n] = sum(k) left[g,b,m,k] · right[g,b,k,n]",
  shape: ({ transposeLeft, transposeRight }, [left = [], right = []]) => {
    const groups = Math.max(four(left)[0], four(right)[0]);
    return [groups, four(left)[1], four(left)[transposeLeft ? 3 : 2], four(right)[transposeRight ? 2 : 3]];
  },
  define: ({ transposeLeft, transposeRight }, [left, right]) => {
    if (!left || !right) throw new Error("batchMatmul takes (left, right)");
    const depth = four(right.shape)[transposeRight ? 3 : 2];
    const groupOf = (shape: readonly number[], g: Index): Index => (shape[0] === 1 ? index(0) : g);
    return (coordinates) => {
      const [g, b, m, n] = four(coordinates);
      return value.reduce("add", [depth], ([k = index(0)]) => {
        const rowAndDepth = transposeLeft ? [k, m] : [m, k];
        const atLeft = [groupOf(left.shape, g), b, ...rowAndDepth];
        const depthAndColumn = transposeRight ? [n, k] : [k, n];
        const atRight = [groupOf(right.shape, g), b, ...depthAndColumn];
        return value.multiply(value.operand("left", atLeft, left.at), value.operand("right", atRight, right.at));
      });
    };
  },
  gradient: "none",
};
