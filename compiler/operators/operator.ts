/**
 * What an operator is: a shape rule, a definition (values as functions of output coordinates) and a gradient rule.
 *
 * `table.ts` has one entry for each name below; TypeScript refuses the table while a column of an entry is missing.
 * Tensors are row-major; feature maps are `[N, C, H, W]`.
 */
import type { Index } from "../nest/integer.ts";
import type { Accessor, ReductionOperator, Value } from "../value.ts";
import type { Formula } from "./formula.ts";

export type Pair = readonly [number, number];

export interface Padding {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

export interface ConvolutionAttributes {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  readonly groups: number;
}

/** A window that slides over the last two axes. `output` is given, as `ceil` and padding decide it in the language. */
export interface WindowAttributes {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly output: Pair;
}

export interface TileAttributes {
  readonly matrix: readonly (readonly number[])[];
  /** Images of a group. */
  readonly images: number;
  /** Tiles of an image, down and across. */
  readonly tiles: Pair;
  /** A channel's tiles lie side by side, `[…, C, P]`; otherwise a tile's channels do, `[…, P, C]`. */
  readonly channelsFirst: boolean;
}

interface PaddedAxis<K> {
  readonly kind: K;
  readonly from: number;
  readonly to: number;
  readonly before: number;
}

interface EnlargedAxis<K> {
  readonly kind: K;
  readonly from: number;
  readonly to: number;
  readonly factor: number;
}

/** How an axis of `from` elements becomes one of `to`. */
export type ResampledAxis =
  /** `before` elements in front, and as many behind as `to` leaves: zeros, the nearest element, or the mirrored map. */
  | PaddedAxis<"zeros">
  | PaddedAxis<"replicate">
  | PaddedAxis<"reflect">
  /** `factor` times as many: repeated, or between two neighbours. */
  | EnlargedAxis<"nearest">
  | EnlargedAxis<"bilinear">
  /** Means of parts that are as equal as they can be. */
  | { readonly kind: "average"; readonly from: number; readonly to: number };

export interface OperatorAttributes {
  /** A state tensor, read. */
  state: { readonly name: string; readonly shape: readonly number[]; readonly type: "f32" | "u32" | "u8" };
  /** `out[…] = formula(inputs…)`, inputs broadcast. `derivatives[i]`, where given, is used in place of the computed one. */
  map: {
    readonly formula: Formula;
    readonly derivatives?: readonly (Formula | undefined)[];
    /** The output's shape, where it is not that of the inputs broadcast (no inputs at all, say). */
    readonly shape?: readonly number[];
  };
  conv: ConvolutionAttributes;
  /** The gradient of `conv` by its input: (gradient, weight). */
  convInput: ConvolutionAttributes & { readonly size: Pair };
  /**
   * The same where the stride divides the input's extent, dilation 1, one group: `[N, C, H/s, s, W/s, s]`, so that each
   * place between two strides meets its own taps and no others.
   */
  convInputPhases: ConvolutionAttributes & { readonly size: Pair };
  /** The gradient of `conv` by its weight: (input, gradient). */
  convWeight: ConvolutionAttributes;
  /** `out[m, n] = Σ_k left[m, k] · right[k, n]`, either side transposed if told so. */
  matmul: { readonly transposeLeft: boolean; readonly transposeRight: boolean };
  /** Over `axes`, which keep extent 1. */
  reduce: { readonly operator: ReductionOperator; readonly axes: readonly number[] };
  /** The first element along `axes`, which keep extent 1. */
  first: { readonly axes: readonly number[] };
  window: WindowAttributes & { readonly operator: "add" | "maximum" };
  /** `ky · kernel width + kx` of the first maximum of each window. */
  windowPlace: WindowAttributes;
  /** The gradient of a window sum by its input. */
  windowSpread: WindowAttributes & { readonly size: Pair };
  /** The gradient of a window maximum by its input: (gradient, places). */
  windowRoute: WindowAttributes & { readonly size: Pair };
  /** The last two axes, each read through its rule; transposed: the gradient of that by its input. */
  resample: { readonly axes: readonly [ResampledAxis, ResampledAxis]; readonly transposed: boolean };
  /** `out` has the input's axes in another order: axis `d` is the input's `axes[d]`. */
  permute: { readonly axes: readonly number[] };
  reshape: { readonly shape: readonly number[] };
  /** Channels from `start` on, `count` of them; zero where the input has none. `start` may be negative. */
  channels: { readonly start: number; readonly count: number };
  /** A range of a flat tensor, as a tensor of its own. */
  part: { readonly offset: number; readonly shape: readonly number[] };
  /** Tensors laid into one flat tensor at `offsets`; what lies between is zero. */
  pack: { readonly offsets: readonly number[]; readonly length: number };
  /** `out[n, …] = tables[rows[start·batch + n], …]`, the last row repeated past the end: (rows, start, tables…). */
  gather: { readonly batch: number };
  /**
   * Overlapping tiles of maps `[N, C, H, W]` under a linear map: (maps). `matrix` is `[t, k]`; out `[N / images, t·t, P, C]`
   * (or `[N / images, t·t, C, P]`) holds `matrix · tile · matrixᵀ` of each k x k tile, P the tiles of a group of images.
   * Tiles start every `step` elements, from `-before` on.
   */
  tileSplit: TileAttributes & { readonly before: Pair; readonly step: number };
  /** Tiles `[N / images, t·t, P, C]` back to maps: `matrix` is `[m, t]`, each tile gives m x m elements, side by side. */
  tileJoin: TileAttributes;
  /**
   * Tiles `[N / images, t·t, P, C]` back to maps `[N, C, ...size]` where they overlap: `matrix` is `[n, t]`, each tile gives
   * n x n elements, those of the next one `step` further on, the first from `-before` on. Elements that meet are summed.
   */
  tileSum: TileAttributes & { readonly before: Pair; readonly step: number; readonly size: Pair };
  /**
   * `out[g, b, m, n] = Σ_k left[g, b, m, k] · right[g, b, k, n]`, either side transposed if told so; g of extent 1 is
   * repeated. Of `merged` groups in a row, the products are summed.
   */
  batchMatmul: { readonly transposeLeft: boolean; readonly transposeRight: boolean; readonly merged: number };
  /** `x̂·scale + shift` with `x̂ = (x - mean)·deviation⁻¹`; its gradient runs through the batch's statistics: (x, mean, inverse deviation, scale, shift). */
  normalizeBatch: { readonly count: number };
}

export type OperatorName = keyof OperatorAttributes;

/** What a gradient rule may use. Nodes are numbers; `add` gives a new node of the graph. */
export interface GradientContext<K extends OperatorName> {
  readonly attributes: OperatorAttributes[K];
  readonly inputs: readonly number[];
  readonly output: number;
  readonly upstream: number;
  /** Whether the gradient by that input is needed at all. */
  readonly needs: (input: number) => boolean;
  readonly shapeOf: (node: number) => readonly number[];
  readonly add: <L extends OperatorName>(
    operator: L,
    attributes: OperatorAttributes[L],
    inputs: readonly number[],
    role: string,
  ) => number;
}

export interface Operator<K extends OperatorName> {
  /** One line in the notation of index expressions. */
  readonly summary: string;
  readonly shape: (attributes: OperatorAttributes[K], inputs: readonly (readonly number[])[]) => readonly number[];
  readonly define: (
    attributes: OperatorAttributes[K],
    inputs: readonly Accessor[],
    shape: readonly number[],
  ) => (coordinates: readonly Index[]) => Value;
  /** Gradients by each input (undefined: none flows), or "none" for an operator that is never differentiated. */
  gradient: "none" | ((context: GradientContext<K>) => readonly (number | undefined)[]);
}
