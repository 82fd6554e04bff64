/**
 * Whether a schedule that was written down earlier may be used for a kernel.
 *
 * In: anything that JSON can hold; a kernel, its tensors, a target. Out: a schedule, or nothing. What holds: what passes
 * obeys the rules by which schedules are made, so that it computes what the default one computes.
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import { size } from "../graph/graph.ts";
import { cutAxes } from "./axes.ts";
import { InvariantError } from "../invariantError.ts";
import type { Target } from "../target.ts";
import { analyse } from "../schedule/analysis.ts";
import type { AxisStep, Schedule, StagedOperand } from "../schedule/schedule.ts";

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;

function readList<T>(
  value: unknown,
  read: (entry: Readonly<Record<string, unknown>>) => T | undefined,
): T[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const found = value.flatMap((entry: unknown) => (isRecord(entry) ? (read(entry) ?? []) : []));
  return found.length === value.length ? found : undefined;
}

function readStep({ axis, step, unrolled }: Readonly<Record<string, unknown>>): AxisStep | undefined {
  if (typeof axis !== "string" || !isCount(step)) return undefined;
  return unrolled === true ? { axis, step, unrolled } : { axis, step };
}

function readStagedOperand({
  operand,
  depth,
  innermost,
}: Readonly<Record<string, unknown>>): StagedOperand | undefined {
  if (typeof operand !== "string" || !isCount(depth)) return undefined;
  if (innermost === undefined) return { operand, depth };
  return isCount(innermost) ? { operand, depth, innermost } : undefined;
}

/** A schedule from JSON; undefined where it is none. */
export function readSchedule(value: unknown): Schedule | undefined {
  if (!isRecord(value)) return undefined;
  const { lanes, vector, order, broadcast, roll, skip, rounds, sumsInScratch, loadsInLoops, storesInLoops } = value;
  const [grid, threads, loops] = [value["grid"], value["threads"], value["loops"]].map((list) =>
    readList(list, readStep),
  );
  const stage = readList(value["stage"], readStagedOperand);
  if (!isCount(lanes) || lanes === 0 || !grid || !threads || !loops || !stage) return undefined;
  if (order !== "narrowInnermost" && order !== "accumulatorByAccumulator") return undefined;
  return {
    lanes,
    grid,
    threads,
    loops,
    stage,
    order,
    broadcast: broadcast === true,
    ...(typeof vector === "string" ? { vector } : {}),
    ...(roll === true ? { roll } : {}),
    ...(loadsInLoops === true ? { loadsInLoops } : {}),
    ...(storesInLoops === true ? { storesInLoops } : {}),
    ...(skip === true ? { skip } : {}),
    ...(sumsInScratch === true ? { sumsInScratch } : {}),
    ...(rounds === true ? { rounds } : {}),
  };
}

/** A rule that a schedule obeys. */
type Rule = (schedule: Schedule, kernel: Kernel, target: Target) => boolean;

const isDomain = ({ axis }: AxisStep): boolean => axis.startsWith("d");

/** Products of a body that are written out: candidates have a thousand at most; a million would take hours to compile. */
const longestBody = 1 << 14;

function isShort(schedule: Schedule, kernel: Kernel): boolean {
  const { loops, tile } = cutAxes(kernel, schedule);
  const turns = loops.map(({ unrolled, count }) => (unrolled ? count : 1));
  const products = size([...tile.values(), ...turns]) * Math.max(1, kernel.accumulators.length);
  return products <= longestBody * (schedule.vector === undefined ? 1 : schedule.lanes);
}

const commonRules: readonly Rule[] = [
  isShort,
  // Places that share a result would not wait for one another.
  ({ grid, threads }) => [...grid, ...threads].every(isDomain),
  ({ stage, loops }) => stage.every(({ depth }) => depth <= loops.length),
];

const rules: { readonly [K in Target["kind"]]: readonly Rule[] } = {
  wasm: [
    ({ lanes, vector }) => lanes === (vector === undefined ? 1 : 4),
    ({ threads, roll, broadcast }) => threads.length === 0 && !roll && !broadcast,
    ({ loadsInLoops, storesInLoops }) => !loadsInLoops && !storesInLoops,
    (schedule, kernel) => schedule.vector === undefined || isVectorFine(schedule, schedule.vector, kernel),
    (schedule, kernel) => !kernel.inPlace || isEven(schedule, kernel),
  ],
  wgsl: [
    ({ vector, stage, skip, sumsInScratch }) => vector === undefined && stage.length === 0 && !skip && !sumsInScratch,
    ({ lanes }, _, target) => target.kind === "wgsl" && lanes <= target.maximumInvocations,
    ({ lanes, broadcast }, { inPlace }, target) =>
      !broadcast ||
      (!inPlace && target.kind === "wgsl" && target.subgroupSize > 0 && lanes % target.subgroupSize === 0),
    isEven,
  ],
};

function isEven(schedule: Schedule, kernel: Kernel): boolean {
  const { grid, threads, loops } = cutAxes(kernel, schedule);
  return [...grid, ...threads, ...loops].every(({ extent, step }) => extent % step === 0);
}

/** Lanes are whole along a domain axis; along a reduction they are no part of what is overwritten, and sums or maxima. */
function isVectorFine(schedule: Schedule, vector: string, kernel: Kernel): boolean {
  const tile = cutAxes(kernel, schedule).tile.get(vector) ?? 0;
  if (tile < schedule.lanes) return false;
  if (vector.startsWith("d")) return !kernel.inPlace || tile % schedule.lanes === 0;
  return !kernel.inPlace && kernel.accumulators.every(({ operator }) => operator !== "minimum");
}

export interface Subject {
  readonly kernel: Kernel;
  readonly tensors: ReadonlyMap<number, StoredTensor>;
  readonly target: Target;
  readonly chunks?: number | undefined;
}

export function isLegal(schedule: Schedule, { kernel, tensors, target, chunks }: Subject): boolean {
  try {
    // Throws where a piece is longer than what is cut, or no part of a reduction.
    cutAxes(kernel, schedule);
    const { operands } = analyse(kernel, tensors);
    const isStageable = ({ operand, innermost = 0 }: StagedOperand): boolean =>
      innermost < (operands.get(operand)?.[0]?.length ?? 0);
    if (!schedule.stage.every(isStageable)) return false;
    if (chunks !== undefined && !isCutInto(schedule, kernel, chunks)) return false;
    return [...commonRules, ...rules[target.kind]].every((rule) => rule(schedule, kernel, target));
  } catch (problem) {
    if (problem instanceof InvariantError) return false;
    throw problem;
  }
}

/** Kernels of a chain: the grid has the chunks of the first axis and nothing else; a workgroup takes all of a chunk. */
function isCutInto({ grid, threads, rounds }: Schedule, { domain }: Kernel, chunks: number): boolean {
  if (threads.length > 0 && !rounds) return false;
  if (chunks === 1) return grid.length === 0;
  const [only] = grid;
  return grid.length === 1 && only?.axis === "d0" && only.step === (domain[0] ?? 1) / chunks;
}
