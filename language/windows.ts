/**
 * The arithmetic of windows that slide over a map: convolution and pooling.
 *
 * In: kernel, stride, padding, dilation, and the input's size. Out: the output's size, and what does not fit. What
 * holds: one axis at a time, PyTorch's formulas (torch.nn.Conv2d, torch.nn.MaxPool2d, torch 2 documentation).
 */
import type { Padding, Pair, Shape } from "./checkedProgram.ts";

export interface Window {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  readonly ceil: boolean;
}

/** Along one axis. */
interface Axis {
  readonly name: "rows" | "columns";
  readonly input: number;
  readonly kernel: number;
  /** Input cells from the first to the last that a window sees. */
  readonly extent: number;
  readonly stride: number;
  readonly before: number;
  readonly after: number;
  readonly output: number;
}

function axes(window: Window, input: Shape): [Axis, Axis] {
  const { kernel, stride, padding, dilation, ceil } = window;
  const axis = (name: Axis["name"], index: 0 | 1, size: number, before: number, after: number): Axis => {
    const extent = dilation[index] * (kernel[index] - 1) + 1;
    const one = { name, input: size, kernel: kernel[index], extent, stride: stride[index], before, after };
    return { ...one, output: outputSize(one, ceil) };
  };
  return [
    axis("rows", 0, input.height, padding.top, padding.bottom),
    axis("columns", 1, input.width, padding.left, padding.right),
  ];
}

/**
 * `floor((input + padding - extent) / stride) + 1`; with `ceil` the quotient is rounded up, unless the last window would
 * then begin in the padding behind the input.
 */
function outputSize({ input, extent, stride, before, after }: Omit<Axis, "output">, ceil: boolean): number {
  const room = input + before + after - extent;
  if (room < 0 || !ceil) return Math.floor(room / stride) + 1;
  const rounded = Math.ceil(room / stride) + 1;
  return (rounded - 1) * stride >= input + before ? rounded - 1 : rounded;
}

/** Height and width of the output; below 1 where the window does not fit. */
export function outputSides(window: Window, input: Shape): Pair {
  const [rows, columns] = axes(window, input);
  return [rows.output, columns.output];
}

/** `a 5x5 window on 16@2x2 leaves floor((2 + 2*0 - 5) / 1) + 1 = -2 rows`, or undefined if the window fits. */
export function misfit(window: Window, input: Shape): string | undefined {
  const axis = axes(window, input).find(({ output }) => output < 1);
  if (axis === undefined) return undefined;
  const { before, after, extent, stride, output, name } = axis;
  const padding = before === after ? `2*${before}` : `${before + after}`;
  const [height, width] = window.kernel;
  const dilated = axis.kernel === extent ? "" : `, ${extent} wide with its dilation,`;
  return (
    `a ${height}x${width} window${dilated} on ${input.channels}@${input.height}x${input.width} ` +
    `leaves floor((${axis.input} + ${padding} - ${extent}) / ${stride}) + 1 = ${output} ${name}`
  );
}

/** The padding that keeps the size at stride 1; the odd cell goes behind, as in `Conv2d(padding="same")`. */
export function samePadding(kernel: Pair, dilation: Pair): Padding {
  const vertical = dilation[0] * (kernel[0] - 1);
  const horizontal = dilation[1] * (kernel[1] - 1);
  const top = Math.floor(vertical / 2);
  const left = Math.floor(horizontal / 2);
  return { top, bottom: vertical - top, left, right: horizontal - left };
}

/** The same padding on both sides of each axis. */
export function evenPadding([vertical, horizontal]: Pair): Padding {
  return { top: vertical, bottom: vertical, left: horizontal, right: horizontal };
}

/**
 * Rows and columns at the end of the input that no window reaches, though windows touch or overlap elsewhere (a stride
 * larger than the window skips cells on purpose). Padding that is not reached does not count.
 */
export function droppedSides(window: Window, input: Shape): Pair {
  const [rows, columns] = axes(window, input);
  return [dropped(rows), dropped(columns)];
}

function dropped({ input, extent, stride, before, output }: Axis): number {
  if (stride > extent) return 0;
  return Math.max(0, input + before - ((output - 1) * stride + extent));
}

/** The smallest padding, at most half a window, with which windows reach every cell; undefined if there is none. */
export function reachingPadding(window: Window, input: Shape): Pair | undefined {
  const [rows, columns] = axes(window, input).map((axis) => {
    for (let pad = axis.before; pad <= axis.extent / 2; pad++) {
      const padded = { ...axis, before: pad, after: pad };
      if (dropped({ ...padded, output: outputSize(padded, window.ceil) }) === 0) return pad;
    }
    return undefined;
  });
  return rows === undefined || columns === undefined ? undefined : [rows, columns];
}
