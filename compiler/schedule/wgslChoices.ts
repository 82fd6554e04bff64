/** The ways of spreading a kernel's axes that are worth a price: tiles in registers, the grid, unrolled reductions. */
import { size } from "../graph/graph.ts";
import { type Analysis, type Axis, enumeratedAxes, placesOf, windowStep } from "./analysis.ts";
import type { Costs } from "./wgslAdapters.ts";
import type { Choice, Grid, Tiling } from "./wgslCosts.ts";
import { divisorsOf } from "./wasm.ts";

type Steps = ReadonlyMap<string, number>;

/** Unrolled turns of more reduction steps are long for little. */
const longestTurn = 16;

/** Axes of which a tile may hold a part; more than that hardly ever pay. */
const mostCutAxes = 2;

/** Part of the innermost reduction axis that has an extent; or all of it and of the one around it. */
function unrolls(axes: readonly Axis[]): Steps[] {
  const [last, before] = axes.filter(({ isDomain, extent }) => !isDomain && extent > 1).toReversed();
  if (!last) return [new Map()];
  const parts = divisorsOf(last.extent)
    .filter((step) => step <= 8 || (step === last.extent && step <= longestTurn))
    .map((step): Steps => new Map([[last.name, step]]));
  if (!before || last.extent * before.extent > longestTurn) return parts;
  return [
    ...parts,
    new Map([
      [before.name, before.extent],
      [last.name, last.extent],
    ]),
  ];
}

/** Steps for a tile: divisors, multiples of the axis's windows, so that each window is read by one invocation. */
function stepsOf(analysis: Analysis, axis: Axis, longest: number): number[] {
  const window = windowStep(analysis, axis.name);
  const found = divisorsOf(axis.extent).filter((step) => step > 1 && step <= longest);
  const whole = found.filter((step) => step % window === 0);
  return whole.length > 0 ? whole : found;
}

/** Places that may be enumerated: each is code of its own. */
const mostEnumerated = 64;

/** Axes of whose places each is computed in its own way: whole in every tile, so that no test is left of it. */
function wholeAxes(analysis: Analysis): Steps {
  if (placesOf(analysis) > mostEnumerated) return new Map();
  return new Map(enumeratedAxes(analysis).map(({ name, extent }) => [name, extent]));
}

/** Tiles over some domain axes, of at most `most` points. */
function* tiles(analysis: Analysis, costs: Costs, most: number): Generator<Steps> {
  const whole = wholeAxes(analysis);
  const domain = analysis.axes
    .filter(({ isDomain, extent, name }) => isDomain && extent > 1 && !whole.has(name))
    .map((axis) => ({ ...axis, steps: stepsOf(analysis, axis, costs.longestTile) }));
  function* extend(tile: Steps, points: number, from: number, parts: number): Generator<Steps> {
    yield tile;
    if (tile.size === costs.mostTiledAxes + whole.size) return;
    for (const [i, { name, extent, steps }] of domain.entries())
      if (i >= from)
        for (const step of steps) {
          const cut = step < extent ? parts + 1 : parts;
          if (points * step <= most && cut <= mostCutAxes)
            yield* extend(new Map([...tile, [name, step]]), points * step, i + 1, cut);
        }
  }
  yield* extend(whole, size([...whole.values()]), 0, 0);
}

/** The grid takes outer untiled axes up to some axis, and the pieces of any of the tiled axes. */
function* grids(axes: readonly Axis[], tile: Steps): Generator<Grid> {
  const split = axes.filter(({ name, extent, isDomain }) => isDomain && (tile.get(name) ?? 1) < extent);
  const untiled = split.filter(({ name }) => !tile.has(name)).map(({ name }) => name);
  const pieces = split.filter(({ name }) => tile.has(name)).map(({ name }) => name);
  for (let outer = 0; outer <= untiled.length; outer++)
    for (let subset = 0; subset < 1 << pieces.length; subset++) {
      const grid = new Set([...untiled.slice(0, outer), ...pieces.filter((_, bit) => (subset >> bit) & 1)]);
      if (grid.size < split.length || split.length === 0) yield grid;
    }
}

/** Ways of tiling and unrolling a kernel, each with all ways of spreading the pieces over the grid and the lanes. */
export interface Tilings {
  readonly tiling: Tiling;
  readonly grids: readonly Grid[];
}

export function* tilings(analysis: Analysis, costs: Costs, sums: number): Generator<Tilings> {
  const { axes } = analysis;
  const unrolled = unrolls(axes);
  for (const tile of tiles(analysis, costs, costs.mostProducts / sums)) {
    const all = [...grids(axes, tile)];
    for (const unroll of unrolled) yield { tiling: { tile, unroll, roll: undefined }, grids: all };
  }
}

/** The same cutting and unrolling, with loops that keep what they loaded. */
export function rolled(choice: Choice, axes: readonly Axis[], costs: Costs): Choice[] {
  if (costs.move === Infinity) return [];
  return axes
    .filter(({ name, extent, isDomain }) => !isDomain && (choice.unroll.get(name) ?? 1) < extent)
    .map(({ name }) => ({ ...choice, roll: name }));
}
