/** Elementwise maps, products, reductions and the operators that only move elements. */
import {
  add,
  clamp,
  divide,
  type Index,
  index,
  multiply,
  offset,
  remainder,
  rowMajorStrides,
} from "../nest/integer.ts";
import * as value from "../value.ts";
import type { Accessor } from "../value.ts";
import {
  argument,
  argumentsOf,
  differentiate,
  type Formula,
  instantiate,
  minus,
  number,
  over,
  plus,
  renumber,
  times,
} from "./formula.ts";
import type { GradientContext, Operator } from "./operator.ts";

/** Coordinates of a flat place in a shape. */
export function unflatten(flat: Index, shape: readonly number[]): Index[] {
  return rowMajorStrides(shape).map((stride, d) => {
    const quotient = divide(flat, stride);
    return d === 0 ? quotient : remainder(quotient, shape[d] ?? 1);
  });
}

const count = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1);

export function broadcastShape(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, d) =>
    Math.max(1, ...shapes.map((shape) => shape[d - rank + shape.length] ?? 1)),
  );
}

export const state: Operator<"state"> = {
  summary: "a state tensor",
  shape: ({ shape }) => shape,
  define: () => {
    throw new Error("a state is stored, not computed");
  },
  gradient: () => [],
};

/** Sums a gradient over the axes along which its input was broadcast. */
function unbroadcast<K extends "map" | "normalizeBatch">(
  context: GradientContext<K>,
  gradient: number,
  input: number,
): number {
  const from = context.shapeOf(gradient);
  const to = context.shapeOf(input);
  const skip = from.length - to.length;
  const axes = from.flatMap((extent, d) => (extent > 1 && (to[d - skip] ?? 1) === 1 ? [d] : []));
  const summed =
    axes.length > 0 ? context.add("reduce", { operator: "add", axes }, [gradient], "gradient sum") : gradient;
  return skip > 0 ? context.add("reshape", { shape: to }, [summed], "gradient") : summed;
}

/** Drops inputs that the formula does not read, so that nothing is kept for it in vain. */
function onlyUsed(formula: Formula, inputs: readonly number[]): { formula: Formula; inputs: number[] } {
  const used = [...argumentsOf(formula)].sort((a, b) => a - b);
  return {
    formula: renumber(formula, (argument) => used.indexOf(argument)),
    inputs: used.map((argument) => inputs[argument] ?? -1),
  };
}

function mapGradient(context: GradientContext<"map">): (number | undefined)[] {
  const { attributes, inputs, output, upstream } = context;
  return inputs.map((input, i) => {
    if (!context.needs(i)) return undefined;
    const derivative = attributes.derivatives?.[i] ?? differentiate(attributes.formula, i);
    if (derivative.kind === "constant" && derivative.value === 0) return undefined;
    // Arguments: the inputs, then the result (derivatives may use it), then the upstream gradient.
    const formula = times(derivative, argument(inputs.length + 1));
    const used = onlyUsed(formula, [...inputs, output, upstream]);
    const shape = context.shapeOf(output);
    const gradient = context.add("map", { formula: used.formula, shape }, used.inputs, "input gradient");
    return unbroadcast(context, gradient, input);
  });
}

export const map: Operator<"map"> = {
  summary: "out[…] = formula(inputs[…] …), inputs broadcast",
  shape: ({ shape }, inputs) => shape ?? broadcastShape(inputs),
  define:
    ({ formula }, inputs, shape) =>
    (coordinates) =>
      instantiate(formula, inputs, coordinates, shape),
  gradient: mapGradient,
};

export const matmul: Operator<"matmul"> = {
  summary: "out[m,n] = sum(k) left[m,k] · right[k,n]",
  shape: ({ transposeLeft, transposeRight }, [left = [], right = []]) => [
    left[transposeLeft ? 1 : 0] ?? 0,
    right[transposeRight ? 0 : 1] ?? 0,
  ],
  define: ({ transposeLeft, transposeRight }, [left, right]) => {
    if (!left || !right) throw new Error("matmul takes (left, right)");
    const depth = left.shape[transposeLeft ? 0 : 1] ?? 0;
    const turn = (flip: boolean, row: Index, column: Index): Index[] => (flip ? [column, row] : [row, column]);
    return ([m = index(0), n = index(0)]) =>
      value.reduce("add", [depth], ([k = index(0)]) => {
        const atLeft = turn(transposeLeft, m, k);
        const atRight = turn(transposeRight, k, n);
        return value.multiply(value.operand("left", atLeft, left.at), value.operand("right", atRight, right.at));
      });
  },
  // out = L R: dL = dout Rᵀ, dR = Lᵀ dout; with a side transposed, its gradient is transposed with it.
  gradient: ({ attributes, inputs, upstream, needs, add: addNode }) => {
    const [left = -1, right = -1] = inputs;
    const { transposeLeft, transposeRight } = attributes;
    const product = (a: number, b: number, flipA: boolean, flipB: boolean, role: string): number =>
      addNode("matmul", { transposeLeft: flipA, transposeRight: flipB }, [a, b], role);
    const byLeft = (): number =>
      transposeLeft
        ? product(right, upstream, transposeRight, true, "input gradient")
        : product(upstream, right, false, !transposeRight, "input gradient");
    const byRight = (): number =>
      transposeRight
        ? product(upstream, left, true, transposeLeft, "weight gradient")
        : product(left, upstream, !transposeLeft, false, "weight gradient");
    return [needs(0) ? byLeft() : undefined, needs(1) ? byRight() : undefined];
  },
};

