/**
 * What the loads and stores of a tile cost.
 *
 * In: streams of loads and stores, what is unrolled. Out: time, static loads and stores, and instructions, where each lane has its
 * own and where lanes hand what they load to one another.
 */
import { type AxisSet, setOf } from "./axisSet.ts";
import { type Footprint, footprintsOf, type Steps } from "./footprint.ts";
import { leastTurns } from "./schedule.ts";
import type { Stream } from "./streams.ts";
import { type Costs, instructions, singleAccess } from "./wgslAdapters.ts";

export interface Estimate {
  /** For eight lanes. */
  readonly time: number;
  /** Loads and stores in the text. */
  readonly accesses: number;
  readonly instructions: number;
}

export function sumOf<T>(all: readonly T[], estimateOf: (one: T) => Estimate): Estimate {
  let [time, accesses, length] = [0, 0, 0];
  for (const one of all) {
    const estimate = estimateOf(one);
    time += estimate.time;
    accesses += estimate.accesses;
    length += estimate.instructions;
  }
  return { time, accesses, instructions: length };
}

function least(a: Estimate, b: Estimate): Estimate {
  return {
    time: Math.min(a.time, b.time),
    accesses: Math.min(a.accesses, b.accesses),
    instructions: Math.min(a.instructions, b.instructions),
  };
}

/** Where each lane has its own. */
function estimateOf(touched: Footprint, costs: Costs): Estimate {
  const quads = touched.isAligned ? touched.quads : 0;
  const singles = touched.isAligned ? touched.singles : touched.elements;
  return {
    time: quads * costs.quad + singles * costs.scalar + (touched.kept > 0 ? touched.kept * costs.move : 0),
    accesses: quads + singles * singleAccess,
    instructions: quads * instructions.quad + singles * instructions.scalar,
  };
}

/** The least number of elements that are worth handing out. */
const leastShared = 3;

/** Where all lanes want the same: each fetches one quad or element, and hands out what the others need. */
function sharedEstimate({ elements, quads, singles, isAligned }: Footprint, lanes: number, costs: Costs): Estimate {
  const alone = Math.ceil(elements / lanes);
  const inQuads = Math.ceil(quads / lanes);
  const asQuads = isAligned && singles === 0 && inQuads * 2 <= alone;
  const [fetched, fetchedAlone] = asQuads ? [inQuads, 0] : [0, alone];
  return {
    time: fetched * costs.quad + fetchedAlone * costs.gather + elements * costs.broadcast,
    accesses: fetched + fetchedAlone * singleAccess,
    instructions: fetched * instructions.quad + fetchedAlone * instructions.scalar + elements * instructions.broadcast,
  };
}

/** The loads of a stream in each turn of the innermost loop. */
export interface Loads {
  /** The axes that move it. */
  readonly along: AxisSet;
  readonly own: Estimate;
  /** Where it is the same for all lanes; as `own` where nothing is handed out. */
  readonly shared: Estimate;
  /** What neither of them goes below. */
  readonly least: Estimate;
}

/** The loads of each turn by what is unrolled. `subgroupSize`: lanes that hand to one another what they load; 0: none do. */
export function loadsOf(
  stream: Stream,
  subgroupSize: number,
  costs: Costs,
): (unrolled: Steps, roll: number | undefined) => Loads {
  const along = setOf(stream.along.keys());
  const footprintOf = footprintsOf(stream);
  const make = (touched: Footprint, kept: Footprint): Loads => {
    const own = estimateOf(kept, costs);
    const isHandedOut = subgroupSize > 0 && touched.elements >= leastShared;
    const shared = isHandedOut ? sharedEstimate(touched, subgroupSize, costs) : own;
    return { along, own, shared, least: least(own, shared) };
  };
  const known = new Map<Footprint, Loads>();
  return (unrolled, roll) => {
    const touched = footprintOf(unrolled);
    if (roll !== undefined) return make(touched, footprintOf(unrolled, roll));
    const loads = known.get(touched) ?? make(touched, touched);
    known.set(touched, loads);
    return loads;
  };
}

