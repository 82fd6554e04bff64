/**
 * Winograd's convolutions: fewer products for the price of linear maps before and after.
 *
 * In: a convolution or one of its gradients, stride 1. Out: tiles of the operands under a linear map, one matrix product
 * for each place of a tile, the products' tiles mapped back; or nothing where that would not be faster. Source: Lavin and
 * Gray 2015; the gradient by the filter is F(r, m), whose tiles of the input are those of F(m, r).
 */
import type { Node } from "../graph/graph.ts";
import { four } from "../operators/convolution.ts";
import type { ConvolutionAttributes } from "../operators/operator.ts";
import type { RewriteContext, RewriteRule } from "./rewriteGraph.ts";
import { fastCorrelation, type Matrix, reverseColumns } from "./winogradMatrices.ts";

/** What a device's time for a convolution goes with, in time for one multiply-add. */
export interface WinogradCosts {
  /** Reading and mapping one element of a tile, and mapping and writing one back. */
  readonly split: number;
  readonly join: number;
  /** Elements of the transformed tiles that a group of images may have: what stays in a core's cache. */
  readonly groupElements: number;
  /** Tiles by channel: where lanes and vectors of loads run along tiles rather than along channels. */
  readonly channelsFirst: boolean;
}

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

/** Tiles of maps as matrices `[G, n·n, P, C]`, or `[G, n·n, C, P]`. */
function splitMaps(
  { plan, add }: Pieces,
  maps: number,
  matrix: Matrix,
  before: readonly [number, number],
  role: string,
): number {
  const { images, tiles, channelsFirst, m } = plan;
  return add("tileSplit", { matrix, images, tiles, channelsFirst, before, step: m }, [maps], role);
}

/** Filters `[R, C, r, r]` as matrices `[1, n·n, R, C]`. */
function splitFilters({ plan, add, shapeOf }: Pieces, filters: number, matrix: Matrix, role: string): number {
  const [images] = four(shapeOf(filters));
  const attributes = { matrix, images, tiles: [1, 1], channelsFirst: false, before: [0, 0], step: plan.r } as const;
  return add("tileSplit", attributes, [filters], role);
}

function correlate(
  pieces: Pieces,
  maps: number,
  filters: number,
  matrices: { readonly input: Matrix; readonly filter: Matrix; readonly outputs: Matrix },
  before: readonly [number, number],
): number {
  const split = splitMaps(pieces, maps, matrices.input, before, "tiles");
  const taps = splitFilters(pieces, filters, matrices.filter, "filter tiles");
  const { images, tiles, channelsFirst } = pieces.plan;
  const transposed = { transposeLeft: channelsFirst, transposeRight: false };
  const factors = channelsFirst ? [taps, split] : [split, taps];
  const products = pieces.add("batchMatmul", transposed, factors, "products");
  return pieces.add("tileJoin", { matrix: matrices.outputs, images, tiles, channelsFirst }, [products], "maps");
}

/** Sum over groups of the products of tiles of the gradient and of the input, mapped back to `[O, I, r, r]`. */
function filterGradient(pieces: Pieces, input: number, gradient: number, padding: readonly [number, number]): number {
  const { plan, add, shapeOf } = pieces;
  const matrices = fastCorrelation(plan.r, plan.m);
  if (!matrices) return -1;
  const tiles = splitMaps(pieces, input, matrices.input, padding, "tiles");
  const upstream = splitMaps(pieces, gradient, matrices.filter, [0, 0], "gradient tiles");
  const transposed = { transposeLeft: !plan.channelsFirst, transposeRight: plan.channelsFirst };
  const products = add("batchMatmul", transposed, [upstream, tiles], "products");
  const [groups, , images] = four(shapeOf(products));
  const sums = groups > 1 ? add("reduce", { operator: "add", axes: [0] }, [products], "sum") : products;
  const attributes = { matrix: matrices.outputs, images, tiles: [1, 1], channelsFirst: false } as const;
  return add("tileJoin", attributes, [sums], "filters");
}

type Rewrite<N extends ConvolutionNode> = (
  node: N,
  context: RewriteContext,
  costs: WinogradCosts,
) => number | undefined;

const rewriteConv: Rewrite<ConvolutionNode & { operator: "conv" }> = ({ attributes, shape }, context, costs) => {
  const { kernel, padding } = attributes;
  const [input = -1, weight = -1] = context.inputs;
  const [images, to, ...grid] = four(shape);
  const plan = planOf(grid, { images, from: four(context.shapeOf(input))[1], to }, kernel[0], costs);
  const matrices = plan && fastCorrelation(plan.m, plan.r);
  if (!matrices) return undefined;
  const filters = context.add("permute", { axes: [1, 0, 2, 3] }, [weight], "filters");
  return correlate({ ...context, plan }, input, filters, matrices, [padding.top, padding.left]);
};

/** The filter turned by half a turn meets the gradient, padded to give the input's extent. */
const rewriteConvInput: Rewrite<ConvolutionNode & { operator: "convInput" }> = (
  { attributes, shape },
  context,
  costs,
) => {
  const { kernel, padding } = attributes;
  const [gradient = -1, weight = -1] = context.inputs;
  const [images, to, ...grid] = four(shape);
  const plan = planOf(grid, { images, from: four(context.shapeOf(gradient))[1], to }, kernel[0], costs);
  const matrices = plan && fastCorrelation(plan.m, plan.r);
  if (!matrices) return undefined;
  const turned = { ...matrices, filter: reverseColumns(matrices.filter) };
  const before = [kernel[0] - 1 - padding.top, kernel[1] - 1 - padding.left] as const;
  return correlate({ ...context, plan }, gradient, weight, turned, before);
};

const rewriteConvWeight: Rewrite<ConvolutionNode & { operator: "convWeight" }> = ({ attributes }, context, costs) => {
  const { kernel, padding } = attributes;
  const [input = -1, gradient = -1] = context.inputs;
  const [images, to, ...grid] = four(context.shapeOf(gradient));
  const plan = planOf(grid, { images, from: four(context.shapeOf(input))[1], to }, kernel[0], costs);
  if (!plan || !fastCorrelation(plan.r, plan.m)) return undefined;
  return filterGradient({ ...context, plan }, input, gradient, [padding.top, padding.left]);
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
