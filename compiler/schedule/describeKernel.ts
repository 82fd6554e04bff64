/**
 * What a kernel computes, as lines of text: by it equal kernels are known, whatever their layers and tensors are called.
 *
 * In: a kernel, and its values at some coordinates. Out: the lines, and the kernel's tensors in the order in which the lines
 * count them. What holds: kernels with the same lines differ in which tensors they touch and, where constants are left out, in
 * those. How tensors lie in memory is no part of it: `layoutText` is, of each.
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import { createNumbering } from "../fusion/numbering.ts";
import { zero } from "../value.ts";
import type { SymbolicKernel } from "./symbolic.ts";

export interface KernelDescription {
  readonly lines: readonly string[];
  readonly tensors: readonly number[];
}

/** `probes`: the kernel's values, for all coordinates at once or at single ones. */
export function describeKernel(
  { domain, extents, inPlace, accumulators, outputs }: Kernel,
  probes: readonly Pick<SymbolicKernel, "bodies" | "outputs">[],
  constants: "kept" | "left out" = "kept",
): KernelDescription {
  const order = new Map<number, number>();
  const ordinal = (tensor: number): number => {
    const place = order.get(tensor) ?? order.size;
    order.set(tensor, place);
    return place;
  };
  const { numberOf, texts } = createNumbering(ordinal, constants);
  const roots = probes.flatMap((probe) => [
    ...accumulators.map(({ operator }, i) => `${operator} ${numberOf(probe.bodies[i] ?? zero)}`),
    ...outputs.map(({ tensor }, i) => `${ordinal(tensor)} = ${numberOf(probe.outputs[i] ?? zero)}`),
  ]);
  const shape = `${domain.join("x")} over ${extents.join("x")}${inPlace ? " in place" : ""}`;
  return { lines: [shape, ...texts(), ...roots], tensors: [...order.keys()] };
}

/** How a tensor lies in memory. */
export function layoutText(tensor: StoredTensor | undefined): string {
  const { type, shape = [], pitch, gap } = tensor ?? {};
  return `${type} ${shape.join("x")} ${pitch ?? ""} ${gap ?? ""}`;
}
