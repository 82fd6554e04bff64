/**
 * What the lowerings of all layers have in common.
 *
 * In: a checked layer and its inputs as nodes, `[N, C, H, W]` or `[N, F]`. Out: its output node.
 */
import type { CheckedLayer, LayerKind } from "../../../language/checkedProgram.ts";
import type { GraphBuilder } from "../../graph/builder.ts";
import { InvariantError, type Origin, type StateTensor } from "../../graph/graph.ts";
import { argument, type Formula, plus } from "../../operators/formula.ts";

export interface LoweringContext {
  readonly builder: GraphBuilder;
  readonly training: boolean;
  readonly seed: () => number;
  readonly step: () => number;
  /** The node of a parameter, by its path. */
  readonly parameter: (path: string) => number;
  /** A statistic that is no parameter: `bn1.running_mean`. */
  readonly statistic: (path: string, channels: number) => StateTensor;
}

export type LayerOf<K extends LayerKind> = Extract<CheckedLayer, { kind: K }>;
export type Lowering<K extends LayerKind> = (
  layer: LayerOf<K>,
  inputs: readonly number[],
  context: LoweringContext,
) => number;

export function originOf(layer: CheckedLayer, role = "forward"): Origin {
  return { layer: layer.name, line: layer.line, role };
}

export function only(inputs: readonly number[]): number {
  const [input] = inputs;
  if (input === undefined) throw new InvariantError("a layer has no input");
  return input;
}

export function map(
  context: LoweringContext,
  layer: CheckedLayer,
  formula: Formula,
  inputs: readonly number[],
  role?: string,
) {
  return context.builder.add("map", { formula }, inputs, originOf(layer, role));
}

/** A vector of one value a channel, shaped to broadcast over `[N, C, …]`. */
export function perChannel(context: LoweringContext, layer: CheckedLayer, vector: number, like: number): number {
  const shape = context.builder.shapeOf(like).map((extent, d) => (d === 1 ? extent : 1));
  return context.builder.add("reshape", { shape }, [vector], originOf(layer));
}

export function hasParameter(layer: CheckedLayer, name: string): boolean {
  return layer.parameters.some((parameter) => parameter.name === name);
}

export function pathOf(layer: CheckedLayer, name: string): string {
  const found = layer.parameters.find((parameter) => parameter.name === name);
  if (!found) throw new InvariantError(`${layer.name} has no ${name}`);
  return found.path;
}

export function addBias(context: LoweringContext, layer: CheckedLayer, output: number): number {
  if (!hasParameter(layer, "bias")) return output;
  const bias = perChannel(context, layer, context.parameter(pathOf(layer, "bias")), output);
  return map(context, layer, plus(argument(0), argument(1)), [output, bias]);
}

/** Feature maps, for layers that slide over them; a vector is a map of one pixel. */
export function asMaps(context: LoweringContext, layer: CheckedLayer, input: number): number {
  const shape = context.builder.shapeOf(input);
  if (shape.length === 4) return input;
  return context.builder.add("reshape", { shape: [...shape, 1, 1] }, [input], originOf(layer));
}

export function flat(context: LoweringContext, layer: CheckedLayer, input: number): number {
  const [batch = 1, ...rest] = context.builder.shapeOf(input);
  if (rest.length === 1) return input;
  const features = rest.reduce((a, b) => a * b, 1);
  return context.builder.add("reshape", { shape: [batch, features] }, [input], originOf(layer));
}
