/**
 * Maps as tiles under linear maps, and products of many small matrices: what fast convolutions are made of.
 *
 * Only rewriting after differentiation makes these operators, so they have no gradients. Notation: g group of images, q
 * place in a transformed tile, row by row, p tile of the group, c channel.
 */
import { add, clamp, divide, type Index, index, multiply, remainder, subtract } from "../nest/integer.ts";
import * as value from "../value.ts";
import type { Value } from "../value.ts";
import { four, padded } from "./convolution.ts";
import { applyMatrix } from "./linearMap.ts";
import type { Operator, TileAttributes } from "./operator.ts";

type Matrix = TileAttributes["matrix"];

/** Transformed tiles, rows and columns that are kept: all elements of a tile share their parts. */
const mostParts = 1024;

/** Results that are asked for again by name; the oldest go where there are too many. */
function createMemory<T>(): (name: string, make: () => T) => T {
  const known = new Map<string, T>();
  return (name, make) => {
    const found = known.get(name);
    if (found !== undefined) return found;
    if (known.size >= mostParts) known.clear();
    const made = make();
    known.set(name, made);
    return made;
  };
}

/** What gives the elements of `matrix · tile · matrixᵀ`, row by row; `read` gives the tile's elements, `where` names it. */
type Transform = (where: string, read: (row: number, column: number) => Value) => readonly Value[];

/** Rows are mapped first, or columns: those whose elements are at hand together. */
function createTransform(matrix: Matrix, first: "rows" | "columns"): Transform {
  const memory = createMemory<readonly Value[]>();
  const extent = matrix[0]?.length ?? 0;
  const places = Array.from({ length: extent }, (_, i) => i);
  const count = matrix.length;
  return (where, read) =>
    memory(where, () => {
      const isByRows = first === "rows";
      const mapped = places.map((one) =>
        applyMatrix(
          matrix,
          places.map((other) => (isByRows ? read(one, other) : read(other, one))),
        ),
      );
      const lines = matrix.map((_, line) =>
        applyMatrix(
          matrix,
          mapped.map((of) => of[line] ?? value.zero),
        ),
      );
      const at = (row: number, column: number): Value | undefined =>
        isByRows ? lines[column]?.[row] : lines[row]?.[column];
      return matrix.flatMap((_, row) =>
        Array.from({ length: count }, (_unused, column) => at(row, column) ?? value.zero),
      );
    });
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
    const transform = createTransform(matrix, "rows");
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
    const transform = createTransform(matrix, "columns");
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

/** A tile along one axis that gives something to an element: which, whether there is one (1 or 0), and the place in it. */
interface Meeting {
  readonly tile: Index;
  readonly exists: Value;
  readonly place: Index;
}

/** The tiles that overlap at one element, tiles of `extent` elements every `step`, `count` of them from `-before` on. */
function meetings(
  at: Index,
  { extent, step, before, count }: { readonly [name in "extent" | "step" | "before" | "count"]: number },
): Meeting[] {
  const shifted = add(at, before);
  return Array.from({ length: Math.ceil(extent / step) }, (_, back): Meeting => {
    const tile = subtract(divide(shifted, step), back);
    // As a number, so that nothing branches: loads beside the maps are of the next best tile, and count for nothing.
    const exists = add(clamp(add(tile, 1), 0, 1), clamp(subtract(count, tile), 0, 1), -1);
    return {
      tile: clamp(tile, 0, count - 1),
      exists: value.indexValue(exists),
      place: add(remainder(shifted, step), back * step),
    };
  }).filter(({ place }) => place.minimum < extent);
}

export const tileSum: Operator<"tileSum"> = {
  summary:
    "out[n,c,y,x] = sum over the tiles (i, j) that meet there: element (y + before - step·i, …) of M · tile · Mᵀ",
  shape: (attributes, [input = []]) => {
    const { images, size } = attributes;
    const [groups, , ...inner] = four(input);
    const [, channels] = ordered(attributes, ...inner);
    return [groups * images, channels, ...size];
  },
  define: (attributes, [input]) => {
    const { matrix, images, tiles, before, step } = attributes;
    if (!input) throw new Error("tileSum takes (input)");
    const t = matrix[0]?.length ?? 1;
    const [columnsOf, rowsOf] = [createMemory<Value[]>(), createMemory<Value[]>()];
    const along = (d: 0 | 1, at: Index): Meeting[] =>
      meetings(at, { extent: matrix.length, step, before: before[d], count: tiles[d] });
    const sum = (of: readonly Meeting[], part: (meeting: Meeting) => readonly Value[]): Value =>
      of
        .map((meeting) => value.multiply(meeting.exists, pick([...part(meeting), value.zero], meeting.place)))
        .reduceRight((rest, one) => value.add(one, rest), value.zero);
    const line = (element: (at: number) => Value): Value[] =>
      applyMatrix(
        matrix,
        Array.from({ length: t }, (_, at) => element(at)),
      );
    return (coordinates) => {
      const [n, c, y, x] = four(coordinates);
      const first = multiply(remainder(n, images), tiles[0] * tiles[1]);
      const overRows = along(0, y);
      /** Column `column` of the tiles across at `j`, under the matrix, at the row y: sums over the tiles down. */
      const element = (j: Index, column: number): Value =>
        sum(overRows, ({ tile: i }) => {
          const p = add(first, multiply(i, tiles[1]), j);
          return columnsOf(keyOf([n, p, c, index(column)]), () =>
            line((row) => input.at([divide(n, images), index(row * t + column), ...ordered(attributes, p, c)])),
          );
        });
      return sum(along(1, x), ({ tile: j }) => rowsOf(keyOf([n, j, c, y]), () => line((column) => element(j, column))));
    };
  },
  gradient: "none",
};

export const batchMatmul: Operator<"batchMatmul"> = {
  summary: "out[g,b,m,n] = sum(j,k) left[merged·g+j,b,m,k] · right[merged·g+j,b,k,n]",
  shape: ({ transposeLeft, transposeRight, merged }, [left = [], right = []]) => {
    const groups = Math.max(four(left)[0], four(right)[0]) / merged;
    return [groups, four(left)[1], four(left)[transposeLeft ? 3 : 2], four(right)[transposeRight ? 2 : 3]];
  },
  define: ({ transposeLeft, transposeRight, merged }, [left, right]) => {
    if (!left || !right) throw new Error("batchMatmul takes (left, right)");
    const depth = four(right.shape)[transposeRight ? 3 : 2];
    const groupOf = (shape: readonly number[], g: Index): Index => (shape[0] === 1 ? index(0) : g);
    return (coordinates) => {
      const [g, b, m, n] = four(coordinates);
      return value.reduce("add", merged === 1 ? [depth] : [merged, depth], (along) => {
        const k = along.at(-1) ?? index(0);
        const group = merged === 1 ? g : add(multiply(g, merged), along[0] ?? 0);
        const rowAndDepth = transposeLeft ? [k, m] : [m, k];
        const depthAndColumn = transposeRight ? [n, k] : [k, n];
        const atLeft = [groupOf(left.shape, group), b, ...rowAndDepth];
        const atRight = [groupOf(right.shape, group), b, ...depthAndColumn];
        return value.multiply(value.operand("left", atLeft, left.at), value.operand("right", atRight, right.at));
      });
    };
  },
  gradient: "none",
};
