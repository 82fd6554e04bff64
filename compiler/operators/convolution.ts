/** The convolution and its two gradients. Notation: n image, o output channel, i input channel of the group. */
import { add, divide, type Index, multiply, remainder } from "../nest/integer.ts";
import * as value from "../value.ts";
import type { Accessor } from "../value.ts";
import type { ConvolutionAttributes, Operator, Pair } from "./operator.ts";

export function four<T>(coordinates: readonly T[]): readonly [T, T, T, T] {
  const [a, b, c, d] = coordinates;
  if (a === undefined || b === undefined || c === undefined || d === undefined)
    throw new Error(`four coordinates expected, ${coordinates.length} given`);
  return [a, b, c, d];
}

function six<T>(coordinates: readonly T[]): readonly [T, T, T, T, T, T] {
  const [a, b, c, d, e, f] = coordinates;
  if (e === undefined || f === undefined) throw new Error(`six coordinates expected, ${coordinates.length} given`);
  return [...four([a, b, c, d].filter((coordinate) => coordinate !== undefined)), e, f];
}

export function three<T>(coordinates: readonly T[]): readonly [T, T, T] {
  const [a, b, c] = coordinates;
  if (a === undefined || b === undefined || c === undefined)
    throw new Error(`three coordinates expected, ${coordinates.length} given`);
  return [a, b, c];
}

/** Input row (or column) that tap `k` of output `y` falls on: `y·stride + k·dilation - padding`. */
function tapPosition(y: Index, k: Index, stride: number, dilation: number, padding: number): Index {
  return add(multiply(y, stride), multiply(k, dilation), -padding);
}

/** `x` inside its map, zero outside; the coordinates may leave the map, so that schedules may stage a padded copy. */
export function padded(x: Accessor): (coordinates: readonly Index[]) => value.Value {
  const [, , height, width] = four(x.shape);
  return ([n, c, y, x_]: readonly Index[]) => {
    const at = four([n, c, y, x_].filter((coordinate) => coordinate !== undefined));
    const inside = value.all(value.inRange(at[2], 0, height - 1), value.inRange(at[3], 0, width - 1));
    return value.select(inside, () => x.at(at), value.zero);
  };
}

/** Gradient maps spread to the input's grid: `g[y/s, x/s]` where both divide and lie inside, zero elsewhere. */
function spread(gradient: Accessor, [sy, sx]: Pair): (coordinates: readonly Index[]) => value.Value {
  const [, , height, width] = four(gradient.shape);
  return (coordinates) => {
    const [n, o, y, x] = four(coordinates);
    const inside = value.all(
      value.inRange(y, 0, (height - 1) * sy),
      value.inRange(x, 0, (width - 1) * sx),
      value.inRange(remainder(y, sy), 0, 0),
      value.inRange(remainder(x, sx), 0, 0),
    );
    return value.select(inside, () => gradient.at([n, o, divide(y, sy), divide(x, sx)]), value.zero);
  };
}

export function outputExtent(
  input: number,
  kernel: number,
  stride: number,
  before: number,
  after: number,
  dilation = 1,
): number {
  return Math.floor((input + before + after - dilation * (kernel - 1) - 1) / stride) + 1;
}

export const conv: Operator<"conv"> = {
  summary: "out[n,o,y,x] = sum(i,ky,kx) input[n, g·I+i, y·s+ky·d-p, x·s+kx·d-p] · weight[o,i,ky,kx]",
  shape: ({ kernel, stride, padding, dilation }, [input = [], weight = []]) => {
    const [n, , height, width] = four(input);
    return [
      n,
      four(weight)[0],
      outputExtent(height, kernel[0], stride[0], padding.top, padding.bottom, dilation[0]),
      outputExtent(width, kernel[1], stride[1], padding.left, padding.right, dilation[1]),
    ];
  },
  define: ({ kernel, stride, padding, dilation, groups }, [input, weight], shape) => {
    if (!input || !weight) throw new Error("conv takes (input, weight)");
    const outputsPerGroup = four(shape)[1] / groups;
    const inputsPerGroup = four(weight.shape)[1];
    const read = padded(input);
    return (coordinates) => {
      const [n, o, y, x] = four(coordinates);
      const group = divide(o, outputsPerGroup);
      return value.reduce("add", [inputsPerGroup, ...kernel], (taps) => {
        const [i, ky, kx] = three(taps);
        const at = [
          n,
          add(multiply(group, inputsPerGroup), i),
          tapPosition(y, ky, stride[0], dilation[0], padding.top),
          tapPosition(x, kx, stride[1], dilation[1], padding.left),
        ];
        const filter = [o, i, ky, kx];
        return value.multiply(value.operand("input", at, read), value.operand("weight", filter, weight.at));
      });
    };
  },
  // out is bilinear in input and weight: each gradient sums upstream · the other factor over the places that met it.
  gradient: ({ attributes, inputs, upstream, needs, shapeOf, add: addNode }) => {
    const [input = -1, weight = -1] = inputs;
    const [, , height, width] = four(shapeOf(input));
    return [
      needs(0)
        ? addNode("convInput", { ...attributes, size: [height, width] }, [upstream, weight], "input gradient")
        : undefined,
      needs(1) ? addNode("convWeight", attributes, [input, upstream], "filter gradient") : undefined,
    ];
  },
};

