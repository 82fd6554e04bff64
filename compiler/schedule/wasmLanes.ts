/**
 * Along which axis the four lanes of WebAssembly SIMD lie.
 *
 * In: a kernel, its analysis, the chunks of its chain. Out: the axis whose loads, stores and leftovers take the fewest
 * instructions, and which operands are copied for it. Costs are instructions for four elements of all that a kernel goes
 * through.
 */
import type { Kernel } from "../fusion/kernel.ts";
import { factorOf, index, variablesOf } from "../nest/integer.ts";
import { type Access, type Analysis, type Axis, strideAlong, windowStep } from "./analysis.ts";
import { type AxisStep, axisName } from "./schedule.ts";
import { paddingWaste } from "./wasmPadding.ts";
import { chunkExtent, stagedElements, type Turned, turnedFor } from "./wasmStages.ts";

export const lanes = 4;

export const ceilDivide = (a: number, b: number): number => Math.ceil(a / b);

export interface Lanes {
  readonly axis: string;
  /** The operands that are copied with their coordinate along the axis innermost. */
  readonly turned: Turned;
}

type Grid = readonly AxisStep[];

/** Instructions for one load in four lanes along an axis. */
export function loadCost(access: Access, { axis, turned }: Lanes): number {
  if (access.operand !== undefined && turned.has(access.operand)) return 1;
  const stride = strideAlong(access, axis);
  if (isStagedRow(access, axis)) return 1;
  if (stride === 1 || stride === 0) return 1;
  if (stride === 2 || stride === -1) return 3;
  return stride === undefined ? 5 : 8;
}

/** Whether tests guard it, for which it is staged, and lanes move along its rows: each of their phases lies side by side. */
function isStagedRow({ coordinates, guarded, operand }: Access, axis: string): boolean {
  const others = coordinates.slice(0, -1);
  const factor = factorOf(coordinates.at(-1) ?? index(0), axis);
  return guarded && operand !== undefined && (factor ?? 0) > 0 && !others.some((of) => variablesOf(of).has(axis));
}

/** Instructions that copy an element of an operand: it is stored among others, and tests may guard it. */
const copyCost = 8;
/** What puts together what four lanes have of a result, and what a processor loses that guesses a comparison wrong. */
const joinCost = 12;
const comparisonCost = 56;
/** An operation beside the loads. */
const operationCost = 0.1;
/** Where the first estimates are so near to the best, those of the tiles of registers decide. */
const nearlyBest = 1.5;
/** By how much more what an engine joins may be better than the first estimate. */
const joinedGain = 2;

function copyingCost(analysis: Analysis, grid: Grid, turned: Turned): number {
  const steps = analysis.axes.reduce((product, axis) => product * chunkExtent(grid, axis), 1);
  const elements = [...turned.keys()].reduce((sum, of) => sum + (stagedElements(analysis, grid, of) ?? 0), 0);
  return (copyCost * lanes * elements) / steps;
}

const sum = (costs: readonly number[]): number => costs.reduce((a, b) => a + b, 0);

/** What the results take in four lanes, in one, or where the lanes are parts of one. */
function resultCosts(analysis: Analysis) {
  const { accesses, enumerated, outputOperations, outputComparisons } = analysis;
  const outputs = accesses.filter(({ kind }) => kind !== "body");
  // Loads are counted for a whole tile where its places are singled out, stores for one place.
  const stores = analysis.axes.reduce(
    (count, { name, extent }) => count * (enumerated.has(name) ? extent : windowStep(analysis, name)),
    1,
  );
  const times = ({ kind }: Access): number => (kind === "store" ? stores : 1);
  const single = sum(outputs.map(times));
  return {
    inLanes: (choice: Lanes): number =>
      operationCost * outputOperations + sum(outputs.map((of) => times(of) * loadCost(of, choice))),
    oneByOne: operationCost * outputOperations + single,
    joined: operationCost * outputOperations + single + joinCost + comparisonCost * outputComparisons,
  };
}

interface Way {
  readonly choice: Lanes | undefined;
  /** With all loads for each product. */
  readonly cost: number;
  /** Of that, what comes beside the products. */
  readonly beside: number;
  /** How many times as many steps it takes as four elements of a domain axis do. */
  readonly steps: number;
}

