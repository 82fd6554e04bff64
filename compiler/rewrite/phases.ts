/**
 * The gradient of a strided convolution by its input, phase by phase.
 *
 * In: `convInput` with a stride that divides the input's extent. Out: `convInputPhases` and a view of it: each element is
 * summed over the taps that fall on it, one in s² of them, and not over zeros between the gradient's elements.
 */
import type { RewriteRule } from "./rewriteGraph.ts";

export const phaseRule: RewriteRule = (node, { add, inputs }) => {
  if (node.operator !== "convInput") return undefined;
  const { stride, dilation, groups, size } = node.attributes;
  const isStrided = stride[0] > 1 || stride[1] > 1;
  const divides = size[0] % stride[0] === 0 && size[1] % stride[1] === 0;
  if (!isStrided || !divides || groups > 1 || dilation[0] > 1 || dilation[1] > 1) return undefined;
  const phases = add("convInputPhases", node.attributes, inputs, "phases");
  return add("reshape", { shape: node.shape }, [phases], "maps");
};
