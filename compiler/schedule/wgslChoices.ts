/** The ways of spreading a kernel's axes that are worth a price: tiles in registers, the grid, unrolled reductions. */
import { size } from "../graph/graph.ts";
import { type Analysis, type Axis, enumeratedAxes, placesOf, windowStep } from "./analysis.ts";
import { type AxisSet, setOf } from "./axisSet.ts";
import type { Steps } from "./footprint.ts";
import type { Costs } from "./wgslAdapters.ts";
import type { Tiling } from "./wgslCosts.ts";
import { divisorsOf } from "./wasm.ts";

/** Unrolled turns of more reduction steps are long for little. */
const longestTurn = 16;

/** Axes of which a tile may hold a part; more than that hardly ever pay. */
const mostCutAxes = 2;

/** Part of the innermost reduction axis that has an extent; or all of it and of the one around it. */
function unrolls(axes: readonly Axis[]): Steps[] {
  const one: Steps = axes.map(() => 1);
  const [last, before] = numbered(axes)
    .filter(({ isDomain, extent }) => !isDomain && extent > 1)
    .toReversed();
  if (!last) return [one];
  const parts = divisorsOf(last.extent)
    .filter((step) => step <= 8 || (step === last.extent && step <= longestTurn))
    .map((step) => one.with(last.number, step));
  if (!before || last.extent * before.extent > longestTurn) return parts;
  return [...parts, one.with(before.number, before.extent).with(last.number, last.extent)];
}

function numbered(axes: readonly Axis[]): (Axis & { readonly number: number })[] {
  return axes.map((axis, number) => ({ ...axis, number }));
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
  const enumerated = placesOf(analysis) > mostEnumerated ? [] : enumeratedAxes(analysis).map(({ name }) => name);
  return analysis.axes.map(({ name, extent }) => (enumerated.includes(name) ? extent : 1));
}

/** Tiles over some domain axes, of at most `most` points. */
function* tiles(analysis: Analysis, costs: Costs, most: number): Generator<Steps> {
  const whole = wholeAxes(analysis);
  const domain = numbered(analysis.axes)
    .filter(({ isDomain, extent, number }) => isDomain && extent > 1 && whole[number] === 1)
    .map((axis) => ({ ...axis, steps: stepsOf(analysis, axis, costs.longestTile) }));
  function* extend(tile: Steps, points: number, from: number, tiled: number, parts: number): Generator<Steps> {
    yield tile;
    if (tiled === costs.mostTiledAxes) return;
    for (const [i, { number, extent, steps }] of domain.entries())
      if (i >= from)
        for (const step of steps) {
          const cut = step < extent ? parts + 1 : parts;
          if (points * step <= most && cut <= mostCutAxes)
            yield* extend(tile.with(number, step), points * step, i + 1, tiled + 1, cut);
        }
  }
  yield* extend(whole, size(whole), 0, 0, 0);
}

/** Domain axes of which the tile is a part only. */
function splitAxes(axes: readonly Axis[], tile: Steps): number[] {
  return axes.flatMap(({ extent, isDomain }, axis) => (isDomain && (tile[axis] ?? 1) < extent ? [axis] : []));
}

/** The grid takes outer untiled axes up to some axis, and the pieces of any of the tiled axes. */
export function gridsOf(axes: readonly Axis[], tile: Steps): AxisSet[] {
  const split = splitAxes(axes, tile);
  const untiled = split.filter((axis) => tile[axis] === 1);
  const pieces = split.filter((axis) => tile[axis] !== 1);
  const grids: AxisSet[] = [];
  for (let outer = 0; outer <= untiled.length; outer++)
    for (let subset = 0; subset < 1 << pieces.length; subset++) {
      const axesOfGrid = [...untiled.slice(0, outer), ...pieces.filter((_, bit) => (subset >> bit) & 1)];
      if (axesOfGrid.length < split.length || split.length === 0) grids.push(setOf(axesOfGrid));
    }
  return grids;
}

/** Ways of tiling and unrolling a kernel. */
export function* tilings(analysis: Analysis, costs: Costs, sums: number): Generator<Tiling> {
  const unrolled = unrolls(analysis.axes);
  for (const tile of tiles(analysis, costs, costs.mostProducts / sums))
    for (const unroll of unrolled) yield { tile, unroll, roll: undefined };
}

/** The same cutting and unrolling, with loops that keep what they loaded. */
export function rolled({ tile, unroll }: Tiling, axes: readonly Axis[], costs: Costs): Tiling[] {
  if (costs.move === Infinity) return [];
  return numbered(axes)
    .filter(({ extent, isDomain, number }) => !isDomain && (unroll[number] ?? 1) < extent)
    .map(({ number }) => ({ tile, unroll, roll: number }));
}
