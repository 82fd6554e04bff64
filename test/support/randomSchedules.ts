/**
 * Random legal schedules: what `schedule.ts` allows, whether or not a cost model would choose it.
 *
 * In: a fused program, a target and a seed. Out: the program scheduled: reductions split at random, axes cut at random,
 * operands staged at random. What holds: the rules that schedules obey, and no others. Reduction axes are cut by
 * divisors, kernels of a GPU and those that overwrite what they read are cut evenly, lanes of WebAssembly lie along one axis.
 */
import type { ScheduledDispatch, ScheduledProgram } from "../../compiler/compile.ts";
import type { FusedGraph, Kernel, StoredTensor } from "../../compiler/fusion/kernel.ts";
import { splitReduction } from "../../compiler/fusion/split.ts";
import { lowerKernel } from "../../compiler/lower/lowerKernel.ts";
import { factorOf } from "../../compiler/nest/integer.ts";
import { uniform } from "../../compiler/nest/random.ts";
import { verifyNest } from "../../compiler/nest/verifyNest.ts";
import { type Analysis, analyse, type Axis } from "../../compiler/schedule/analysis.ts";
import { backendFor } from "../../compiler/schedule/backends.ts";
import type { AxisStep, Schedule } from "../../compiler/schedule/schedule.ts";
import type { Target } from "../../compiler/target.ts";

/** The next whole number below `count`. */
type Dice = (count: number) => number;

function dice(seed: number): Dice {
  let draws = 0;
  return (count) => Math.floor(uniform(seed, draws++, 13) * count);
}

function pick<T>(roll: Dice, items: readonly T[], otherwise: T): T {
  return items[roll(items.length)] ?? otherwise;
}

function shuffled<T>(roll: Dice, items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: roll(1 << 20) }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const divisors = (of: number): number[] => upTo(of).filter((step) => of % step === 0);

/** Elements of a tile and steps of a reduction that are written out: what a test can interpret in no time. */
const largestTile = 24;
const wasmLanes = 4;

interface Parts {
  readonly roll: Dice;
  readonly analysis: Analysis;
  readonly vector: string | undefined;
  /** Whether every axis is cut evenly. */
  readonly isEven: boolean;
}

/** The tile of an axis: any length up to the axis's own for the domain, a divisor of it where pieces must be even. */
function tileOf({ roll, vector, ...parts }: Parts, axis: Axis, room: number): number {
  const isEven = !axis.isDomain || parts.isEven;
  const unit = axis.name === vector ? wasmLanes : 1;
  const steps = (isEven ? divisors(axis.extent) : upTo(axis.extent)).filter((step) =>
    axis.name === vector ? step === axis.extent || step % wasmLanes === 0 : true,
  );
  const small = steps.filter((step) => Math.ceil(step / unit) <= Math.max(1, room));
  return pick(roll, small, small[0] ?? steps[0] ?? 1);
}

function chooseTiles(parts: Parts): Map<string, number> {
  let room = largestTile;
  const tiles = new Map<string, number>();
  for (const axis of shuffled(parts.roll, parts.analysis.axes)) {
    const tile = tileOf(parts, axis, room);
    room = Math.floor(room / tile);
    tiles.set(axis.name, tile);
  }
  return tiles;
}

/** Some of the axes that the tiles leave something of. */
function cutSome({ roll }: Parts, axes: readonly Axis[], tiles: ReadonlyMap<string, number>): Axis[] {
  return axes.filter(({ name, extent }) => (tiles.get(name) ?? 1) < extent && roll(2) === 0);
}

/** The axis of the lanes: one that is long enough; a minimum is not reduced over lanes, nor what overwrites its input. */
function chooseVector(roll: Dice, kernel: Kernel, { axes }: Analysis): string | undefined {
  const hasMinimum = kernel.accumulators.some(({ operator }) => operator === "minimum");
  const fitting = axes.filter(({ extent, isDomain }) => {
    const isEven = extent % wasmLanes === 0;
    return extent >= wasmLanes && (isDomain ? isEven || !kernel.inPlace : !hasMinimum && !kernel.inPlace);
  });
  return roll(4) === 0 ? undefined : pick<Axis | undefined>(roll, fitting, undefined)?.name;
}

/** Operands whose coordinates move evenly along every axis, after some of the loops, any coordinate innermost. */
function chooseStages(roll: Dice, kernel: Kernel, { operands, axes }: Analysis, loops: number): Schedule["stage"] {
  if (kernel.accumulators.length === 0) return [];
  return [...operands].flatMap(([operand, places]) => {
    const isLinear = places.flat().every((at) => axes.every(({ name }) => factorOf(at, name) !== undefined));
    if (!isLinear || roll(2) === 0) return [];
    const staged = { operand, depth: roll(loops + 1) };
    return [roll(2) === 0 ? staged : { ...staged, innermost: roll(places[0]?.length ?? 1) }];
  });
}

const step = (tiles: ReadonlyMap<string, number>, { name }: Axis): AxisStep => ({
  axis: name,
  step: tiles.get(name) ?? 1,
});

