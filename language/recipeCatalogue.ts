/**
 * The lines of `train { … }`: one entry a line.
 *
 * In: nothing, it is a table. Out: entries that the checker and the reference page read. What holds: an entry's `part`
 * gives a piece of the recipe; pieces of different first words do not overlap, so that a recipe is their union.
 * Defaults are PyTorch's where PyTorch has one (torch.optim.SGD, torch.optim.Adam, torch.nn.CrossEntropyLoss).
 */
import type { DataDescription, DataName, TrainingRecipe } from "./checkedProgram.ts";
import { integer, onOff, real, reals } from "./parameterTypes.ts";
import { optional, required, type Bound, type BoundCall, type Parameters, type Signature } from "./signature.ts";
import type { Site } from "./site.ts";

/** A recipe whose `normalize` has not been widened to the data's channels. */
export type RecipeParts = Omit<TrainingRecipe, "span" | "data"> & { readonly data: DataDescription | undefined };

export interface RecipeEntry extends Signature {
  readonly doc: string;
  readonly example: string;
  readonly part: (call: BoundCall, site: Pick<Site, "report" | "place">) => Partial<RecipeParts> | undefined;
}

interface RecipeDefinition<A extends Parameters, O extends Parameters> extends Omit<RecipeEntry, "part"> {
  readonly arguments: A;
  readonly options: O;
  readonly part: (
    values: Bound<A> & Bound<O>,
    site: Pick<Site, "report" | "place">,
  ) => Partial<RecipeParts> | undefined;
}

function defineLine<A extends Parameters, O extends Parameters>(definition: RecipeDefinition<A, O>): RecipeEntry {
  // The signature has read each value with the type of its parameter: this is where that is said to the compiler.
  return { ...definition, part: (call, site) => definition.part(call.values as Bound<A> & Bound<O>, site) };
}

/** What is used where a recipe is silent. Ours: batch, epochs, seed, and Adam as the optimizer; the rest PyTorch's. */
export const defaultRecipe: RecipeParts = {
  data: undefined,
  normalize: { mean: [0], std: [1] },
  batch: 64,
  epochs: 10,
  loss: { kind: "crossEntropy", smoothing: 0 },
  optimizer: { kind: "adam", learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0 },
  seed: 0,
};

function data(name: DataName, doc: string): RecipeEntry {
  const image = { channels: 3, height: 32, width: 32, flat: false };
  return defineLine({
    words: `data ${name}`,
    doc,
    example: `data ${name}`,
    arguments: {},
    options: {},
    part: () => ({ data: { name, classes: 10, image } }),
  });
}

const NOT_NEGATIVE = { minimum: 0, maximum: Number.POSITIVE_INFINITY };
const SHARE_BELOW_ONE = { minimum: 0, maximum: 1, below: true };
const LEARNING_RATE = { lr: optional(real(NOT_NEGATIVE), 0.001, "the learning rate") };
const DECAY = { decay: optional(real(NOT_NEGATIVE), 0, "L2: added to the gradient as decay * weight") };

const normalize = defineLine({
  words: "normalize",
  doc: "Pixels from 0 to 1 become (pixel - mean) / std; one number for all channels, or one for each.",
  example: "normalize mean 0.4914, 0.4822, 0.4465 std 0.2470, 0.2435, 0.2616",
  arguments: {},
  options: {
    mean: optional(
      reals({ minimum: Number.NEGATIVE_INFINITY, maximum: Number.POSITIVE_INFINITY }),
      [0],
      "taken off each channel",
    ),
    std: optional(reals({ minimum: 0, maximum: Number.POSITIVE_INFINITY, above: true }), [1], "divides each channel"),
  },
  part: ({ mean, std }) => ({ normalize: { mean, std } }),
});

const sgd = defineLine({
  words: "optimizer sgd",
  doc: "Stochastic gradient descent, as torch.optim.SGD.",
  example: "optimizer sgd lr 0.1 momentum 0.9 nesterov on decay 5e-4",
  arguments: {},
  options: {
    ...LEARNING_RATE,
    momentum: optional(real(NOT_NEGATIVE), 0, "the share of the last step that is kept"),
    nesterov: optional(onOff, false, "looks ahead by the momentum; needs one"),
    ...DECAY,
  },
  part: ({ lr, momentum, nesterov, decay }, site) => {
    if (nesterov && momentum === 0) {
      return site.report({
        code: "CNN306",
        message: "`nesterov` needs a momentum",
        span: site.place("nesterov"),
        label: "the momentum is 0",
        help: "add `momentum 0.9`",
      });
    }
    return { optimizer: { kind: "sgd", learningRate: lr, momentum, nesterov, decay } };
  },
});

const adam = defineLine({
  words: "optimizer adam",
  doc: "Adam, as torch.optim.Adam.",
  example: "optimizer adam lr 0.01",
  arguments: {},
  options: {
    ...LEARNING_RATE,
    beta1: optional(real(SHARE_BELOW_ONE), 0.9, "the share of the mean gradient that is kept"),
    beta2: optional(real(SHARE_BELOW_ONE), 0.999, "the share of the mean square that is kept"),
    eps: optional(real(NOT_NEGATIVE), 1e-8, "added to the root of the mean square, after the bias correction"),
    ...DECAY,
  },
  part: ({ lr, beta1, beta2, eps, decay }) => ({
    optimizer: { kind: "adam", learningRate: lr, beta1, beta2, epsilon: eps, decay },
  }),
});

/** Every line of a recipe, in the order of the reference page. */
export const recipeCatalogue: readonly RecipeEntry[] = [
  data("cifar10", "60,000 pictures in ten classes, 3@32x32: 50,000 to train on, 10,000 to test."),
  data("shapes", "Built in: generated pictures in ten classes, 3@32x32; needs no download."),
  normalize,
  defineLine({
    words: "batch",
    doc: "Pictures a step.",
    example: "batch 64",
    arguments: { size: required(integer(1, 65_536), "pictures a step") },
    options: {},
    part: ({ size }) => ({ batch: size }),
  }),
  defineLine({
    words: "epochs",
    doc: "How often the training pictures are gone through.",
    example: "epochs 10",
    arguments: { number: required(integer(1, 1_000_000), "passes over the training pictures") },
    options: {},
    part: ({ number }) => ({ epochs: number }),
  }),
  defineLine({
    words: "loss cross_entropy",
    doc: "Cross-entropy of the softmax of the last layer's outputs, as torch.nn.CrossEntropyLoss.",
    example: "loss cross_entropy smoothing 0.1",
    arguments: {},
    options: { smoothing: optional(real({ minimum: 0, maximum: 1 }), 0, "the share spread evenly over all classes") },
    part: ({ smoothing }) => ({ loss: { kind: "crossEntropy", smoothing } }),
  }),
  sgd,
  adam,
  defineLine({
    words: "seed",
    doc: "Fixes the first weights, the order of the pictures and all other draws.",
    example: "seed 1",
    arguments: { number: required(integer(0, 2 ** 32 - 1), "the seed") },
    options: {},
    part: ({ number }) => ({ seed: number }),
  }),
];