/** Which of the accesses of one kind stand in the text once, in a loop between their tensor and memory of the lane. */
export interface InLoops {
  readonly loads: boolean;
  readonly stores: boolean;
}

/** The end of a tile: what is loaded or stored once for it. */
export interface End extends Part {
  readonly inLoops: InLoops;
}

interface Part extends Pick<Estimate, "time" | "accesses"> {
  /** Elements that memory of the lane holds for the loops. */
  readonly held: number;
}

/** A loop is not worth its turns for so few. */
const fewAccesses = 4;

const nothing: Part = { time: 0, accesses: 0, held: 0 };

function together(a: Part, b: Part): Part {
  return { time: a.time + b.time, accesses: a.accesses + b.accesses, held: a.held + b.held };
}

/** Straight on, and in a loop if that would turn often enough. */
interface Ways {
  readonly straight: Part;
  readonly looped: Part | undefined;
}

function waysOf(touched: Footprint, costs: Costs): Ways {
  const { time, accesses } = estimateOf(touched, costs);
  return { straight: { time, accesses, held: 0 }, looped: loopedPart(touched, costs) };
}

/** A loop that makes all accesses of a stream. */
function loopedPart({ elements, quads, isAligned }: Footprint, costs: Costs): Part | undefined {
  const inQuads = isAligned && elements === 4 * quads;
  const turns = inQuads ? quads : elements;
  if (turns < leastTurns || costs.hold === Infinity) return undefined;
  const time = turns * (costs.turn + (inQuads ? costs.quad : costs.scalar)) + elements * costs.hold;
  return { time, accesses: inQuads ? 1 : singleAccess, held: elements };
}

/** All ways of making the loads and the stores of a tile, straight on or in loops, that differ. */
type Ends = (tile: Steps) => readonly End[];

/** Worked out once for all that is unrolled with a tile. */
export function endsOf(outer: readonly Stream[], costs: Costs): Ends {
  const known = new Map<Footprint, Ways>();
  const streams = outer.map((stream) => {
    const footprintOf = footprintsOf(stream);
    const ways = (tile: Steps): Ways => {
      const touched = footprintOf(tile);
      const found = known.get(touched) ?? waysOf(touched, costs);
      known.set(touched, found);
      return found;
    };
    return { isStore: stream.isStore, ways };
  });
  const endsOfTiles = new WeakMap<Steps, readonly End[]>();
  return (tile) => {
    const found = endsOfTiles.get(tile) ?? makeEnds(streams, tile);
    endsOfTiles.set(tile, found);
    return found;
  };
}

interface OuterStream {
  readonly isStore: boolean;
  readonly ways: (tile: Steps) => Ways;
}

function makeEnds(streams: readonly OuterStream[], tile: Steps): End[] {
  const parts = (isStore: boolean): Ways[] =>
    streams.filter((stream) => stream.isStore === isStore).map(({ ways }) => ways(tile));
  const [loads, stores] = [kindOf(parts(false)), kindOf(parts(true))];
  return loads.flatMap((load) =>
    stores.map((store): End => {
      return { ...together(load, store), inLoops: { loads: load.inLoops, stores: store.inLoops } };
    }),
  );
}

/** All accesses of one kind: straight on, and in loops where that differs and is worth their turns. */
function kindOf(streams: readonly Ways[]): (Part & { readonly inLoops: boolean })[] {
  let [straight, looped] = [nothing, nothing];
  let differs = false;
  for (const ways of streams) {
    straight = together(straight, ways.straight);
    looped = together(looped, ways.looped ?? ways.straight);
    differs ||= ways.looped !== undefined;
  }
  const isWorthIt = differs && straight.accesses > fewAccesses;
  return [{ ...straight, inLoops: false }, ...(isWorthIt ? [{ ...looped, inLoops: true }] : [])];
}