const orders = ["narrowInnermost", "accumulatorByAccumulator"] as const;

function forWasm(roll: Dice, kernel: Kernel, analysis: Analysis): Schedule {
  const vector = chooseVector(roll, kernel, analysis);
  const parts = { roll, analysis, vector, isEven: kernel.inPlace };
  const tiles = chooseTiles(parts);
  const rest = analysis.axes.filter((axis) => (tiles.get(axis.name) ?? 1) < axis.extent);
  // Chunks of one tile or more.
  const grid = cutSome(
    parts,
    rest.filter(({ isDomain }) => isDomain),
    tiles,
  ).map((axis): AxisStep => {
    const tile = tiles.get(axis.name) ?? 1;
    const chunks = (kernel.inPlace ? divisors(axis.extent) : upTo(axis.extent)).filter(
      (length) => length % tile === 0 && length < axis.extent,
    );
    return { axis: axis.name, step: pick(roll, chunks, tile) };
  });
  const left = (axis: Axis): number => grid.find((cut) => cut.axis === axis.name)?.step ?? axis.extent;
  const loops = shuffled(roll, rest)
    .filter((axis) => (tiles.get(axis.name) ?? 1) < left(axis))
    .map((axis) => step(tiles, axis));
  const stage = chooseStages(roll, kernel, analysis, loops.length);
  const order = pick(roll, orders, "narrowInnermost");
  const words = { skip: roll(2) === 0, sumsInScratch: roll(2) === 0 };
  const common = { grid, threads: [], loops, stage, order, broadcast: false, ...words };
  return vector === undefined ? { lanes: 1, ...common } : { lanes: wasmLanes, vector, ...common };
}

type GpuTarget = Target & { kind: "wgsl" };

function forWgsl(roll: Dice, kernel: Kernel, analysis: Analysis, target: GpuTarget): Schedule {
  // Lanes that compute one element twice may round differently, and then the last to write decides.
  const parts = { roll, analysis, vector: undefined, isEven: true };
  const tiles = chooseTiles(parts);
  const rest = analysis.axes.filter((axis) => (tiles.get(axis.name) ?? 1) < axis.extent);
  const domain = rest.filter(({ isDomain }) => isDomain);
  const onGrid = cutSome(parts, domain, tiles);
  const overThreads = domain.filter((axis) => !onGrid.includes(axis));
  const sizes = [8, 16, 32, 64, 128].filter((size) => size <= target.maximumInvocations);
  const lanes = overThreads.length > 0 ? pick(roll, sizes, 8) : 1;
  const { subgroupSize } = target;
  return {
    lanes,
    roll: roll(2) === 0,
    loadsInLoops: roll(2) === 0,
    storesInLoops: roll(2) === 0,
    grid: onGrid.map((axis) => step(tiles, axis)),
    threads: overThreads.map((axis) => step(tiles, axis)),
    loops: shuffled(
      roll,
      rest.filter(({ isDomain }) => !isDomain),
    ).map((axis) => step(tiles, axis)),
    stage: [],
    order: pick(roll, orders, "accumulatorByAccumulator"),
    broadcast: subgroupSize > 0 && lanes % subgroupSize === 0 && kernel.accumulators.length > 0 && roll(3) > 0,
  };
}

export function randomSchedule(
  kernel: Kernel,
  tensors: ReadonlyMap<number, StoredTensor>,
  target: Target,
  seed: number,
): Schedule {
  const roll = dice(seed);
  const analysis = analyse(kernel, tensors);
  return target.kind === "wasm" ? forWasm(roll, kernel, analysis) : forWgsl(roll, kernel, analysis, target);
}

/** As `scheduleProgram`, by chance. Every nest is verified. */
export function scheduleRandomly(program: FusedGraph, target: Target, seed: number): ScheduledProgram {
  const roll = dice(seed);
  const stored = new Map(program.tensors);
  let fresh = Math.max(0, ...stored.keys());
  const kernels = program.kernels.flatMap((kernel) => {
    const isSplit = kernel.accumulators.length > 0 && roll(4) === 0;
    const parts = kernel.extents.map((extent) => (isSplit && roll(2) === 0 ? pick(roll, divisors(extent), 1) : 1));
    if (parts.every((count) => count === 1)) return [kernel];
    const { first, second, partials } = splitReduction(kernel, parts, () => ++fresh);
    for (const partial of partials) stored.set(partial.id, partial);
    return [first, second];
  });
  const tensors = backendFor(target).place(stored);
  const subgroupSize = target.kind === "wgsl" ? target.subgroupSize : 0;
  const dispatches = kernels.map((kernel, i): ScheduledDispatch => {
    const schedule = randomSchedule(kernel, tensors, target, seed * 1000 + i);
    const name = `${kernel.origins[0]?.role ?? "kernel"} ${i}`;
    const lowered = lowerKernel({ kernel, schedule, tensors, name, header: [], subgroupSize });
    verifyNest(lowered.nest);
    return { name, kernels: [{ kernel, schedule, name }], lowered };
  });
  return { name: program.name, tensors, dispatches };
}
