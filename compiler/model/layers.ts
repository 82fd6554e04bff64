/**
 * Layers as operators: one entry for each kind of layer of the language, by family in layers/.
 *
 * In: a checked layer and its inputs as nodes, `[N, C, H, W]` or `[N, F]`. Out: its output node. Statistics that
 * training changes are updated through the builder.
 */
import type { CheckedLayer, LayerKind } from "../../language/checkedProgram.ts";
import { flat, type Lowering, type LoweringContext, only } from "./layers/context.ts";
import { shuffle, slice } from "./layers/channels.ts";
import { conv, fc } from "./layers/convolution.ts";
import { activation, dropout, dropPath, prelu, scale, softmax } from "./layers/elementwise.ts";
import { add, concat, mul } from "./layers/merges.ts";
import { batchNorm, groupNorm, layerNorm, localResponseNorm } from "./layers/normalisation.ts";
import { averagePool, maxPool, mixedPool } from "./layers/pooling.ts";
import { adaptivePool, pad, upsample } from "./layers/resizing.ts";

export type { LoweringContext } from "./layers/context.ts";

const lowerings: { readonly [K in LayerKind]: Lowering<K> } = {
  conv,
  maxPool,
  averagePool,
  mixedPool,
  batchNorm,
  layerNorm,
  groupNorm,
  localResponseNorm,
  activation,
  prelu,
  softmax,
  fc,
  add,
  mul,
  concat,
  flatten: (layer, inputs, context) => flat(context, layer, only(inputs)),
  dropout,
  dropPath,
  scale,
  slice,
  shuffle,
  pad,
  upsample,
  adaptivePool,
};

export function lowerLayer(layer: CheckedLayer, inputs: readonly number[], context: LoweringContext): number {
  // Entry and layer are of the same kind; the union cannot say so.
  const lowering = lowerings[layer.kind] as Lowering<LayerKind>;
  return lowering(layer, inputs, context);
}
