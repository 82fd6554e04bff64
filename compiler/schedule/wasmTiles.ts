/**
 * The tile of registers of a reduction for WebAssembly SIMD.
 *
 * In: a kernel, its analysis, its lanes. Out: steps along at most two domain axes (those of the lanes count in vectors) that give
 * the fewest instructions a product. What holds: what one step of the reduction loads and adds to stays in V8's registers.
 */
import type { Kernel } from "../fusion/kernel.ts";
import type { WasmEngine } from "../target.ts";
import { type Access, type Analysis, type Axis, dependsOn, strideAlong } from "./analysis.ts";
import { ceilDivide, type Lanes, lanes, loadCost } from "./wasmLanes.ts";
import { paddingWaste } from "./wasmPadding.ts";

export interface Tile {
  readonly steps: ReadonlyMap<string, number>;
  /** Products of one reduction step. */
  readonly products: number;
  /** It has vectors side by side, which the engine joins. */
  readonly isJoined: boolean;
  /** Instructions for four elements of all that the kernel goes through. */
  readonly cost: number;
}

const vectorRegisters = 15;
/** Where a step does not divide its axis, places are clamped: beside what is done twice, more arithmetic. */
const unevenCost = 1.05;
const mostSteps = 12;
/** What joins vectors takes more than its instructions say. */
const joinedCost = 1.15;

/** What an axis is counted in: single elements or vectors of some; and how many of these an instruction takes. */
interface Unit {
  readonly elements: number;
  readonly joined: number;
}

const single: Unit = { elements: 1, joined: 1 };

/** One length of a tile along an axis. */
interface Side {
  readonly axis: string;
  readonly step: number;
  /** Elements or vectors along it. */
  readonly units: number;
  /** Accumulators along it: fewer, where vectors are joined. */
  readonly count: number;
  /** How many times as much as is needed it computes: where it does not divide the axis, and in padding. */
  readonly waste: number;
}

function sidesOf(kernel: Kernel, analysis: Analysis, axis: Axis, unit: Unit): Side[] {
  const { elements, joined } = unit;
  const most = Math.min(mostSteps * joined, ceilDivide(axis.extent, elements));
  return Array.from({ length: most }, (_, i) => Math.min((i + 1) * elements, axis.extent))
    .filter((step) => !kernel.inPlace || axis.extent % step === 0)
    .map((step) => {
      const whole = Math.floor(step / elements);
      const units = ceilDivide(step, elements);
      // The last of an uneven step overlaps the one before, so that it lies beside none.
      const count = ceilDivide(whole, joined) + units - whole;
      const overlap = (ceilDivide(axis.extent, step) * units * elements) / axis.extent;
      const waste = overlap * (overlap > 1 ? unevenCost : 1) * paddingWaste(analysis.accesses, axis, step);
      return { axis: axis.name, step, count, units, waste };
    });
}

/** Elements of a cache line, and what it takes to bring one. */
const lineElements = 16;
const lineCost = 1.5;

interface PricedLoad {
  readonly access: Access;
  readonly cost: number;
  /** Cache lines that are new in one step of the reduction; the others were there in another step. */
  readonly newLines: number;
  /** Whether neighbours along a side of the tile are in lines of their own. */
  readonly isFarAlong: (axis: string) => boolean;
}

/** What each load of the body takes in one step of the reduction. */
function priceLoads({ accesses, axes }: Analysis, chosen: Lanes | undefined): PricedLoad[] {
  const reduced = axes.filter(({ isDomain, extent }) => !isDomain && extent > 1);
  const lanesReduce = reduced.some(({ name }) => name === chosen?.axis);
  return accesses
    .filter(({ kind }) => kind === "body")
    .map((access) => {
      const isTurned = chosen !== undefined && access.operand !== undefined && chosen.turned.has(access.operand);
      // What is turned lies side by side along the lanes, and nowhere else.
      const strideOf = (axis: string): number => {
        if (!isTurned) return Math.abs(strideAlong(access, axis) ?? 0);
        return axis === chosen.axis ? 1 : dependsOn(access, axis) ? lineElements : 0;
      };
      const steps = reduced.reduce((product, { name, extent }) => product * stepsInLine(strideOf(name), extent), 1);
      return {
        access,
        cost: chosen ? loadCost(access, chosen) : 1,
        newLines: (lanesReduce ? lanes : 1) / steps,
        isFarAlong: (axis) => strideOf(axis) >= lineElements,
      };
    });
}