function waysOf(kernel: Kernel, analysis: Analysis, grid: Grid | undefined): Way[] {
  const reduced = kernel.extents.reduce((a, b) => a * b, 1);
  const body = analysis.accesses.filter(({ kind }) => kind === "body");
  const operations = operationCost * analysis.bodyOperations;
  const results = resultCosts(analysis);
  const oneByOne = (lanes * results.oneByOne) / reduced;
  const single = lanes * (operations + body.length) + oneByOne;
  const found: Way[] = [{ choice: undefined, cost: single, beside: oneByOne, steps: lanes }];
  for (const axis of analysis.axes) {
    if (axis.extent < lanes || analysis.enumerated.has(axis.name) || !mayVectorise(kernel, axis)) continue;
    const overlap = (ceilDivide(axis.extent, lanes) * lanes) / axis.extent;
    const waste = overlap * paddingWaste(analysis.accesses, axis, lanes);
    for (const turned of turnings(kernel, analysis, grid, axis.name)) {
      const choice = { axis: axis.name, turned };
      const loads = sum(body.map((access) => loadCost(access, choice)));
      const outputs = axis.isDomain ? results.inLanes(choice) : lanes * results.joined;
      const copies = grid ? copyingCost(analysis, grid, turned) : 0;
      const beside = (overlap * outputs) / reduced + copies + passingCost(kernel, axis);
      found.push({ choice, cost: waste * (operations + loads) + beside, beside, steps: axis.isDomain ? 1 : overlap });
    }
  }
  return found;
}

/** Sums that lie in memory while the images go by (`imagesOutside`): loaded and stored for each. */
function passingCost({ extents }: Kernel, { name, isDomain }: Axis): number {
  if (isDomain || extents.length < 3 || name === axisName.reduction(0)) return 0;
  return (2 * lanes) / extents.slice(1).reduce((a, b) => a * b, 1);
}

/** Of equal ones the first; a sum's rounding is no difference. */
function byCost<T>(items: readonly T[], costOf: (item: T) => number): T[] {
  const costs = new Map(items.map((item) => [item, costOf(item)]));
  const difference = (a: T, b: T): number => (costs.get(a) ?? 0) - (costs.get(b) ?? 0);
  return items.toSorted((a, b) => (Math.abs(difference(a, b)) < 1e-9 ? 0 : difference(a, b)));
}

interface Wanted {
  /** 0 is the cheapest; others for tuning. */
  readonly rank: number;
  readonly grid?: Grid | undefined;
  /** What the best tile of registers takes. */
  readonly tileCost?: (choice: Lanes | undefined) => number;
  /** Whether the engine joins vectors, which `tileCost` knows and the first estimates do not. */
  readonly joinsVectors?: boolean | undefined;
}

/** How the lanes lie; undefined: one element after another. */
export function chooseLanes(kernel: Kernel, analysis: Analysis, wanted: Wanted): Lanes | undefined {
  const { rank, grid, tileCost, joinsVectors = false } = wanted;
  const ranked = byCost(waysOf(kernel, analysis, grid), ({ cost }) => cost);
  const most = nearlyBest * (joinsVectors ? joinedGain : 1) * (ranked[0]?.cost ?? 0);
  const near = ranked.filter(({ cost }) => cost <= most);
  const decided =
    tileCost && near.length > 1 ? byCost(near, ({ choice, beside, steps }) => steps * tileCost(choice) + beside) : near;
  return [...decided, ...ranked.slice(near.length)][Math.min(rank, ranked.length - 1)]?.choice;
}

/** Which operands to copy for lanes along an axis: none; in a chain, whose chunks are known, all that it helps. */
function turnings(kernel: Kernel, analysis: Analysis, grid: Grid | undefined, axis: string): readonly Turned[] {
  const none: Turned = new Map();
  if (!grid || kernel.accumulators.length === 0) return [none];
  const turned = turnedFor(analysis, grid, axis);
  return turned.size > 0 ? [none, turned] : [none];
}

function mayVectorise(kernel: Kernel, axis: Axis): boolean {
  if (axis.isDomain) return !(kernel.inPlace && axis.extent % lanes !== 0);
  // Where lanes are parts of a reduction, all of them write its result: not over what another one reads.
  return !kernel.inPlace && kernel.accumulators.every(({ operator }) => operator !== "minimum");
}
