/**
 * What is copied into scratch before a kernel's inner loops.
 *
 * In: a kernel's analysis, its grid and loops. Out: the operands to stage, and after how many loops.
 */
import { factorOf, type Index, index, substitute, variable } from "../nest/integer.ts";
import type { Analysis, Axis } from "./analysis.ts";
import type { AxisStep, Schedule } from "./schedule.ts";

const largestStage = 1 << 18;

/** What of an axis one chunk has. */
export function chunkExtent(grid: readonly AxisStep[], axis: Axis): number {
  return grid.find((entry) => entry.axis === axis.name)?.step ?? axis.extent;
}

/** Operands that tests guard (padding, strides of gradients) are copied once, zeros included, into scratch. */
export function chooseStages(
  analysis: Analysis,
  grid: readonly AxisStep[],
  loops: readonly AxisStep[],
  depth: number,
): Schedule["stage"] {
  const guarded = new Set(
    analysis.accesses.flatMap((access) => (access.guarded && access.operand !== undefined ? [access.operand] : [])),
  );
  const remaining = (axis: Axis): number =>
    loops.slice(0, depth).findLast((loop) => loop.axis === axis.name)?.step ?? chunkExtent(grid, axis);
  return [...guarded].flatMap((operand) => {
    const elements = boxElements(analysis, grid, analysis.operands.get(operand) ?? [], remaining);
    return elements !== undefined && elements <= largestStage ? [{ operand, depth }] : [];
  });
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
