/**
 * What the loads and stores of a tile cost.
 *
 * In: streams of loads and stores, what is unrolled. Out: time, static loads and stores, and instructions, where each lane has its
 * own and where lanes hand what they load to one another.
 */
import type { Axis } from "./analysis.ts";
import { type Footprint, footprintOf, type Roll, type Stream } from "./footprint.ts";
import { leastTurns } from "./schedule.ts";
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
  return estimateOf(footprintOf(stream, unrolled, roll), costs);
}

function estimateOf(touched: Footprint, costs: Costs): Estimate {
  const quads = touched.isAligned ? touched.quads : 0;
  const singles = touched.isAligned ? touched.singles : touched.elements;
  return {
    time: quads * costs.quad + singles * costs.scalar + (touched.kept > 0 ? touched.kept * costs.move : 0),
    accesses: quads + singles * singleAccess,
    instructions: quads * instructions.quad + singles * instructions.scalar,
  };
}

/** Which of the accesses of one kind stand in the text once, in a loop between their tensor and memory of the lane. */
export interface InLoops {
  readonly loads: boolean;
  readonly stores: boolean;
}

/** The end of a tile: what is loaded or stored once for it. */
export interface End extends Pick<Estimate, "time" | "accesses"> {
  readonly inLoops: InLoops;
  /** Elements that memory of the lane holds for the loops. */
  readonly held: number;
}

type Part = Omit<End, "inLoops">;

const fewAccesses = 4;

const nothing: Part = { time: 0, accesses: 0, held: 0 };

const together = (a: Part, b: Part): Part => ({
  time: a.time + b.time,
  accesses: a.accesses + b.accesses,
  held: a.held + b.held,
});

/** A loop that makes all accesses of a stream; undefined where it would turn too seldom. */
function loopedPart({ elements, quads, isAligned }: Footprint, costs: Costs): Part | undefined {
  const inQuads = isAligned && elements === 4 * quads;
  const turns = inQuads ? quads : elements;
  if (turns < leastTurns || costs.hold === Infinity) return undefined;
  const time = turns * (costs.turn + (inQuads ? costs.quad : costs.scalar)) + elements * costs.hold;
  return { time, accesses: inQuads ? 1 : singleAccess, held: elements };
}

const known = new WeakMap<Piece["unrolled"], { readonly outer: readonly Stream[]; readonly ends: readonly End[] }>();

/** All ways of making the loads and the stores, straight on or in loops, that differ; worked out once for all that is unrolled. */
export function endsOf(outer: readonly Stream[], tile: Piece["unrolled"], costs: Costs): readonly End[] {
  const found = known.get(tile);
  if (found?.outer === outer) return found.ends;
  const ends = makeEnds(outer, tile, costs);
  known.set(tile, { outer, ends });
  return ends;
}

function makeEnds(outer: readonly Stream[], tile: Piece["unrolled"], costs: Costs): End[] {
  const straight = { loads: nothing, stores: nothing };
  const looped = { loads: nothing, stores: nothing };
  const differs = { loads: false, stores: false };
  for (const stream of outer) {
    const kind = stream.isStore ? "stores" : "loads";
    const touched = footprintOf(stream, tile);
    const own: Part = { ...estimateOf(touched, costs), held: 0 };
    const loop = loopedPart(touched, costs);
    differs[kind] ||= loop !== undefined;
    straight[kind] = together(straight[kind], own);
    looped[kind] = together(looped[kind], loop ?? own);
  }
  // Where few stand in the text, a loop is not worth its turns.
  const isWorthIt = (kind: keyof InLoops): boolean => differs[kind] && straight[kind].accesses > fewAccesses;
  const ways = (kind: keyof InLoops): boolean[] => (isWorthIt(kind) ? [false, true] : [false]);
  const part = (kind: keyof InLoops, inLoops: boolean): Part => (inLoops ? looped : straight)[kind];
  return ways("loads").flatMap((loads) =>
    ways("stores").map((stores): End => {
      return { ...together(part("loads", loads), part("stores", stores)), inLoops: { loads, stores } };
    }),
  );
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
