/**
 * Resampling: each axis of a map is read through a sparse matrix M, `out[n,c,y,x] = Σ M_y[y,i] · M_x[x,j] · in[n,c,i,j]`.
 *
 * In: maps and a rule for each axis: padding, enlarging, averaging. Out: maps of another size. What holds: a rule says
 * which entries a row of its matrix has and which a column has; the gradient is the same operator with the transposed
 * matrices.
 */
import { add, clamp, divide, type Index, index, multiply, subtract } from "../nest/integer.ts";
import * as value from "../value.ts";
import type { Test, Value } from "../value.ts";
import { four } from "./convolution.ts";
import type { Operator, OperatorAttributes, ResampledAxis } from "./operator.ts";

/** One entry of a row (or column): where it is read, its factor, and whether it is there at all. */
interface Entry {
  readonly at: Index;
  readonly factor: Value;
  readonly test: Test;
}

/** At most `count` entries; which they are depends on the row and the entry's number. */
interface Entries {
  readonly count: number;
  readonly entry: (row: Index, number: Index) => Entry;
}

interface Rule {
  readonly rows: Entries;
  readonly columns: Entries;
}

const always: Test = { kind: "always" };
const entryAt = (at: Index, test: Test = always): Entry => ({ at, factor: value.one, test });
const one = (entry: (row: Index) => Entry): Entries => ({ count: 1, entry });
const absolute = (of: Index, bound: number): Index => subtract(multiply(clamp(of, 0, bound), 2), of);

type AxisOf<K extends ResampledAxis["kind"]> = Extract<ResampledAxis, { kind: K }>;

const rules: { readonly [K in ResampledAxis["kind"]]: (axis: AxisOf<K>) => Rule } = {
  zeros: ({ from, to, before }) => ({
    rows: one((j) => {
      const i = add(j, -before);
      return entryAt(i, value.inRange(i, 0, from - 1));
    }),
    columns: one((i) => {
      const j = add(i, before);
      return entryAt(j, value.inRange(j, 0, to - 1));
    }),
  }),
  // The first element also stands at the `before` places in front of it, the last one behind.
  replicate: ({ from, to, before }) => {
    const read = (j: Index): Index => clamp(add(j, -before), 0, from - 1);
    return {
      rows: one((j) => entryAt(read(j))),
      columns: {
        count: from === 1 ? to : Math.max(before, to - from - before) + 1,
        entry: (i, number) => {
          const start = add(i, clamp(multiply(i, before), 0, before));
          const j = add(start, number);
          return entryAt(j, value.all(value.inRange(j, 0, to - 1), value.sameIndex(read(j), i)));
        },
      },
    };
  },
  // An element stands in front of the map (0), in it (1) and behind it (2): at before - i, before + i, before + 2(n-1) - i.
  reflect: ({ from, to, before }) => {
    const last = from - 1;
    return {
      rows: one((j) => {
        const i = absolute(add(j, -before), to);
        return entryAt(subtract(last, absolute(subtract(last, i), to)));
      }),
      columns: {
        count: 3,
        entry: (i, zone) => {
          const [inOrBehind, behind] = [clamp(zone, 0, 1), clamp(add(zone, -1), 0, 1)];
          const inside = subtract(inOrBehind, behind);
          // i where `inside` is one, zero where it is zero.
          const gated = subtract(i, clamp(subtract(i, multiply(inside, from)), 0, from));
          const j = add(subtract(multiply(gated, 2), i), multiply(behind, 2 * last), before);
          const first = add(multiply(inOrBehind, before), multiply(behind, from));
          const end = add(multiply(inOrBehind, from), multiply(behind, to - from - before), before);
          const behindFirst = value.inRange(subtract(j, first), 0, 2 * to);
          return entryAt(j, value.all(behindFirst, value.inRange(subtract(end, j), 1, 2 * to + from)));
        },
      },
    };
  },
  nearest: ({ factor }) => ({
    rows: one((j) => entryAt(divide(j, factor))),
    columns: { count: factor, entry: (i, number) => entryAt(add(multiply(i, factor), number)) },
  }),
  // PyTorch's align_corners=False: j lies at (j + 1/2) / f - 1/2, held inside the map; neighbours share by distance.
  bilinear: ({ from, to, factor }) => {
    const unit = 2 * factor;
    const place = (j: Index): Index => clamp(add(multiply(j, 2), 1 - factor), 0, unit * (from - 1));
    const share = (j: Index, i: Index): Value => {
      const distance = value.unary("absolute", value.indexValue(subtract(place(j), multiply(i, unit))));
      const near = value.binary("subtract", value.one, value.multiply(distance, value.constant(1 / unit)));
      return value.binary("maximum", near, value.zero);
    };
    return {
      rows: {
        count: 2,
        entry: (j, number) => {
          const i = add(divide(place(j), unit), number);
          return { at: i, factor: share(j, i), test: value.inRange(i, 0, from - 1) };
        },
      },
      columns: {
        count: unit,
        entry: (i, number) => {
          const j = add(multiply(i, factor), number, -Math.floor(factor / 2));
          return { at: j, factor: share(j, i), test: value.inRange(j, 0, to - 1) };
        },
      },
    };
  },
  // PyTorch's adaptive pooling: j is the mean of floor(j·n/m) up to, without, ceil((j+1)·n/m).
  average: ({ from, to }) => {
    const start = (j: Index): Index => divide(multiply(j, from), to);
    const end = (j: Index): Index => divide(add(multiply(j, from), from + to - 1), to);
    const share = (j: Index): Value => value.binary("divide", value.one, value.indexValue(subtract(end(j), start(j))));
    const isMember = (j: Index, i: Index): Test =>
      value.all(value.inRange(subtract(i, start(j)), 0, from), value.inRange(subtract(end(j), i), 1, from + 1));
    return {
      rows: {
        count: largestShare(from, to),
        entry: (j, number) => {
          const i = add(start(j), number);
          return { at: i, factor: share(j), test: isMember(j, i) };
        },
      },
      columns: {
        count: largestShare(to, from),
        entry: (i, number) => {
          const j = add(divide(multiply(i, to), from), number);
          return { at: j, factor: share(j), test: value.all(value.inRange(j, 0, to - 1), isMember(j, i)) };
        },
      },
    };
  },
};

