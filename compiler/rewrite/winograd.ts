/**
 * Winograd's convolutions: fewer products for the price of linear maps before and after.
 *
 * In: a convolution or one of its gradients, stride 1. Out: tiles of the operands under a linear map, one matrix product
 * for each place of a tile, the products' tiles mapped back; or nothing where that would not be faster. Source: Lavin and
 * Gray 2015. With `y = A((G w) ∘ (B x))` for each tile, the gradients are what transposing gives: `Gᵀ((Aᵀ ȳ) ∘ (B x))` by the
 * filter and `Bᵀ((Aᵀ ȳ) ∘ (G w))` by the input, so that one set of tiles of `ȳ` serves both.
 */
import type { Node } from "../graph/graph.ts";
import { four } from "../operators/convolution.ts";
import type { ConvolutionAttributes } from "../operators/operator.ts";
import type { RewriteContext, RewriteRule } from "./rewriteGraph.ts";
import { type FastCorrelation, fastCorrelation, type Matrix, reverseColumns, transpose } from "./winogradMatrices.ts";

/** What a device's time for a convolution goes with, in time for one multiply-add. */
export interface WinogradCosts {
  /** Reading and mapping one element of a tile, and mapping and writing one back. */
  readonly split: number;
  readonly join: number;
  /** Elements of the transformed tiles that a group of images may have: what stays in a core's cache. */
  readonly groupElements: number;
  /** Tiles by channel: where lanes and vectors of loads run along tiles rather than along channels. */
  readonly channelsFirst: boolean;
  /**
   * How the gradient by the input is computed: as the transpose of the forward pass, whose tiles overlap, or as a correlation
   * with filters turned by half a turn. The first takes fewer operations and more loads.
   */
  readonly inputGradient: "transpose" | "correlation";
}

type Pair = readonly [number, number];

type ConvolutionNode = Extract<Node, { operator: "conv" | "convInput" | "convWeight" }>;

/** A convolution as `outputs` channels from `inputs` channels on a grid of `map` elements, where it is fast. */
interface Plan {
  readonly m: number;
  readonly r: number;
  readonly tiles: readonly [number, number];
  /** Images a group. */
  readonly images: number;
  readonly channelsFirst: boolean;
}

const tileOutputs = [4, 2] as const;
/** Larger tiles lose digits, and do not fit registers. */
const largestTile = 6;
const mostImages = 64;
const lanes = 4;

function isPlain({ kernel, stride, dilation, groups }: ConvolutionAttributes): boolean {
  const isOne = (pair: readonly [number, number]): boolean => pair[0] === 1 && pair[1] === 1;
  return kernel[0] === kernel[1] && kernel[0] > 1 && isOne(stride) && isOne(dilation) && groups === 1;
}

function planOf(
  grid: readonly [number, number],
  counts: { readonly images: number; readonly from: number; readonly to: number },
  r: number,
  costs: WinogradCosts,
): Plan | undefined {
  const { images, from, to } = counts;
  const direct = r * r * from * to;
  const whole = (channels: number): number => Math.ceil(channels / lanes) * lanes;
  let best: { readonly plan: Plan; readonly cost: number } | undefined;
  for (const m of tileOutputs) {
    if (m + r - 1 > largestTile || grid.some((extent) => extent % m !== 0)) continue;
    const elements = (m + r - 1) ** 2;
    const cost = (elements * (from * to + costs.split * whole(from) + costs.join * whole(to))) / (m * m);
    if (cost >= direct || (best && cost >= best.cost)) continue;
    const tiles = [grid[0] / m, grid[1] / m] as const;
    const perImage = tiles[0] * tiles[1] * elements * (from + to);
    const most = Math.min(mostImages, Math.max(1, Math.floor(costs.groupElements / perImage)));
    const group = Array.from({ length: most }, (_, i) => most - i).find((count) => images % count === 0) ?? 1;
    best = { plan: { m, r, tiles, images: group, channelsFirst: costs.channelsFirst }, cost };
  }
  return best?.plan;
}

interface Pieces extends RewriteContext {
  readonly plan: Plan;
}

