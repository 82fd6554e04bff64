/**
 * Words that the language's description has and this version does not: a program that uses one is not misspelt.
 *
 * In: nothing, it is a table. Out: what to write meanwhile. What holds: a word here is in no catalogue.
 */

/** Statements of a model. */
export const laterLayers: ReadonlyMap<string, string> = new Map([
  ["depthwise", "write a convolution with as many groups as channels: `conv C@3x3 groups C`"],
  ["norm", "`bn` normalises each channel over the batch"],
  ["lrn", "`bn` normalises each channel over the batch"],
  ["prelu", "`leaky_relu 0.25` is what prelu starts as"],
  ["softmax", "`loss cross_entropy` contains the softmax: end the model with the layer before it"],
  ["drop_path", "`dropout 0.1` drops single values"],
  ["scale", "`bn` contains a learned factor a channel"],
  ["pad", "give the padding to the layer behind it: `conv 6@5x5 pad 2`"],
  ["upsample", "layers of this version keep or reduce the size"],
  ["shuffle", "layers of this version keep the order of channels"],
  ["slice", "layers of this version use all channels"],
]);

/** Kinds of pooling, data and optimizers. */
export const laterKinds: ReadonlyMap<string, string> = new Map([
  ["pool mixed", "take `pool max` or `pool avg`"],
  ["data cifar100", "there are `data cifar10` and `data shapes`"],
  ["data mnist", "there are `data cifar10` and `data shapes`"],
  ["data fashion_mnist", "there are `data cifar10` and `data shapes`"],
  ["data images", "there are `data cifar10` and `data shapes`"],
]);

/** Lines of `train`. */
export const laterRecipe: ReadonlyMap<string, string> = new Map([
  ["augment", "leave it out: pictures are used as they are"],
  ["schedule", "leave it out: the learning rate stays constant"],
  ["ema", "leave it out: the trained weights are used as they are"],
  ["clip", "leave it out, or take a smaller `lr`"],
]);

/** Options of any layer. */
export const laterOptions: ReadonlyMap<string, string> = new Map([["mode", "padding is with zeros"]]);
