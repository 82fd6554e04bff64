/** How weights and biases start where nothing else is written: torch.nn's defaults. */
import type { ParameterOfLayer } from "../layerEntry.ts";

/** torch.nn's default: both uniform over plus and minus one over the square root of the inputs of one output. */
export function weightAndBias(shape: readonly number[], fanIn: number, bias: boolean): ParameterOfLayer[] {
  const initial = { kind: "uniform", bound: 1 / Math.sqrt(fanIn) } as const;
  const weight: ParameterOfLayer = { name: "weight", shape, trainable: true, counted: true, initial };
  return bias ? [weight, { ...weight, name: "bias", shape: shape.slice(0, 1) }] : [weight];
}

/** One number a channel that starts as `value`. */
export function perChannel(name: ParameterOfLayer["name"], channels: number, value: number): ParameterOfLayer {
  return { name, shape: [channels], trainable: true, counted: true, initial: { kind: "constant", value } };
}
