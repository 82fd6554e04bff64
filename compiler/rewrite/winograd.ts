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
import { fastCorrelation, type Matrix, transpose } from "./winogradMatrices.ts";

/** What a device's time for a convolution goes with, in time for one multiply-add. */
export interface WinogradCosts {
  /** Reading and mapping one element of a tile, and mapping and writing one back. */
  readonly split: number;
  readonly join: number;
  /** Elements of the transformed tiles that a group of images may have: what stays in a core's cache. */
  readonly groupElements: number;
}

type ConvolutionNode = Extract<Node, { operator: "conv" | "convInput" | "convWeight" }>;

/** A convolution as `outputs` channels from `inputs` channels on a grid of `map` elements, where it is fast. */
interface Plan {
  readonly m: number;
  readonly r: number;
  readonly tiles: readonly [number, number];
  /** Images a group. */
  readonly images: number;
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
    best = { plan: { m, r, tiles, images: group }, cost };
  }
  return best?.plan;
}

interface Pieces extends RewriteContext {
  readonly plan: Plan;
}

/** Tiles of maps as matrices `[G, n·n, P, C]`. */
function splitMaps(
  { plan, add }: Pieces,
  maps: number,
  matrix: Matrix,
  before: readonly [number, number],
  role: string,
): number {
  return add("tileSplit", { matrix, images: plan.images, tiles: plan.tiles, before, step: plan.m }, [maps], role);
}

/** Filters `[R, C, r, r]` as matrices `[1, n·n, R, C]`. */
function splitFilters({ plan, add, shapeOf }: Pieces, filters: number, matrix: Matrix, role: string): number {
  const [images] = four(shapeOf(filters));
  return add("tileSplit", { matrix, images, tiles: [1, 1], before: [0, 0], step: plan.r }, [filters], role);
}

/** Groups whose products are summed at once, so that products take no more memory than the tiles that they are made of. */
function mergedGroups(left: readonly number[], right: readonly number[]): number {
  const [groups, , tiles, rows] = four(left);
  const columns = four(right)[3];
  const most = (groups * tiles * (rows + columns)) / (rows * columns);
  const counts = Array.from({ length: groups }, (_, i) => i + 1);
  return counts.find((count) => groups % count === 0 && groups / count <= most) ?? groups;
}

type Pair = readonly [number, number];

/** The matrices of a plan; those of the gradients are their transposes. */
function matricesOf({ m, r }: Plan): Record<"input" | "filter" | "outputs", Matrix> | undefined {
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
  const pieces = { ...context, plan };
  const filters = context.add("permute", { axes: [1, 0, 2, 3] }, [weight], "filters");
  const tiles = splitMaps(pieces, input, matrices.input, [padding.top, padding.left], "tiles");
  const taps = splitFilters(pieces, filters, matrices.filter, "filter tiles");
  const products = context.add("batchMatmul", { transposeLeft: false, merged: 1 }, [tiles, taps], "products");
  return context.add(
    "tileJoin",
    { matrix: matrices.outputs, images: plan.images, tiles: plan.tiles },
    [products],
    "maps",
  );
};

/** The tiles of the gradient, as both gradients need them. */
function gradientTiles(pieces: Pieces, gradient: number, outputs: Matrix): number {
  return splitMaps(pieces, gradient, transpose(outputs), [0, 0], "gradient tiles");
}

/** What each tile of the gradient gives to the tile of the input that it came from; tiles of the input overlap. */
const rewriteConvInput: Rewrite<ConvolutionNode & { operator: "convInput" }> = (
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
  const { images, tiles, m: step } = plan;
  const upstream = gradientTiles(pieces, gradient, matrices.outputs);
  const taps = splitFilters(pieces, weight, matrices.filter, "filter tiles");
  const products = context.add("batchMatmul", { transposeLeft: false, merged: 1 }, [upstream, taps], "products");
  const before: Pair = [padding.top, padding.left];
  return context.add(
    "tileSum",
    { matrix: transpose(matrices.input), images, tiles, before, step, size },
    [products],
    "maps",
  );
};

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
  const merged = mergedGroups(shapeOf(upstream), shapeOf(tiles));
  const products = add("batchMatmul", { transposeLeft: true, merged }, [upstream, tiles], "products");
  const [groups, , images] = four(shapeOf(products));
  const sums = groups > 1 ? add("reduce", { operator: "add", axes: [0] }, [products], "sum") : products;
  return add("tileJoin", { matrix: transpose(matrices.filter), images, tiles: [1, 1] }, [sums], "filters");
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
