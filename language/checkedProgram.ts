/**
 * What the checker hands to the compiler.
 *
 * In: nothing, these are types (and the two functions that print and count a shape). Out: `CheckedProgram`, in which
 * every default is resolved, every shape is known, and every name means something. What holds: `layers` is in
 * topological order, layer `i` has `id === i`, and its `inputs` are smaller ids or `MODEL_INPUT`; each layer's
 * `outputShape` follows from its `inputShapes` and `attributes` by the shape rule of its entry in the layer catalogue.
 */

/** Offsets into the source text, in UTF-16 code units; `end` is exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Height, width. */
export type Pair = readonly [number, number];

/** Feature maps of one image; `flat` marks a vector (after `flatten` or `fc`), which has height and width 1. */
export interface Shape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly flat: boolean;
}

/** Zeros (minus infinity for a maximum) around a map. */
export interface Padding {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** What stands in the padding: zeros, the map mirrored at its edge, or the nearest cell. */
export type PaddingMode = "zeros" | "reflect" | "replicate";

export type ActivationName =
  | "relu"
  | "relu6"
  | "leaky_relu"
  | "elu"
  | "selu"
  | "gelu"
  | "silu"
  | "mish"
  | "hardswish"
  | "hardsigmoid"
  | "sigmoid"
  | "tanh"
  | "softplus";

/** A pooling window. A global pool has the whole map as its kernel and stride. */
export interface PoolAttributes {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  /** PyTorch's `ceil_mode`: windows may hang over the end, but each starts inside the map or its leading padding. */
  readonly ceil: boolean;
}

/** One entry for each kind of layer, all defaults resolved. */
export interface LayerAttributes {
  conv: {
    readonly outChannels: number;
    readonly kernel: Pair;
    readonly stride: Pair;
    readonly padding: Padding;
    readonly mode: PaddingMode;
    readonly dilation: Pair;
    readonly groups: number;
    readonly bias: boolean;
  };
  maxPool: PoolAttributes;
  /**
   * The divisor is PyTorch's with `count_include_pad`: the cells of the window inside the padded map
   * (with `ceil`, cells beyond the padding are not counted).
   */
  averagePool: PoolAttributes;
  /**
   * Output cell j of an axis is the mean of cells `floor(j·from/to)` to `ceil((j+1)·from/to) - 1`; `window` is the most of
   * them, `stride` from / to.
   */
  adaptivePool: { readonly output: Pair; readonly window: Pair; readonly stride: Pair };
  /** `share · maximum + (1 - share) · average`; with `learn` the share is a parameter `weight` `[1]` that starts so. */
  mixedPool: PoolAttributes & { readonly share: number; readonly learn: boolean };
  batchNorm: { readonly epsilon: number; readonly momentum: number; readonly scale: boolean; readonly shift: boolean };
  /** Over the channels at each position; one factor and one shift a channel. */
  layerNorm: { readonly epsilon: number; readonly scale: boolean; readonly shift: boolean };
  /** Over groups of neighbouring channels of one image, all positions together. */
  groupNorm: { readonly groups: number; readonly epsilon: number; readonly scale: boolean; readonly shift: boolean };
  /**
   * `x / (k + alpha / size · Σ x²)^beta` over the channels `c - floor(size / 2)` to `c + floor((size - 1) / 2)`; those
   * that do not exist count as zero.
   */
  localResponseNorm: { readonly size: number; readonly alpha: number; readonly beta: number; readonly k: number };
  /** `parameter`: the slope of leaky_relu, the alpha of elu; 0 where the function has none. */
  activation: { readonly function: ActivationName; readonly parameter: number };
  /** `slope` is where the parameter `weight` starts: `[1]` if it is shared, else `[channels]`. */
  prelu: { readonly slope: number; readonly shared: boolean };
  /** Over the channels at each position. */
  softmax: Readonly<Record<never, never>>;
  /** Flattens what it is given, channels slowest, as PyTorch's `Flatten` does. */
  fc: { readonly outFeatures: number; readonly bias: boolean };
  flatten: Readonly<Record<never, never>>;
  /** `probability` that a value is dropped, 0 <= probability < 1. */
  dropout: { readonly probability: number };
  /** `probability` that an image is dropped, 0 <= probability < 1. */
  dropPath: { readonly probability: number };
  /** Times `factor`; with `learn`, times a parameter `weight` `[channels]` that starts as it. */
  scale: { readonly factor: number; readonly learn: boolean };
  pad: { readonly padding: Padding; readonly mode: PaddingMode };
  /** `bilinear` is PyTorch's with align_corners=False. */
  upsample: { readonly factor: Pair; readonly mode: "nearest" | "bilinear" };
  /** Channel `c·groups + g` of the output is channel `g·(channels/groups) + c` of the input. */
  shuffle: { readonly groups: number };
  /** `count` channels from `first` on. */
  slice: { readonly first: number; readonly count: number };
  /**
   * The merges have one input or more. `add` and `mul` broadcast: each of an input's channels, height and width is the
   * output's, or 1 (a vector is `C@1x1`).
   */
  add: Readonly<Record<never, never>>;
  mul: Readonly<Record<never, never>>;
  /** Channels of all inputs, one input after the other. */
  concat: Readonly<Record<never, never>>;
}

export type LayerKind = keyof LayerAttributes;

/** How a parameter starts. */
export type Initial =
  /** Uniform over [-bound, bound]. */
  | { readonly kind: "uniform"; readonly bound: number }
  /** Normal with mean 0. */
  | { readonly kind: "normal"; readonly deviation: number }
  /** One value everywhere. */
  | { readonly kind: "constant"; readonly value: number }
  /**
   * Numbers as written: with `index` along the parameter's first axis and `place` in what that index selects (row-major),
   * the value is `rows[index % rows.length][place % row.length]`.
   */
  | { readonly kind: "values"; readonly rows: readonly (readonly number[])[] };

export interface CheckedParameter {
  readonly name: "weight" | "bias" | "running_mean" | "running_var";
  /** The name in files: `conv1.weight`. */
  readonly path: string;
  /** PyTorch's layout: conv `[out, in / groups, height, width]`, fc `[out, in]`, else `[channels]`. */
  readonly shape: readonly number[];
  /** False for running statistics, and for what `freeze` keeps as it starts. */
  readonly trainable: boolean;
  /** The layer's `lr`: the learning rate is multiplied by it. */
  readonly learningRate: number;
  /** False for running statistics, which no table counts as parameters. */
  readonly counted: boolean;
  readonly initial: Initial;
}

/** How much of the input one value sees: `size` in input pixels; neighbouring values are `jump` input pixels apart. */
export interface ReceptiveField {
  readonly size: Pair;
  readonly jump: Pair;
}

/** The id that stands for the model's input in `CheckedLayer.inputs`. */
export const MODEL_INPUT = -1;

/** What a layer stands in: a use of a block, a branch, or one round of a `repeat`. */
export interface Enclosure {
  readonly kind: "block" | "branch" | "round";
  /**
   * Of a block's use its dotted name (`stage1.basic2`), of a branch that of the layer that merges it (`add1`), of a round
   * that of its `repeat`. Unique among those of one kind, but for branches and rounds, which share one.
   */
  readonly name: string;
  /** `basic 32 stride 2`, `branch`, `repeat 3` */
  readonly text: string;
  /** Which branch or round, from 0; 0 for a block. */
  readonly index: number;
  readonly file: string;
  readonly span: Span;
  readonly line: number;
  readonly parent: Enclosure | undefined;
}

interface LayerOfKind<K extends LayerKind> {
  readonly id: number;
  readonly kind: K;
  /**
   * The word and its number in the model: `conv1`, `bn1`, `relu1`, `pool2`, `fc3`; in a block, that of its use in front:
   * `basic2.conv1`. Unique in the model.
   */
  readonly name: string;
  readonly attributes: LayerAttributes[K];
  /** Ids of earlier layers, or `MODEL_INPUT`. */
  readonly inputs: readonly number[];
  readonly inputShapes: readonly Shape[];
  readonly outputShape: Shape;
  readonly parameters: readonly CheckedParameter[];
  /** For one image; convolutions and fully connected layers only, as the literature counts. */
  readonly multiplyAdds: number;
  readonly receptiveField: ReceptiveField;
  /** The innermost block, branch or round of a `repeat`; undefined for a layer of the model's own body. */
  readonly within: Enclosure | undefined;
  /** The file that the words are in. */
  readonly file: string;
  readonly span: Span;
  /** From 1. */
  readonly line: number;
  /** The layer in canonical words: `conv 6@5x5`. */
  readonly text: string;
}

export type CheckedLayer = { [K in LayerKind]: LayerOfKind<K> }[LayerKind];

export interface ModelTotals {
  /** Number of elements that count as parameters (without running statistics). */
  readonly parameters: number;
  readonly trainable: number;
  /** For one image. */
  readonly multiplyAdds: number;
  /**
   * Bytes that training keeps for one image: the float32 output of every layer and its gradient. Activations, flatten
   * and dropout are not counted: they are computed inside their neighbours.
   */
  readonly activationBytes: number;
  readonly parameterBytes: number;
}

export interface CheckedModel {
  readonly name: string;
  readonly span: Span;
  readonly input: Shape;
  /** In topological order. */
  readonly layers: readonly CheckedLayer[];
  /** The id of the layer whose output is the model's, or `MODEL_INPUT`. */
  readonly output: number;
  readonly totals: ModelTotals;
}

export type DataName = "cifar10" | "shapes";

export interface DataDescription {
  readonly name: DataName;
  readonly classes: number;
  readonly image: Shape;
}

export type OptimizerRecipe =
  | {
      readonly kind: "sgd";
      readonly learningRate: number;
      readonly momentum: number;
      readonly nesterov: boolean;
      /** L2: added to the gradient as `decay * weight`. */
      readonly decay: number;
    }
  | {
      readonly kind: "adam";
      readonly learningRate: number;
      readonly beta1: number;
      readonly beta2: number;
      readonly epsilon: number;
      /** L2 as in torch.optim.Adam: added to the gradient before the moments (not AdamW). */
      readonly decay: number;
    };

export interface TrainingRecipe {
  readonly span: Span;
  readonly data: DataDescription;
  /** One value a channel: `(pixel / 255 - mean) / std`. */
  readonly normalize: { readonly mean: readonly number[]; readonly std: readonly number[] };
  readonly batch: number;
  readonly epochs: number;
  readonly loss: { readonly kind: "crossEntropy"; readonly smoothing: number };
  readonly optimizer: OptimizerRecipe;
  /** 0 <= seed < 2 ** 32. */
  readonly seed: number;
}

export interface CheckedProgram {
  readonly file: string;
  readonly source: string;
  readonly models: readonly CheckedModel[];
  readonly recipe: TrainingRecipe | undefined;
}

/** `6@28x28`, or `120` for a vector. */
export function shapeText(shape: Shape): string {
  return shape.flat ? `${shape.channels}` : `${shape.channels}@${shape.height}x${shape.width}`;
}

/** Elements of one image. */
export function shapeElements(shape: Shape): number {
  return shape.channels * shape.height * shape.width;
}
