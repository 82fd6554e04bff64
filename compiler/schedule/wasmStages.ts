/**
 * What is copied into scratch before a kernel's inner loops.
 *
 * In: a kernel's analysis, its grid and loops. Out: the operands to stage, and after how many loops.
 */
import { factorOf, type Index, index, substitute, variable, variablesOf } from "../nest/integer.ts";
import type { Analysis, Axis } from "./analysis.ts";
import type { AxisStep, Schedule } from "./schedule.ts";

const largestStage = 1 << 18;

/** What of an axis one chunk has. */
export function chunkExtent(grid: readonly AxisStep[], axis: Axis): number {
  return grid.find((entry) => entry.axis === axis.name)?.step ?? axis.extent;
}

/** Operands that are staged with another coordinate innermost, and which one. */
export type Turned = ReadonlyMap<string, number>;

/**
 * Operands whose elements along an axis are far apart in memory, and side by side in a copy with another coordinate
 * innermost: as much of each as a chunk needs.
 */
export function turnedFor(analysis: Analysis, grid: readonly AxisStep[], axis: string): Turned {
  const found = new Map<string, number>();
  const inBody = new Set(
    analysis.accesses.flatMap(({ kind, operand }) => (kind === "body" && operand ? [operand] : [])),
  );
  for (const [operand, places] of analysis.operands) {
    if (!inBody.has(operand)) continue;
    const [coordinates = [], ...others] = places;
    const along = coordinates.flatMap((of, d) => (variablesOf(of).has(axis) ? [d] : []));
    const [dimension = -1] = along;
    const isTurnable = others.length === 0 && along.length === 1 && dimension < coordinates.length - 1;
    if (!isTurnable || factorOf(coordinates[dimension] ?? index(0), axis) !== 1) continue;
    const elements = stagedElements(analysis, grid, operand);
    if (elements !== undefined && elements <= largestStage) found.set(operand, dimension);
  }
  return found;
}

/** Elements of an operand that a chunk needs; undefined where they fill no box. */
export function stagedElements(analysis: Analysis, grid: readonly AxisStep[], operand: string): number | undefined {
  return boxElements(analysis, grid, analysis.operands.get(operand) ?? [], (axis) => chunkExtent(grid, axis));
}

/**
 * Operands that tests guard (padding, strides of gradients) are copied once, zeros included, into scratch, and so are those
 * of which lanes read another coordinate.
 */
export function chooseStages(
  analysis: Analysis,
  grid: readonly AxisStep[],
  loops: readonly AxisStep[],
  depth: number,
  turned: Turned = new Map(),
): Schedule["stage"] {
  const guarded = new Set(
    analysis.accesses.flatMap((access) => (access.guarded && access.operand !== undefined ? [access.operand] : [])),
  );
  const remaining = (axis: Axis): number =>
    loops.slice(0, depth).findLast((loop) => loop.axis === axis.name)?.step ?? chunkExtent(grid, axis);
  const plain = [...guarded].filter((operand) => !turned.has(operand));
  const staged = plain.flatMap((operand) => {
    const elements = boxElements(analysis, grid, analysis.operands.get(operand) ?? [], remaining);
    return elements !== undefined && elements <= largestStage ? [{ operand, depth }] : [];
  });
  return [...staged, ...[...turned].map(([operand, innermost]) => ({ operand, depth: 0, innermost }))];
}

/**
 * Elements of the box that holds all places of an operand; undefined where there is no such box: places that what is cut
 * outside moves apart, or that divide it.
 */
function boxElements(
  { axes }: Analysis,
  grid: readonly AxisStep[],
  places: readonly (readonly Index[])[],
  remaining: (axis: Axis) => number,
): number | undefined {
  const isCut = axes.filter((axis) => remaining(axis) < axis.extent || grid.some((cut) => cut.axis === axis.name));
  const extents = new Map(axes.map((axis) => [axis.name, index(variable(axis.name, remaining(axis)))]));
  let elements = 1;
  for (let d = 0; d < (places[0]?.length ?? 0); d++) {
    const along = places.map((coordinates) => coordinates[d] ?? index(0));
    for (const { name } of isCut) {
      const factors = new Set(along.map((of) => factorOf(of, name)));
      if (factors.size > 1 || factors.has(undefined)) return undefined;
    }
    const inside = along.map((of) => substitute(of, (name) => extents.get(name)));
    elements *= Math.max(...inside.map((of) => of.maximum)) - Math.min(...inside.map((of) => of.minimum)) + 1;
  }
  return elements;
}
