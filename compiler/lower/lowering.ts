/** What the parts of lowering share: the kernel, its cut axes, and what was emitted so far. */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import { add, type Index, index } from "../nest/integer.ts";
import type { Condition, Scratch } from "../nest/loopNest.ts";
import type { Schedule } from "../schedule/schedule.ts";
import type { Axes, Cut, Starts, TilePlace } from "./axes.ts";
import type { Emitter } from "./emitter.ts";
import type { TermTable } from "./terms.ts";

export interface LoweringInput {
  readonly kernel: Kernel;
  readonly schedule: Schedule;
  readonly tensors: ReadonlyMap<number, StoredTensor>;
  readonly name: string;
  readonly header: readonly string[];
  /** Of the device, for broadcasts; 0 where it is not fixed. */
  readonly subgroupSize: number;
}

/** A staged operand: scratch that holds a box of its values. */
export interface Stage {
  readonly buffer: string;
  /** Where the value at some coordinates lies. */
  readonly place: (coordinates: readonly Index[]) => Index;
}

export interface Point {
  readonly places: ReadonlyMap<string, TilePlace>;
  /** Row-major number of the point in the tile. */
  readonly number: number;
}

export interface Lowering extends LoweringInput {
  readonly axes: Axes;
  readonly emitter: Emitter;
  readonly table: TermTable;
  readonly stages: Map<string, Stage>;
  readonly scratch: Scratch[];
  /** The number of the workgroup among this kernel's own. */
  readonly workgroup: (workgroups: number) => Index;
  readonly lane: Index;
  /** Variables whose value differs between the lanes of a workgroup. */
  readonly laneVariables: Set<string>;
  readonly domainPoints: readonly Point[];
  readonly reductionPoints: readonly Point[];
  /** Under which a lane's stores count. */
  where: Condition | undefined;
  /** Some lanes do nothing: no lane may wait for all. */
  isPartial: boolean;
}

/** How many pieces the cuts make together. */
export const total = (cuts: readonly Cut[]): number => cuts.reduce((count, cut) => count * cut.count, 1);

export function coordinatesAt(lowering: Lowering, axisNames: readonly string[], starts: Starts, point: Point): Index[] {
  const { schedule, lane } = lowering;
  return axisNames.map((axis) => {
    const start = add(starts.get(axis) ?? index(0), point.places.get(axis)?.start ?? 0);
    return axis === schedule.vector ? add(start, lane) : start;
  });
}

export function accumulatorNames({ kernel, emitter, domainPoints }: Lowering): string[] {
  return domainPoints.flatMap(() => kernel.accumulators.map(() => emitter.name("sum")));
}
