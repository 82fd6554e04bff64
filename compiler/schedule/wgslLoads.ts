/**
 * What the loads and stores of a tile cost.
 *
 * In: streams of loads and stores, what is unrolled. Out: time, static loads and stores, and instructions, where each lane has its
 * own and where lanes hand what they load to one another.
 */
import type { Axis } from "./analysis.ts";
import { type Footprint, footprintOf, type Roll, type Stream } from "./footprint.ts";
import { type Costs, instructions, singleAccess } from "./wgslAdapters.ts";

export interface Estimate {
  /** For eight lanes. */
  readonly time: number;
  /** Loads and stores in the text. */
  readonly accesses: number;
  readonly instructions: number;
}

/** Loads that every lane wants alike: each lane fetches one quad or element, and hands out what the others need. */
function sharedLoads({ elements, quads, singles, isAligned }: Footprint, subgroupSize: number) {
  const single = Math.ceil(elements / subgroupSize);
  const inQuads = Math.ceil(quads / subgroupSize);
  return isAligned && singles === 0 && inQuads * 2 <= single
    ? { quads: inQuads, singles: 0 }
    : { quads: 0, singles: single };
}

/** What is unrolled, and what the innermost loop keeps from its last turn. */
export interface Piece {
  /** Extents of what is unrolled. */
  readonly unrolled: ReadonlyMap<string, number>;
  readonly roll?: Roll | undefined;
}

/** What the loads or stores of one stream cost where each lane has its own. */
export function ownEstimate(stream: Stream, { unrolled, roll }: Piece, costs: Costs): Estimate {
  const touched = footprintOf(stream, unrolled, roll);
  const { quads, singles } = touched.isAligned ? touched : { quads: 0, singles: touched.elements };
  return {
    time: quads * costs.quad + singles * costs.scalar + (touched.kept > 0 ? touched.kept * costs.move : 0),
    accesses: quads + singles * singleAccess,
    instructions: quads * instructions.quad + singles * instructions.scalar,
  };
}

/** The least number of elements that are worth handing out. */
const leastShared = 3;

/** What the loads of one stream cost where all lanes want the same; undefined where so few are not handed out. */
function sharedEstimate(stream: Stream, { unrolled }: Piece, subgroupSize: number, costs: Costs): Estimate | undefined {
  const touched = footprintOf(stream, unrolled);
  if (touched.elements < leastShared) return undefined;
  const { quads, singles } = sharedLoads(touched, subgroupSize);
  const { elements } = touched;
  return {
    time: quads * costs.quad + singles * costs.gather + elements * costs.broadcast,
    accesses: quads + singles * singleAccess,
    instructions: quads * instructions.quad + singles * instructions.scalar + elements * instructions.broadcast,
  };
}

export function sumOf(estimates: readonly Estimate[]): Estimate {
  let [time, accesses, length] = [0, 0, 0];
  for (const estimate of estimates) {
    time += estimate.time;
    accesses += estimate.accesses;
    length += estimate.instructions;
  }
  return { time, accesses, instructions: length };
}

/** The loads of a stream in each turn. */
export interface Loads extends Pick<Stream, "along"> {
  readonly own: Estimate;
  /** Where it is the same for all lanes; as `own` where nothing is handed out. */
  readonly shared: Estimate;
}

export function loadsOf(stream: Stream, piece: Piece, subgroupSize: number, costs: Costs): Loads {
  const own = ownEstimate(stream, piece, costs);
  const shared = subgroupSize > 0 ? sharedEstimate(stream, piece, subgroupSize, costs) : undefined;
  return { along: stream.along, own, shared: shared ?? own };
}

export function isShared(along: Stream["along"], laneAxes: readonly Axis[]): boolean {
  return laneAxes.length > 0 && !laneAxes.some(({ name }) => along.has(name));
}

export function leastOf({ own, shared }: Loads): Estimate {
  return {
    time: Math.min(own.time, shared.time),
    accesses: Math.min(own.accesses, shared.accesses),
    instructions: Math.min(own.instructions, shared.instructions),
  };
}