export const reduce: Operator<"reduce"> = {
  summary: "out[…, 0, …] = sum, maximum or minimum of input over some axes",
  shape: ({ axes }, [input = []]) => input.map((extent, d) => (axes.includes(d) ? 1 : extent)),
  define: ({ operator, axes }, [input]) => {
    if (!input) throw new Error("reduce takes (input)");
    const extents = axes.map((axis) => input.shape[axis] ?? 1);
    return (coordinates) =>
      value.reduce(operator, extents, (along) => {
        const at = coordinates.map((coordinate, d) => {
          const place = axes.indexOf(d);
          return place < 0 ? coordinate : (along[place] ?? coordinate);
        });
        return input.at(at);
      });
  },
  gradient: ({ attributes, inputs, upstream, shapeOf, add: addNode }) => {
    if (attributes.operator !== "add") throw new Error("only sums are differentiated; maxima go through windows");
    // Every element counts once: the gradient is the upstream, repeated to the input's shape.
    const shape = shapeOf(inputs[0] ?? -1);
    return [addNode("map", { formula: argument(0), shape }, [upstream], "input gradient")];
  },
};

export const first: Operator<"first"> = {
  summary: "out[…, 0, …] = input[…, 0, …], the first element along some axes",
  shape: ({ axes }, [input = []]) => input.map((extent, d) => (axes.includes(d) ? 1 : extent)),
  define: ({ axes }, [input]) => {
    if (!input) throw new Error("first takes (input)");
    return (coordinates) => input.at(coordinates.map((at, d) => (axes.includes(d) ? index(0) : at)));
  },
  gradient: "none",
};

export const reshape: Operator<"reshape"> = {
  summary: "out[…] = input[…] at the same place in row-major order",
  shape: ({ shape }) => shape,
  define: ({ shape }, [input]) => {
    if (!input) throw new Error("reshape takes (input)");
    const strides = rowMajorStrides(shape);
    return (coordinates) => input.at(unflatten(offset(coordinates, strides), input.shape));
  },
  gradient: ({ inputs, upstream, shapeOf, add: addNode }) => [
    addNode("reshape", { shape: shapeOf(inputs[0] ?? -1) }, [upstream], "input gradient"),
  ],
};

export const permute: Operator<"permute"> = {
  summary: "out[…] = input[…], the axes in another order",
  shape: ({ axes }, [input = []]) => axes.map((axis) => input[axis] ?? 1),
  define: ({ axes }, [input]) => {
    if (!input) throw new Error("permute takes (input)");
    return (coordinates) => input.at(axes.map((_, axis) => coordinates[axes.indexOf(axis)] ?? index(0)));
  },
  gradient: ({ attributes: { axes }, upstream, add: addNode }) => [
    addNode("permute", { axes: axes.map((_, axis) => axes.indexOf(axis)) }, [upstream], "input gradient"),
  ],
};

export const channels: Operator<"channels"> = {
  summary: "out[n,c,…] = input[n,c + start,…], zero outside of it",
  shape: ({ count: wanted }, [input = []]) => input.map((extent, d) => (d === 1 ? wanted : extent)),
  define: ({ start, count: wanted }, [input]) => {
    if (!input) throw new Error("channels takes (input)");
    const last = (input.shape[1] ?? 1) - 1;
    const isInside = start >= 0 && start + wanted - 1 <= last;
    return ([n = index(0), c = index(0), ...rest]) => {
      const from = add(c, start);
      if (isInside) return input.at([n, from, ...rest]);
      return value.select(value.inRange(from, 0, last), () => input.at([n, clamp(from, 0, last), ...rest]), value.zero);
    };
  },
  // The gradient goes back to where the channels came from; the others get none.
  gradient: ({ attributes, inputs, upstream, shapeOf, add: addNode }) => {
    const inputChannels = shapeOf(inputs[0] ?? -1)[1] ?? 1;
    return [addNode("channels", { start: -attributes.start, count: inputChannels }, [upstream], "input gradient")];
  },
};

