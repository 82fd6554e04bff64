/**
 * Words that the language's description has and this version does not: a program that uses one is not misspelt.
 *
 * In: nothing, it is a table. Out: what to write meanwhile. What holds: a word here is in no catalogue.
 */

/** Kinds of data. */
export const laterKinds: ReadonlyMap<string, string> = new Map([
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