export const convInput: Operator<"convInput"> = {
  summary:
    "out[n,c,y,x] = sum(o,ky,kx) gradient[n, g·O+o, (y+p-ky·d)/s, (x+p-kx·d)/s] · weight[g·O+o, c mod I, ky, kx]",
  shape: ({ size, groups }, [gradient = [], weight = []]) => [four(gradient)[0], four(weight)[1] * groups, ...size],
  define: ({ kernel, stride, padding, dilation, groups }, [gradient, weight]) => {
    if (!gradient || !weight) throw new Error("convInput takes (gradient, weight)");
    const outputsPerGroup = four(gradient.shape)[1] / groups;
    const inputsPerGroup = four(weight.shape)[1];
    const read = spread(gradient, stride);
    return (coordinates) => {
      const [n, c, y, x] = four(coordinates);
      const group = divide(c, inputsPerGroup);
      return value.reduce("add", [outputsPerGroup, ...kernel], (taps) => {
        const [oInGroup, ky, kx] = three(taps);
        const o = add(multiply(group, outputsPerGroup), oInGroup);
        const at = [
          n,
          o,
          add(y, padding.top, multiply(ky, -dilation[0])),
          add(x, padding.left, multiply(kx, -dilation[1])),
        ];
        const filter = [o, remainder(c, inputsPerGroup), ky, kx];
        return value.multiply(value.operand("gradient", at, read, true), value.operand("weight", filter, weight.at));
      });
    };
  },
  gradient: "none",
};

/** Taps that one place between two strides meets at most. */
function phaseTaps(kernel: number, stride: number): number {
  return Math.ceil(kernel / stride);
}

export const convInputPhases: Operator<"convInputPhases"> = {
  summary: "out[n,c,i,a,j,b] = the gradient by input[n, c, i·s+a, j·s+b], summed over the taps that fall on it",
  shape: ({ size, stride }, [gradient = [], weight = []]) => [
    four(gradient)[0],
    four(weight)[1],
    size[0] / stride[0],
    stride[0],
    size[1] / stride[1],
    stride[1],
  ],
  define: ({ kernel, stride, padding }, [gradient, weight]) => {
    if (!gradient || !weight) throw new Error("convInputPhases takes (gradient, weight)");
    const outputs = four(gradient.shape)[1];
    const read = padded(gradient);
    const extents = [outputs, phaseTaps(kernel[0], stride[0]), phaseTaps(kernel[1], stride[1])];
    /** Tap k and output place: y + p = k + s·place, so k = (a + p) mod s + s·u and place = i + (a + p) div s - u. */
    const along = (i: Index, a: Index, u: Index, before: number, s: number) => ({
      tap: add(remainder(add(a, before), s), multiply(u, s)),
      place: add(i, divide(add(a, before), s), multiply(u, -1)),
    });
    return (coordinates) => {
      const [n, c, i, a, j, b] = six(coordinates);
      return value.reduce("add", extents, (taps) => {
        const [o, u, v] = three(taps);
        const y = along(i, a, u, padding.top, stride[0]);
        const x = along(j, b, v, padding.left, stride[1]);
        const isTap = value.all(value.inRange(y.tap, 0, kernel[0] - 1), value.inRange(x.tap, 0, kernel[1] - 1));
        const filter = [o, c, y.tap, x.tap];
        return value.multiply(
          value.operand("gradient", [n, o, y.place, x.place], read, true),
          value.select(isTap, () => value.operand("weight", filter, weight.at), value.zero),
        );
      });
    };
  },
  gradient: "none",
};

export const convWeight: Operator<"convWeight"> = {
  summary: "out[o,i,ky,kx] = sum(n,y,x) input[n, g·I+i, y·s+ky·d-p, x·s+kx·d-p] · gradient[n,o,y,x]",
  shape: ({ kernel, groups }, [input = [], gradient = []]) => [four(gradient)[1], four(input)[1] / groups, ...kernel],
  define: ({ stride, padding, dilation, groups }: ConvolutionAttributes, [input, gradient]) => {
    if (!input || !gradient) throw new Error("convWeight takes (input, gradient)");
    const [batch, outputs, height, width] = four(gradient.shape);
    const inputsPerGroup = four(input.shape)[1] / groups;
    const read = padded(input);
    return (coordinates) => {
      const [o, i, ky, kx] = four(coordinates);
      const group = divide(o, outputs / groups);
      return value.reduce("add", [batch, height, width], (places) => {
        const [n, y, x] = three(places);
        const at = [
          n,
          add(multiply(group, inputsPerGroup), i),
          tapPosition(y, ky, stride[0], dilation[0], padding.top),
          tapPosition(x, kx, stride[1], dilation[1], padding.left),
        ];
        const here = [n, o, y, x];
        return value.multiply(value.operand("input", at, read), value.operand("gradient", here, gradient.at));
      });
    };
  },
  gradient: "none",
};