export const part: Operator<"part"> = {
  summary: "out[…] = input[offset + place]",
  shape: ({ shape }) => shape,
  define: ({ offset: start, shape }, [input]) => {
    if (!input) throw new Error("part takes (input)");
    const strides = rowMajorStrides(shape);
    return (coordinates) => input.at([add(offset(coordinates, strides), start)]);
  },
  gradient: "none",
};

export const pack: Operator<"pack"> = {
  summary: "out[offsets[i] + place] = inputs[i][place], zero elsewhere",
  shape: ({ length }) => [length],
  define:
    ({ offsets }, inputs) =>
    ([place = index(0)]) =>
      inputs.reduce((rest, input, i) => {
        const local = add(place, -(offsets[i] ?? 0));
        const inside = value.inRange(local, 0, count(input.shape) - 1);
        return value.select(inside, () => input.at(unflatten(local, input.shape)), rest);
      }, value.zero),
  gradient: "none",
};

/** The table that holds the row: all but the last have equally many. */
function rowOf(tables: readonly Accessor[], row: Index, rest: readonly Index[]): value.Value {
  const [first, ...others] = tables;
  if (!first) throw new Error("gather takes (rows, start, tables…)");
  const rows = first.shape[0] ?? 1;
  return others.reduce(
    (found, table, i) => {
      const start = (i + 1) * rows;
      const last = (table.shape[0] ?? 1) - 1;
      const isHere = value.inRange(row, start, start + last);
      return value.select(isHere, () => table.at([clamp(add(row, -start), 0, last), ...rest]), found);
    },
    first.at([clamp(row, 0, rows - 1), ...rest]),
  );
}

export const gather: Operator<"gather"> = {
  summary: "out[n,…] = tables[rows[min(start·batch + n, last)], …], the tables one after another",
  shape: ({ batch }, [, , table = []]) => [batch, ...table.slice(1)],
  define: ({ batch }, [rows, start, ...tables]) => {
    if (!rows?.integer || !start?.integer) throw new Error("gather takes (rows, start, tables…), stored");
    const readRow = rows.integer.bind(rows);
    const readStart = start.integer.bind(start);
    const last = (rows.shape[0] ?? 1) - 1;
    const total = tables.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
    return ([n = index(0), ...rest]) => {
      const place = clamp(add(multiply(readStart([index(0)], Math.ceil((last + 1) / batch)), batch), n), 0, last);
      return rowOf(tables, readRow([place], total - 1), rest);
    };
  },
  gradient: "none",
};

const normalized: Formula = plus(times(minus(argument(0), argument(1)), argument(2), argument(3)), argument(4));

/**
 * Batch normalisation's backward pass (Ioffe and Szegedy 2015, section 3), with g the upstream gradient, r the inverse
 * deviation, x̂ = (x-mean)·r and m the number of elements a channel:
 *   dshift = Σ g,  dscale = Σ g·x̂,  dx = scale·r·(g - dshift/m - x̂·dscale/m).
 */
function normalizeGradient(context: GradientContext<"normalizeBatch">): (number | undefined)[] {
  const { attributes, inputs, upstream, add: addNode } = context;
  const [x = -1, mean = -1, inverse = -1, scale = -1, shift = -1] = inputs;
  const xhat = times(minus(argument(1), argument(2)), argument(3));
  const weighted = addNode("map", { formula: times(argument(0), xhat) }, [upstream, x, mean, inverse], "gradient · x̂");
  const dshift = unbroadcast(context, upstream, shift);
  const dscale = unbroadcast(context, weighted, scale);
  const m = number(attributes.count);
  const centred = minus(argument(0), over(argument(5), m), times(xhat, over(argument(6), m)));
  const dx = addNode(
    "map",
    { formula: times(argument(4), argument(3), centred) },
    [upstream, x, mean, inverse, scale, dshift, dscale],
    "input gradient",
  );
  return [dx, undefined, undefined, dscale, dshift];
}

export const normalizeBatch: Operator<"normalizeBatch"> = {
  summary: "out[n,c,y,x] = (input - mean[c]) · inverse[c] · scale[c] + shift[c]",
  shape: (_, inputs) => inputs[0] ?? [],
  define: (_, inputs, shape) => (coordinates) => instantiate(normalized, inputs, coordinates, shape),
  gradient: normalizeGradient,
};
