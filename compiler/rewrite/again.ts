/**
 * What the forward pass computed, and a gradient reads, is computed again instead of kept.
 *
 * In: a product of which one side is tiles that another product read before the other side was there: the gradient by the
 * filters, which meets the tiles of the input. Out: the same product of tiles that are made again, from maps that are kept
 * for less memory; a relu's maps are made again too where only tiles read them. What holds: equal values. Why: tiles are twice
 * as large as their maps and more, and where memory is slower than a cache it takes longer to write and to read them than to
 * make them twice.
 */
import { type Node, nodeAt, size } from "../graph/graph.ts";
import { givenToRelu, isKept } from "./masks.ts";
import type { RewriteContext, RewriteRule } from "./rewriteGraph.ts";

/** `mostKept`: elements of tiles that are kept, as they stay in a cache for a while. */
export function againRule(mostKept: number): RewriteRule {
  return (node, context) => {
    if (node.operator !== "batchMatmul") return undefined;
    const isLarge = (tiles: number): boolean => size(nodeAt(context.graph, tiles).shape) > mostKept;
    const again = node.inputs.map((input) => isLarge(input) && waitsFor(node, input, context));
    if (!again.includes(true)) return undefined;
    const inputs = node.inputs.map((input, side) =>
      again[side] ? tilesAgain(input, node, context) : context.placeOf(input),
    );
    return context.add("batchMatmul", node.attributes, inputs);
  };
}

/** Whether tiles would be kept for a product: whatever read them before it did so before the product's other side was there. */
function waitsFor(product: Node, tiles: number, { graph, readersOf }: RewriteContext): boolean {
  if (nodeAt(graph, tiles).operator !== "tileSplit") return false;
  const earlier = readersOf(tiles).filter((reader) => reader < product.id);
  const ready = Math.max(...product.inputs.filter((input) => input !== tiles));
  return earlier.length > 0 && earlier.every((reader) => reader < ready);
}

function tilesAgain(tiles: number, product: Node, context: RewriteContext): number {
  const node = nodeAt(context.graph, tiles);
  return context.addAgain(
    node,
    node.inputs.map((maps) => mapsAgain(maps, product, context)),
  );
}

/** Maps of a relu that only tiles read need not be kept either, where what it was given is. */
function mapsAgain(maps: number, product: Node, context: RewriteContext): number {
  const { graph, readersOf, placeOf, addAgain } = context;
  const node = nodeAt(graph, maps);
  const given = givenToRelu(node);
  const isForTiles = readersOf(maps).every((reader) => nodeAt(graph, reader).operator === "tileSplit");
  if (given === undefined || !isForTiles || !isKept(given, product.id, context)) return placeOf(maps);
  return addAgain(node, node.inputs.map(placeOf));
}