const layoutOf = ({ images, tiles, channelsFirst }: Plan) => ({ images, tiles, channelsFirst });

/** Tiles of maps as matrices `[G, n·n, P, C]`, or `[G, n·n, C, P]`. */
function splitMaps({ plan, add }: Pieces, maps: number, matrix: Matrix, before: Pair, role: string): number {
  return add("tileSplit", { ...layoutOf(plan), matrix, before, step: plan.m }, [maps], role);
}

/** Filters `[R, C, r, r]` as matrices `[1, n·n, R, C]`. */
function splitFilters({ plan, add, shapeOf }: Pieces, filters: number, matrix: Matrix, role: string): number {
  const [images] = four(shapeOf(filters));
  const attributes = { matrix, images, tiles: [1, 1], channelsFirst: false, before: [0, 0], step: plan.r } as const;
  return add("tileSplit", attributes, [filters], role);
}

/** One product of matrices for each place of a tile, from tiles to tiles. */
function multiplyTiles({ plan, add }: Pieces, tiles: number, filters: number): number {
  const { channelsFirst } = plan;
  const attributes = { transposeLeft: channelsFirst, transposeRight: false, merged: 1 };
  return add("batchMatmul", attributes, channelsFirst ? [filters, tiles] : [tiles, filters], "products");
}

/** A convolution: `filters` are `[I, O, r, r]`. */
function correlate(pieces: Pieces, maps: number, filters: number, matrices: FastCorrelation, before: Pair): number {
  const tiles = splitMaps(pieces, maps, matrices.input, before, "tiles");
  const taps = splitFilters(pieces, filters, matrices.filter, "filter tiles");
  const products = multiplyTiles(pieces, tiles, taps);
  return pieces.add("tileJoin", { ...layoutOf(pieces.plan), matrix: matrices.outputs }, [products], "maps");
}

/** Sums that threads share evenly, of groups that stay in a cache; more of them are only more to write and to add up. */
const wantedSums = 32;

/** Groups whose products are summed at once, so that products take no more memory than the tiles that they are made of. */
function mergedGroups({ channelsFirst }: Plan, left: readonly number[], right: readonly number[]): number {
  const [groups, , ...inner] = four(left);
  const [tiles, rows] = channelsFirst ? ([inner[1], inner[0]] as const) : inner;
  const columns = four(right)[channelsFirst ? 2 : 3];
  const most = Math.min(wantedSums, (groups * tiles * (rows + columns)) / (rows * columns));
  const counts = Array.from({ length: groups }, (_, i) => i + 1);
  return counts.find((count) => groups % count === 0 && groups / count <= most) ?? groups;
}

/** The matrices of a plan; those of the gradients are their transposes. */
function matricesOf({ m, r }: Plan): FastCorrelation | undefined {
  return fastCorrelation(m, r);
}

type Rewrite<N extends ConvolutionNode> = (
  node: N,
  context: RewriteContext,
  costs: WinogradCosts,
) => number | undefined;

/** Of maps `[N, I, H, W]` and outputs (or their gradient) `[N, O, P, Q]`. */
function planFor(inputs: number, outputs: readonly number[], r: number, costs: WinogradCosts): Plan | undefined {
  const [images, to, ...grid] = four(outputs);
  return planOf(grid, { images, from: inputs, to }, r, costs);
}

const rewriteConv: Rewrite<ConvolutionNode & { operator: "conv" }> = ({ attributes, shape }, context, costs) => {
  const { kernel, padding } = attributes;
  const [input = -1, weight = -1] = context.inputs;
  const plan = planFor(four(context.shapeOf(input))[1], shape, kernel[0], costs);
  const matrices = plan && matricesOf(plan);
  if (!matrices) return undefined;
  const filters = context.add("permute", { axes: [1, 0, 2, 3] }, [weight], "filters");
  return correlate({ ...context, plan }, input, filters, matrices, [padding.top, padding.left]);
};

/** The tiles of the gradient, as both gradients need them. */
function gradientTiles(pieces: Pieces, gradient: number, outputs: Matrix): number {
  return splitMaps(pieces, gradient, transpose(outputs), [0, 0], "gradient tiles");
}

