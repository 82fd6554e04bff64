/**
 * The layer catalogue: everything the language knows about each layer, one entry a layer, by family in layers/.
 *
 * In: nothing, it is a table. Out: entries that the checker, the reference page, the formatter and completion read.
 * What holds: a layer exists because it has an entry there (and its attributes in `LayerAttributes`); nothing else in
 * language/ names a layer. Defaults and formulas are PyTorch's (torch.nn of the same name).
 */
import type { LayerEntry } from "./layerEntry.ts";
import { activations } from "./layers/activations.ts";
import { channelLayers } from "./layers/channels.ts";
import { convolutions } from "./layers/convolution.ts";
import { normalisations } from "./layers/normalisation.ts";
import { poolings } from "./layers/pooling.ts";
import { resizings } from "./layers/resizing.ts";
import { vectors } from "./layers/vectors.ts";

/** Every layer, in the order of the reference page. */
export const layerCatalogue: readonly LayerEntry[] = [
  ...convolutions,
  ...poolings,
  ...normalisations,
  ...activations,
  ...vectors,
  ...channelLayers,
  ...resizings,
];