/** The most elements that one of `to` averages of `from` elements takes. */
export function largestShare(from: number, to: number): number {
  const sizes = Array.from({ length: to }, (_, j) => Math.ceil(((j + 1) * from) / to) - Math.floor((j * from) / to));
  return Math.max(...sizes);
}

function entriesOf(axis: ResampledAxis, transposed: boolean): Entries {
  // Rule and axis are of the same kind; the union cannot say so.
  const rule = (rules[axis.kind] as (axis: ResampledAxis) => Rule)(axis);
  return transposed ? rule.columns : rule.rows;
}

const sideOf = ({ from, to }: ResampledAxis, transposed: boolean): number => (transposed ? from : to);

export const resample: Operator<"resample"> = {
  summary: "out[n,c,y,x] = sum(i,j) rows[y,i] · columns[x,j] · input[n,c,i,j], both matrices sparse",
  shape: ({ axes: [rows, columns], transposed }, [input = []]) => [
    ...input.slice(0, 2),
    sideOf(rows, transposed),
    sideOf(columns, transposed),
  ],
  define: ({ axes, transposed }: OperatorAttributes["resample"], [input]) => {
    if (!input) throw new Error("resample takes (input)");
    const [rows, columns] = [entriesOf(axes[0], transposed), entriesOf(axes[1], transposed)];
    return (coordinates) => {
      const [n, c, y, x] = four(coordinates);
      return value.reduce("add", [rows.count, columns.count], ([ky = index(0), kx = index(0)]) => {
        const [row, column] = [rows.entry(y, ky), columns.entry(x, kx)];
        const read = (): Value =>
          value.multiply(value.multiply(row.factor, column.factor), input.at([n, c, row.at, column.at]));
        return value.select(value.all(row.test, column.test), read, value.zero);
      });
    };
  },
  gradient: ({ attributes, upstream, add: addNode }) => [
    addNode("resample", { ...attributes, transposed: !attributes.transposed }, [upstream], "input gradient"),
  ],
};