/** The filter turned by half a turn meets the gradient, padded to give the input's extent. */
const inputGradientAsConvolution: Rewrite<ConvolutionNode & { operator: "convInput" }> = (
  { attributes, shape },
  context,
  costs,
) => {
  const { kernel, padding } = attributes;
  const [gradient = -1, weight = -1] = context.inputs;
  const plan = planFor(four(context.shapeOf(gradient))[1], shape, kernel[0], costs);
  const matrices = plan && matricesOf(plan);
  if (!matrices) return undefined;
  const turned = { ...matrices, filter: reverseColumns(matrices.filter) };
  const before: Pair = [kernel[0] - 1 - padding.top, kernel[1] - 1 - padding.left];
  return correlate({ ...context, plan }, gradient, weight, turned, before);
};

/** What each tile of the gradient gives to the tile of the input that it came from; tiles of the input overlap. */
const inputGradientAsTranspose: Rewrite<ConvolutionNode & { operator: "convInput" }> = (
  { attributes, shape },
  context,
  costs,
) => {
  const { kernel, padding, size } = attributes;
  const [gradient = -1, weight = -1] = context.inputs;
  const plan = planFor(four(shape)[1], context.shapeOf(gradient), kernel[0], costs);
  const matrices = plan && matricesOf(plan);
  if (!matrices || size.some((extent) => extent % plan.m !== 0)) return undefined;
  const pieces = { ...context, plan };
  const upstream = gradientTiles(pieces, gradient, matrices.outputs);
  const taps = splitFilters(pieces, weight, matrices.filter, "filter tiles");
  const products = multiplyTiles(pieces, upstream, taps);
  const before: Pair = [padding.top, padding.left];
  const sum = { ...layoutOf(plan), matrix: transpose(matrices.input), before, step: plan.m, size };
  return context.add("tileSum", sum, [products], "maps");
};

const rewriteConvInput: Rewrite<ConvolutionNode & { operator: "convInput" }> = (node, context, costs) =>
  (costs.inputGradient === "transpose" ? inputGradientAsTranspose : inputGradientAsConvolution)(node, context, costs);

/** Sum over groups of the products of tiles of the gradient and of the input, mapped back to `[O, I, r, r]`. */
const rewriteConvWeight: Rewrite<ConvolutionNode & { operator: "convWeight" }> = ({ attributes }, context, costs) => {
  const { kernel, padding } = attributes;
  const [input = -1, gradient = -1] = context.inputs;
  const { add, shapeOf } = context;
  const plan = planFor(four(shapeOf(input))[1], shapeOf(gradient), kernel[0], costs);
  const matrices = plan && matricesOf(plan);
  if (!matrices) return undefined;
  const pieces = { ...context, plan };
  const tiles = splitMaps(pieces, input, matrices.input, [padding.top, padding.left], "tiles");
  const upstream = gradientTiles(pieces, gradient, matrices.outputs);
  const merged = mergedGroups(plan, shapeOf(upstream), shapeOf(tiles));
  const transposed = { transposeLeft: !plan.channelsFirst, transposeRight: plan.channelsFirst, merged };
  const products = add("batchMatmul", transposed, [upstream, tiles], "products");
  const [groups, , images] = four(shapeOf(products));
  const sums = groups > 1 ? add("reduce", { operator: "add", axes: [0] }, [products], "sum") : products;
  const layout = { images, tiles: [1, 1], channelsFirst: false } as const;
  return add("tileJoin", { ...layout, matrix: transpose(matrices.filter) }, [sums], "filters");
};

/** Replaces convolutions for which the costs say that it pays. */
export function winogradRule(costs: WinogradCosts): RewriteRule {
  return (node, context) => {
    switch (node.operator) {
      case "conv":
        return isPlain(node.attributes) ? rewriteConv(node, context, costs) : undefined;
      case "convInput":
        return isPlain(node.attributes) ? rewriteConvInput(node, context, costs) : undefined;
      case "convWeight":
        return isPlain(node.attributes) ? rewriteConvWeight(node, context, costs) : undefined;
      default:
        return undefined;
    }
  };
}
