/** Pooling windows, the place of a window's maximum, and the two ways a gradient goes back through a window. */
import { add, divide, type Index, multiply, subtract } from "../nest/integer.ts";
import * as value from "../value.ts";
import type { Accessor, Value } from "../value.ts";
import { four } from "./convolution.ts";
import type { Operator, WindowAttributes } from "./operator.ts";

/** The element under tap (ky, kx) of the window at (y, x); `outside` where the tap falls on padding. */
function tap(
  { stride, padding }: WindowAttributes,
  input: Accessor,
  coordinates: readonly Index[],
  taps: readonly Index[],
  outside: Value,
): Value {
  const [n, c, y, x] = four(coordinates);
  const [, , height, width] = four(input.shape);
  const row = add(multiply(y, stride[0]), taps[0] ?? 0, -padding.top);
  const column = add(multiply(x, stride[1]), taps[1] ?? 0, -padding.left);
  const inside = value.all(value.inRange(row, 0, height - 1), value.inRange(column, 0, width - 1));
  return value.select(inside, () => input.at([n, c, row, column]), outside);
}

/**
 * Sums over the windows that contain element (y, x) of the input. A window at `w` contains it under tap
 * `y + p - w·s`; `w` runs down from `floor((y + p) / s)` over at most `ceil(kernel / stride)` places.
 */
function overWindows(
  { kernel, stride, padding, output }: WindowAttributes,
  coordinates: readonly Index[],
  body: (window: readonly Index[], tapNumber: Index) => Value,
): Value {
  const [n, c, y, x] = four(coordinates);
  const counts = [Math.ceil(kernel[0] / stride[0]), Math.ceil(kernel[1] / stride[1])];
  return value.reduce("add", counts, (back) => {
    const row = subtract(divide(add(y, padding.top), stride[0]), back[0] ?? 0);
    const column = subtract(divide(add(x, padding.left), stride[1]), back[1] ?? 0);
    const ky = subtract(add(y, padding.top), multiply(row, stride[0]));
    const kx = subtract(add(x, padding.left), multiply(column, stride[1]));
    const inside = value.all(
      value.inRange(row, 0, output[0] - 1),
      value.inRange(column, 0, output[1] - 1),
      value.inRange(ky, 0, kernel[0] - 1),
      value.inRange(kx, 0, kernel[1] - 1),
    );
    const tapNumber = add(multiply(ky, kernel[1]), kx);
    return value.select(inside, () => body([n, c, row, column], tapNumber), value.zero);
  });
}

const mapShape = (input: readonly number[], size: readonly number[]): number[] => [...input.slice(0, 2), ...size];

export const window: Operator<"window"> = {
  summary: "out[n,c,y,x] = sum or max(ky,kx) input[n, c, y·s+ky-p, x·s+kx-p]",
  shape: ({ output }, [input = []]) => mapShape(input, output),
  define: (attributes, [input]) => {
    if (!input) throw new Error("window takes (input)");
    const outside = value.constant(value.identityOf(attributes.operator));
    return (coordinates) =>
      value.reduce(attributes.operator, attributes.kernel, (taps) =>
        tap(attributes, input, coordinates, taps, outside),
      );
  },
  // A sum sends its gradient to every element of the window, a maximum to its first largest element.
  gradient: ({ attributes, inputs, upstream, shapeOf, add: addNode }) => {
    const [input = -1] = inputs;
    const { operator, ...window } = attributes;
    const [, , height, width] = four(shapeOf(input));
    const sized = { ...window, size: [height, width] as const };
    if (operator === "add") return [addNode("windowSpread", sized, [upstream], "input gradient")];
    const places = addNode("windowPlace", window, [input], "place of the maximum");
    return [addNode("windowRoute", sized, [upstream, places], "input gradient")];
  },
};

export const windowPlace: Operator<"windowPlace"> = {
  summary: "out[n,c,y,x] = min(ky,kx) of ky·K+kx where input[n, c, y·s+ky-p, x·s+kx-p] is the window's maximum",
  shape: ({ output }, [input = []]) => mapShape(input, output),
  define: (attributes, [input]) => {
    if (!input) throw new Error("windowPlace takes (input)");
    const { kernel } = attributes;
    const lowest = value.constant(-Infinity);
    return (coordinates) => {
      const read = (taps: readonly Index[]): Value => tap(attributes, input, coordinates, taps, lowest);
      const largest = value.reduce("maximum", kernel, read);
      const none = value.constant(kernel[0] * kernel[1]);
      return value.reduce("minimum", kernel, (taps) => {
        const tapNumber = add(multiply(taps[0] ?? 0, kernel[1]), taps[1] ?? 0);
        return value.select(value.compare("equal", read(taps), largest), () => value.indexValue(tapNumber), none);
      });
    };
  },
  gradient: "none",
};

export const windowSpread: Operator<"windowSpread"> = {
  summary: "out[n,c,y,x] = sum over the windows w that contain (y, x) of gradient[n,c,w]",
  shape: ({ size }, [gradient = []]) => mapShape(gradient, size),
  define: (attributes, [gradient]) => {
    if (!gradient) throw new Error("windowSpread takes (gradient)");
    return (coordinates) => overWindows(attributes, coordinates, (window) => gradient.at(window));
  },
  gradient: "none",
};

export const windowRoute: Operator<"windowRoute"> = {
  summary: "out[n,c,y,x] = sum over the windows w whose place is (y, x) of gradient[n,c,w]",
  shape: ({ size }, [gradient = []]) => mapShape(gradient, size),
  define: (attributes, [gradient, places]) => {
    if (!gradient || !places) throw new Error("windowRoute takes (gradient, places)");
    return (coordinates) =>
      overWindows(attributes, coordinates, (window, tapNumber) =>
        value.select(
          value.compare("equal", places.at(window), value.indexValue(tapNumber)),
          () => gradient.at(window),
          value.zero,
        ),
      );
  },
  gradient: "none",
};
