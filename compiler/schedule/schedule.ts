/**
 * A schedule: how a kernel's axes are spread over workgroups, invocations, loops and registers. Plain data.
 *
 * Axes are named `d0, d1, …` (the domain) and `r0, r1, …` (the reduction). An axis is cut by `step`s from outside to
 * inside: each entry of `grid`, `threads` and `loops` advances its axis by its step; the last step of an axis is its
 * tile, unrolled into registers. An axis that appears nowhere is unrolled whole. Cutting never changes a result beyond
 * rounding: where a step does not divide the extent of a domain axis, the last piece overlaps the one before it; steps
 * of reduction axes divide.
 */
export interface AxisStep {
  readonly axis: string;
  readonly step: number;
  /** Of loops: the turns are written out one after another, where each is of another kind. */
  readonly unrolled?: boolean;
}

/** An operand that is computed once into scratch, after entering so many of the loops. */
export interface StagedOperand {
  readonly operand: string;
  readonly depth: number;
  /** The coordinate along which neighbours lie side by side in scratch; the last one if left out. */
  readonly innermost?: number;
}

export interface Schedule {
  /** Lanes of a workgroup: 4 or 1 for WebAssembly, the workgroup's size for WGSL. */
  readonly lanes: number;
  /** The same for all lanes of a workgroup. */
  readonly grid: readonly AxisStep[];
  /** WGSL: flattened over the lanes of all workgroups that share a grid place, the last axis fastest. */
  readonly threads: readonly AxisStep[];
  /** A single workgroup takes all threads of a grid place, as many as it has lanes in each round (kernels of chains). */
  readonly rounds?: boolean;
  /** From outside to inside. Reduction loops outside of domain loops keep their accumulators in memory. */
  readonly loops: readonly AxisStep[];
  /** WebAssembly: the axis whose consecutive elements are the lanes. */
  readonly vector?: string;
  readonly stage: readonly StagedOperand[];
  /**
   * Order of the products of one turn of the innermost loop. Narrowest axis innermost, one reduction step after another:
   * its operand stays in registers while the other streams (WebAssembly). Or all steps of one accumulator before the
   * next one's, the widest axis fastest: each accumulator is loaded and stored once, where there are too many for the
   * registers (WGSL; measured 1.4 times faster on a software adapter).
   */
  readonly order: "narrowInnermost" | "accumulatorByAccumulator";
  /** Loads that are the same in all lanes come by one lane-indexed load and broadcasts (fixed subgroup size only). */
  readonly broadcast: boolean;
  /** What the next turn of the innermost loop would load again stays in registers (WGSL). */
  readonly roll?: boolean;
  /**
   * Loads outside of reductions, stores: many of one kind go through memory of the lane and a loop with one of them, which
   * software adapters compile faster (WGSL).
   */
  readonly loadsInLoops?: boolean;
  readonly storesInLoops?: boolean;
  /** Turns of a reduction loop that would only add zeros are left out (WebAssembly: all lanes turn alike). */
  readonly skip?: boolean;
  /** Sums go through scratch, side by side along the lanes: there an engine finds the vectors that it joins (WebAssembly). */
  readonly sumsInScratch?: boolean;
}

/** Loads or stores of one kind are a loop where it turns so many times. */
export const leastTurns = 4;

export const axisName = {
  domain: (dimension: number): string => `d${dimension}`,
  reduction: (dimension: number): string => `r${dimension}`,
};

/** `grid d0:1 d1:2 | threads d2:1 | loops r0:1 r1:1 | vector d3 | stage input@1` */
export function printSchedule(schedule: Schedule): string {
  const steps = (list: readonly AxisStep[]): string =>
    list.map(({ axis, step, unrolled }) => `${axis}:${step}${unrolled ? " unrolled" : ""}`).join(" ");
  const parts = [
    `lanes ${schedule.lanes}`,
    schedule.grid.length > 0 ? `grid ${steps(schedule.grid)}` : "",
    schedule.threads.length > 0 ? `threads ${steps(schedule.threads)}${schedule.rounds ? " in rounds" : ""}` : "",
    schedule.loops.length > 0 ? `loops ${steps(schedule.loops)}` : "",
    schedule.vector ? `vector ${schedule.vector}` : "",
    ...schedule.stage.map(printStagedOperand),
    schedule.broadcast ? "broadcast" : "",
    schedule.roll ? "roll" : "",
    schedule.loadsInLoops ? "loads in loops" : "",
    schedule.storesInLoops ? "stores in loops" : "",
    schedule.skip ? "skip" : "",
    schedule.sumsInScratch ? "sums in scratch" : "",
  ];
  return parts.filter((part) => part !== "").join(" | ");
}

function printStagedOperand({ operand, depth, innermost }: StagedOperand): string {
  return `stage ${operand}@${depth}${innermost === undefined ? "" : ` along ${innermost}`}`;
}
