/**
 * What one value of a feature map sees of the model's input.
 *
 * In: the receptive field that arrives and what a layer sees of it. Out: the layer's own. Source: Araujo, Norris, Sim,
 * "Computing receptive fields of convolutional neural networks", Distill 2019.
 */
import type { Pair, ReceptiveField, Shape } from "./checkedProgram.ts";
import type { Sight } from "./layerEntry.ts";

/** Behind a layer: the extent grows by `(extent - 1) * jump`, the jump by the stride. `sides` is all that arrives. */
export function seen(sight: Sight, field: ReceptiveField, sides: Pair): ReceptiveField {
  if (sight === "one") return field;
  const { extent, stride } = sight === "all" ? { extent: sides, stride: [1, 1] as const } : sight;
  const { size, jump } = field;
  return {
    size: [countable(size[0] + (extent[0] - 1) * jump[0]), countable(size[1] + (extent[1] - 1) * jump[1])],
    jump: [countable(jump[0] * stride[0]), countable(jump[1] * stride[1])],
  };
}

/** Strides without end would make a number of it that is none. */
const countable = (pixels: number): number => Math.min(pixels, Number.MAX_SAFE_INTEGER);

/** Behind a merge: the largest of its branches; the jump is that of a branch that is not spread over the output. */
export function seenTogether(
  branches: readonly { readonly field: ReceptiveField; readonly shape: Shape }[],
  output: Shape,
): ReceptiveField {
  const largest = (axis: 0 | 1): number => branches.reduce((most, { field }) => Math.max(most, field.size[axis]), 1);
  const full = branches.find(({ shape }) => shape.height === output.height && shape.width === output.width);
  return { size: [largest(0), largest(1)], jump: (full ?? branches[0])?.field.jump ?? [1, 1] };
}
