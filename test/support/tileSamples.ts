/** Samples of the operators of which fast convolutions are made: maps as tiles, and products of many matrices. */
import fc from "fast-check";
import { pair, seed, shape, upTo } from "./arbitraries.ts";
import { sampleOf, values } from "./operatorSample.ts";

/** Tiles of maps, some over the border, under small whole matrices: sums stay exact. */
const tiled = fc
  .record({
    groups: upTo(2),
    images: upTo(3),
    tiles: pair(upTo(3)),
    channels: upTo(6),
    channelsFirst: fc.boolean(),
    map: pair(upTo(9)),
    rows: upTo(4),
    columns: upTo(4),
    before: pair(upTo(3, -1)),
    step: upTo(4),
    seed,
  })
  .map(({ rows, columns, ...rest }) => ({
    ...rest,
    matrix: Array.from({ length: rows }, (_, i) =>
      Array.from({ length: columns }, (_unused, j) => ((i * 7 + j * 5 + rest.seed) % 5) - 2),
    ),
  }));

export const tileSamples = {
  tileSplit: tiled.map(({ groups, images, tiles, channels, channelsFirst, map, matrix, before, step, seed: from }) =>
    sampleOf("tileSplit", {
      attributes: { matrix, images, tiles, channelsFirst, before, step },
      inputs: { maps: values([groups * images, channels, ...map], from) },
      seed: from,
    }),
  ),
  tileJoin: tiled.map(({ groups, images, tiles, channels, channelsFirst, matrix, seed: from }) => {
    const places = images * tiles[0] * tiles[1];
    const inner = channelsFirst ? [channels, places] : [places, channels];
    return sampleOf("tileJoin", {
      attributes: { matrix, images, tiles, channelsFirst },
      inputs: { tiles: values([groups, (matrix[0]?.length ?? 1) ** 2, ...inner], from) },
      seed: from,
    });
  }),
  tileSum: tiled.map(({ groups, images, tiles, channels, channelsFirst, map, matrix, before, step, seed: from }) => {
    const places = images * tiles[0] * tiles[1];
    const inner = channelsFirst ? [channels, places] : [places, channels];
    return sampleOf("tileSum", {
      attributes: { matrix, images, tiles, channelsFirst, before, step, size: map },
      inputs: { tiles: values([groups, (matrix[0]?.length ?? 1) ** 2, ...inner], from) },
      seed: from,
    });
  }),
  batchMatmul: fc
    .record({
      groups: upTo(3),
      merged: upTo(3),
      shared: fc.constantFrom("left", "right", "none"),
      batch: upTo(4),
      sizes: shape(3, 9),
      transposed: fc.record({ transposeLeft: fc.boolean(), transposeRight: fc.boolean() }),
      seed,
    })
    .map(({ groups, merged, shared, batch: count, sizes: [m = 1, n = 1, k = 1], transposed, seed: from }) =>
      sampleOf("batchMatmul", {
        attributes: { ...transposed, merged },
        inputs: {
          left: values(
            [shared === "left" ? 1 : groups * merged, count, ...(transposed.transposeLeft ? [k, m] : [m, k])],
            from,
          ),
          right: values(
            [shared === "right" ? 1 : groups * merged, count, ...(transposed.transposeRight ? [n, k] : [k, n])],
            from + 2,
          ),
        },
        seed: from,
      }),
    ),
};
