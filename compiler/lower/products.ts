/** The body of a kernel's innermost loop: what one step of the reduction adds to each accumulator of the tile. */
import type { Index } from "../nest/integer.ts";
import { inRange, multiply, select, type Value, zero } from "../value.ts";
import type { Starts } from "./axes.ts";
import { bindBroadcasts } from "./broadcast.ts";
import type { Emitter } from "./emitter.ts";
import { coordinatesAt, type Lowering, type Point } from "./lowering.ts";
import type { Term } from "./terms.ts";

/** The value that one reduction step adds to one accumulator, masked where lanes were covered before. */
function stepValue(lowering: Lowering, accumulator: number, at: Index[], along: Index[], step: Point): Value {
  const { kernel, schedule, lane } = lowering;
  const { operator, body } = kernel.accumulators[accumulator] ?? { operator: "add" as const, body: () => zero };
  const value = body(at, along);
  const firstLane = schedule.vector ? (step.places.get(schedule.vector)?.firstLane ?? 0) : 0;
  // Seeing an element twice changes no maximum; only sums need the mask.
  if (firstLane === 0 || operator !== "add") return value;
  const mask = inRange(lane, firstLane, schedule.lanes - 1);
  if (value.kind === "binary" && value.operator === "multiply")
    return multiply(
      select(mask, () => value.left, zero),
      value.right,
    );
  return select(mask, () => value, zero);
}

interface Step {
  readonly name: string;
  readonly operator: "add" | "maximum" | "minimum";
  readonly term: Term;
}

/** All products of one tile: the body of the innermost loop. */
export function emitProducts(lowering: Lowering, starts: Starts, names: readonly string[]): void {
  const { kernel, emitter, table, axes, schedule, reductionPoints } = lowering;
  const points = pointsByWidth(lowering);
  const steps: Step[] = [];
  const addStep = (point: Point, step: Point): void => {
    const at = coordinatesAt(lowering, axes.domain, starts, point);
    const along = coordinatesAt(lowering, axes.reduction, starts, step);
    kernel.accumulators.forEach(({ operator }, a) => {
      const value = stepValue(lowering, a, at, along, step);
      if (operator === "add" && value.kind === "constant" && value.value === 0) return;
      steps.push({
        name: names[point.number * kernel.accumulators.length + a] ?? "",
        operator,
        term: table.term(value),
      });
    });
  };
  if (schedule.order === "accumulatorByAccumulator")
    for (const point of points) for (const step of reductionPoints) addStep(point, step);
  else for (const step of reductionPoints) for (const point of points) addStep(point, step);
  emitter.prepare(steps.map(({ term }) => term));
  if (schedule.broadcast)
    bindBroadcasts(
      emitter,
      steps.map(({ term }) => term),
      lowering.laneVariables,
      lowering.subgroupSize,
    );
  for (const { name, operator, term } of steps) emitStep(emitter, name, operator, term);
}

/** Tile points in the order that the schedule asks for. */
function pointsByWidth({ axes, domainPoints, schedule }: Lowering): Point[] {
  const width = (axis: string): number =>
    Math.ceil((axes.tile.get(axis) ?? 1) / (axis === schedule.vector ? schedule.lanes : 1));
  const direction = schedule.order === "narrowInnermost" ? 1 : -1;
  const order = axes.domain.toSorted((a, b) => direction * (width(b) - width(a)));
  return domainPoints.toSorted((p, q) => {
    for (const axis of order) {
      const difference = (p.places.get(axis)?.start ?? 0) - (q.places.get(axis)?.start ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  });
}

function emitStep(emitter: Emitter, name: string, operator: Step["operator"], term: Term): void {
  const [left, right] = term.children;
  const self = { kind: "reference", name } as const;
  if (operator === "add" && term.shape.kind === "binary" && term.shape.operator === "multiply" && left && right) {
    const value = { kind: "multiplyAdd", a: emitter.expression(left), b: emitter.expression(right), c: self } as const;
    emitter.push({ kind: "assign", name, value });
    return;
  }
  emitter.push({
    kind: "assign",
    name,
    value: { kind: "binary", operator, left: self, right: emitter.expression(term) },
  });
}