/** Steps of a reduction axis that stay in a cache line. */
function stepsInLine(stride: number, extent: number): number {
  return Math.min(extent, stride === 0 ? extent : Math.max(1, lineElements / stride));
}

/** What loads of one step of the reduction take for a tile, and how many values they give. */
function loadsOf(loads: readonly PricedLoad[], sides: readonly Side[]): { cost: number; values: number } {
  let [total, values] = [0, 0];
  for (const { access, cost, newLines, isFarAlong } of loads) {
    let [copies, lines] = [1, newLines];
    for (const { axis, count } of sides) {
      if (dependsOn(access, axis)) copies *= count;
      if (isFarAlong(axis)) lines *= count;
    }
    total += copies * cost + lines * lineCost;
    values += copies;
  }
  return { cost: total, values };
}

/** How many vectors along the lanes the engine does at a time: where all that is loaded is a vector of neighbours, or one element. */
function joinedVectors({ accesses }: Analysis, chosen: Lanes, { joinsVectors = false }: WasmEngine): number {
  const isWhole = accesses.every((access) => access.kind !== "body" || loadCost(access, chosen) === 1);
  return joinsVectors && isWhole ? 2 : 1;
}

/** The cheapest tile or, for tuning, the one of that rank. */
export function chooseTile(
  kernel: Kernel,
  analysis: Analysis,
  chosen: Lanes | undefined,
  engine: WasmEngine,
  rank: number,
): Tile {
  const body = priceLoads(analysis, chosen);
  const vectors = { elements: lanes, joined: chosen ? joinedVectors(analysis, chosen, engine) : 1 };
  const open = analysis.axes.filter((axis) => axis.isDomain && axis.extent > 1);
  const sides = open
    .filter(({ name }) => !analysis.enumerated.has(name))
    .map((axis) => sidesOf(kernel, analysis, axis, axis.name === chosen?.axis ? vectors : single));
  const ofLanes = sides.find(([first]) => first?.axis === chosen?.axis)?.[0];
  const smallest = ofLanes ? [ofLanes] : [];
  let best: Tile = { steps: stepsOf(smallest), products: 1, isJoined: false, cost: Infinity };
  const others: Tile[] = [];
  const consider = (choice: readonly Side[]): void => {
    const products = choice.reduce((product, { count }) => product * count, kernel.accumulators.length);
    const units = choice.reduce((product, side) => product * side.units, kernel.accumulators.length);
    const loads = loadsOf(body, choice);
    // V8 loads everything that one step multiplies before it multiplies: all of it lives in registers at once.
    if (products + loads.values > vectorRegisters) return;
    const all = choice.some(({ axis }) => axis === ofLanes?.axis) ? choice : [...choice, ...smallest];
    const waste = all.reduce((product, side) => product * side.waste, 1);
    // Two loads issue with two products; a short body pays for its loop.
    const isJoined = choice.some(
      ({ axis, step }) => axis === chosen?.axis && step >= lanes * vectors.joined && vectors.joined > 1,
    );
    const cost = ((loads.cost + products + 3) / units) * waste * (isJoined ? joinedCost : 1);
    const tile = { steps: stepsOf(choice), products, isJoined, cost };
    others.push(tile);
    if (tile.cost < best.cost - 1e-9 || (tile.cost < best.cost + 1e-9 && products > best.products)) best = tile;
  };
  sides.forEach((along, i) => {
    for (const first of along) {
      consider([first]);
      for (const across of sides.slice(i + 1)) for (const second of across) consider([first, second]);
    }
  });
  if (rank === 0) return best;
  const ranked = others.filter((other) => other !== best).toSorted((a, b) => a.cost - b.cost);
  return ranked[rank - 1] ?? best;
}

const stepsOf = (sides: readonly Side[]): ReadonlyMap<string, number> =>
  new Map(sides.map(({ axis, step }) => [axis, step]));
