/** The operator table: every operator's shape rule, definition and gradient, in one place. */
import { conv, convInput, convInputPhases, convWeight } from "./convolution.ts";
import type { Operator, OperatorName } from "./operator.ts";
import { resample } from "./resample.ts";
import {
  channels,
  first,
  gather,
  map,
  matmul,
  normalizeBatch,
  pack,
  part,
  permute,
  reduce,
  reshape,
  state,
} from "./tensors.ts";
import { batchMatmul, tileJoin, tileSplit, tileSum } from "./tiles.ts";
import { window, windowPlace, windowRoute, windowSpread } from "./windows.ts";

export const operators: { readonly [K in OperatorName]: Operator<K> } = {
  state,
  map,
  conv,
  convInput,
  convInputPhases,
  convWeight,
  matmul,
  reduce,
  first,
  window,
  windowPlace,
  windowSpread,
  windowRoute,
  resample,
  permute,
  reshape,
  channels,
  part,
  pack,
  gather,
  tileSplit,
  tileJoin,
  tileSum,
  batchMatmul,
  normalizeBatch,
};
