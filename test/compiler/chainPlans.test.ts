/**
 * Plans of chains on made-up kernels: whatever they read and overwrite, in their own rows, elsewhere, through views or as
 * integers, runs in an order that gives what the given order gives.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Kernel, StoredTensor } from "../../compiler/fusion/kernel.ts";
import { element, index, type Index } from "../../compiler/nest/integer.ts";
import { type Chain, planChains, scratchTensors } from "../../compiler/schedule/chains.ts";
import { type ChainCosts, planPricedChains } from "../../compiler/schedule/pricedChains.ts";
import { drain } from "../../compiler/turns.ts";
import { add, type Value, zero } from "../../compiler/value.ts";

/** What is read: elements in the reader's own row, in another one, through a view; or a number as a counter or a place. */
const ways = ["row", "elsewhere", "view", "counter", "place"] as const;

interface Read {
  readonly tensor: number;
  readonly way: (typeof ways)[number];
}

interface Step {
  readonly reads: readonly Read[];
  /** Its output; states may be written again and again. */
  readonly output: number;
  readonly rows: number;
  readonly columns: number;
  readonly inPlace: boolean;
  /** Computed before and not kept. */
  readonly again?: boolean;
}

const stateCount = 3;
/** Views have numbers of their own. */
const viewOf = (tensor: number): number => tensor + 1000;

function valueOf({ tensor, way }: Read, [row = index(0), column = index(0)]: readonly Index[]): Value {
  const number = (of: number): Index => element(String(of), index(0), 15);
  switch (way) {
    case "row":
      return { kind: "access", tensor, coordinates: [row, column] };
    case "view":
      return { kind: "access", tensor: viewOf(tensor), coordinates: [row, column, index(0)] };
    case "elsewhere":
      return { kind: "access", tensor, coordinates: [index(0), column] };
    case "counter":
      return { kind: "random", counters: [number(tensor), row, column] };
    case "place":
      return { kind: "access", tensor: stateCount + 500, coordinates: [number(tensor), column] };
  }
}

function kernelOf({ reads, output, rows, columns, inPlace, again }: Step): Kernel {
  const origin = { layer: `t${output}`, line: 0, role: "forward" };
  return {
    origins: [again ? { ...origin, again } : origin],
    domain: [rows, columns],
    extents: [],
    accumulators: [],
    inPlace,
    outputs: [{ tensor: output, value: (at) => reads.reduce<Value>((sum, read) => add(sum, valueOf(read, at)), zero) }],
  };
}

function tensorsOf(steps: readonly Step[]): Map<number, StoredTensor> {
  const found = new Map<number, StoredTensor>();
  const put = (id: number, shape: readonly number[], storage: StoredTensor["storage"]): void => {
    found.set(id, { id, label: `t${id}`, shape, type: "f32", storage });
    found.set(viewOf(id), {
      id: viewOf(id),
      label: `view of t${id}`,
      shape: [...shape, 1],
      type: "f32",
      storage: { kind: "alias", of: id, offset: 0 },
    });
  };
  for (let state = 0; state < stateCount; state++)
    put(state, [steps[0]?.rows ?? 1, steps[0]?.columns ?? 1], { kind: "state", state: `s${state}` });
  for (const { output, rows, columns } of steps)
    if (output >= stateCount) put(output, [rows, columns], { kind: "temporary" });
  put(stateCount + 500, [16, steps[0]?.columns ?? 1], { kind: "state", state: "table" });
  return found;
}

const rowsAndColumns = fc.constantFrom(
  { rows: 16, columns: 4096 },
  { rows: 16, columns: 64 },
  { rows: 24, columns: 4096 },
  { rows: 7, columns: 4096 },
);

/** Programs of kernels, each writing a tensor of its own or a state again. */
const programs: fc.Arbitrary<Step[]> = fc
  .array(
    fc.record({
      reads: fc.array(
        fc.record({
          back: fc.integer({ min: 1, max: 6 }),
          way: fc.constantFrom(...ways, "row", "row"),
          state: fc.nat(8),
        }),
        { maxLength: 3 },
      ),
      size: rowsAndColumns,
      writes: fc.nat(9),
      inPlace: fc.boolean(),
      again: fc.boolean(),
    }),
    { minLength: 1, maxLength: 14 },
  )
  .map((all) =>
    all.map(({ reads, size, writes, inPlace, again }, i): Step => {
      const ownOutput = stateCount + i;
      const output = writes < stateCount ? writes : ownOutput;
      // States have the size of the first kernel.
      const { rows, columns } = output < stateCount ? (all[0]?.size ?? size) : size;
      const made = reads.flatMap(({ back, way, state }): Read[] => {
        // What it overwrites itself it reads in its place, as fusion has it.
        if (state < stateCount) return [{ tensor: state, way: state === output ? "row" : way }];
        const producer = i - back;
        const isOwn = producer >= 0 && (all[producer]?.writes ?? 0) >= stateCount;
        return isOwn ? [{ tensor: stateCount + producer, way }] : [];
      });
      return { reads: made, output, rows, columns, inPlace: inPlace && output < stateCount, again };
    }),
  );

const touches = ({ reads, output }: Step): { reads: Set<number>; writes: number } => ({
  reads: new Set(reads.flatMap(({ tensor, way }) => (way === "place" ? [tensor, stateCount + 500] : [tensor]))),
  writes: output,
});

/** Whether the later of two kernels must see, or must not disturb, what the earlier one does. */
function isBound(earlier: Step, later: Step): boolean {
  const [a, b] = [touches(earlier), touches(later)];
  return b.reads.has(a.writes) || a.reads.has(b.writes) || a.writes === b.writes;
}

function forPairs(steps: readonly Step[], visit: (a: number, b: number) => void): void {
  for (let b = 0; b < steps.length; b++) for (let a = 0; a < b; a++) visit(a, b);
}

interface Planned {
  readonly steps: readonly Step[];
  readonly kernels: readonly Kernel[];
  readonly tensors: ReadonlyMap<number, StoredTensor>;
  readonly chains: readonly Chain[];
  readonly chainOf: ReadonlyMap<number, number>;
}

/** Made-up prices by which kernels of many elements are chained in chunks, and others in one chunk. */
const costs: ChainCosts = {
  dispatch: 1000,
  barrier: 1,
  doubt: 0.01,
  compilation: () => 0,
  mostBindings: 7,
  leastChunks: 4,
  mostChunks: 16,
  duration: ({ domain: [rows = 1, columns = 1] }, chunks) => ({
    time: (rows * columns) / Math.min(2, chunks ?? 2),
    text: { accesses: 1, operations: 1 },
  }),
};

const planners = {
  "for caches": planChains,
  "by prices": (kernels: readonly Kernel[], tensors: ReadonlyMap<number, StoredTensor>) =>
    planPricedChains(kernels, tensors, costs),
} as const;

function planned(steps: readonly Step[], plan: (typeof planners)[keyof typeof planners] = planChains): Planned {
  const kernels = steps.map(kernelOf);
  const tensors = tensorsOf(steps);
  const chains = drain(plan(kernels, tensors));
  const chainOf = new Map(chains.flatMap((chain, c) => chain.kernels.map((k) => [k, c] as const)));
  return { steps, kernels, tensors, chains, chainOf };
}

describe.each(Object.entries(planners))("a plan %s", (name, plan) => {
  const check = (property: (plan: Planned) => void): void =>
    fc.assert(
      fc.property(programs, (steps) => property(planned(steps, plan))),
      { numRuns: 400, seed: 31 },
    );

  it("runs each kernel once, and keeps every order that matters", () => {
    check(({ steps, chains }) => {
      const order = chains.flatMap(({ kernels }) => kernels);
      expect(order.toSorted((a, b) => a - b)).toEqual(steps.map((_, i) => i));
      forPairs(steps, (a, b) => {
        const [earlier, later] = [steps[a], steps[b]];
        if (earlier && later && isBound(earlier, later)) expect(order.indexOf(a)).toBeLessThan(order.indexOf(b));
      });
    });
  });

  it("lets chunks run at a time: what a chain writes is touched in its own chunk, and overwritten by one kernel", () => {
    check(({ steps, chains, chainOf }) => {
      forPairs(steps, (a, b) => {
        const [earlier, later] = [steps[a], steps[b]];
        const chain = chains[chainOf.get(a) ?? -1];
        if (!earlier || !later || chainOf.get(a) !== chainOf.get(b) || (chain?.chunks ?? 1) === 1) return;
        for (const { tensor, way } of later.reads)
          if (tensor === earlier.output) expect(["row", "view"]).toContain(way);
        expect(touches(earlier).reads.has(later.output)).toBe(false);
        expect(earlier.output).not.toBe(later.output);
        expect(later.inPlace).toBe(false);
      });
    });
  });

  it("computes again where it is needed, not sooner", () => {
    check(({ steps, chains }) => {
      for (const { kernels } of chains)
        for (const [place, k] of kernels.entries()) {
          const step = steps[k];
          if (place === 0 || !step?.again) continue;
          expect(kernels.slice(place + 1).some((later) => steps[later] && isBound(step, steps[later]))).toBe(true);
        }
    });
  });

  it("cuts every kernel of a chain into the same whole chunks", () => {
    check(({ steps, chains }) => {
      for (const { kernels, chunks } of chains) {
        expect(chunks === undefined).toBe(kernels.length === 1);
        for (const k of kernels) expect((steps[k]?.rows ?? 1) % (chunks ?? 1)).toBe(0);
      }
    });
  });

  it("takes what is read as an integer for the same all through a chain", () => {
    check(({ steps, chains }) => {
      for (const { kernels } of chains.filter((chain) => chain.kernels.length > 1)) {
        const members = kernels.flatMap((k) => steps[k] ?? []);
        const written = new Set(members.map(({ output }) => output));
        for (const { tensor, way } of members.flatMap(({ reads }) => reads))
          if (way === "counter" || way === "place") expect(written.has(tensor)).toBe(false);
      }
    });
  });

  it("fits the bindings of an adapter", () => {
    if (name !== "by prices") return;
    check(({ steps, chains }) => {
      for (const { kernels } of chains.filter((chain) => chain.kernels.length > 1)) {
        const members = kernels.flatMap((k) => steps[k] ?? []);
        const bound = new Set(members.flatMap((step) => [...touches(step).reads, step.output]));
        expect(bound.size).toBeLessThanOrEqual(costs.mostBindings);
      }
    });
  });

  it("puts into scratch only what nothing but its chain reads, as it is", () => {
    check(({ steps, kernels, tensors, chains, chainOf }) => {
      for (const [id, { storage }] of scratchTensors(chains, kernels, tensors)) {
        expect(id).toBeGreaterThanOrEqual(stateCount);
        const chain = chains[chainOf.get(id - stateCount) ?? -1];
        expect(storage).toEqual({ kind: "scratch", chunks: chain?.chunks });
        steps.forEach(({ reads }, k) => {
          for (const { tensor, way } of reads.filter((read) => read.tensor === id))
            expect([tensor, way, chainOf.get(k)]).toEqual([id, "row", chainOf.get(id - stateCount)]);
        });
      }
    });
  });
});

describe("chains", () => {
  const step = (output: number, reads: readonly Read[], rows = 16, columns = 4096): Step => {
    return { reads, output, rows, columns, inPlace: false };
  };
  const chain = (...steps: readonly Step[]): readonly Chain[] => planned(steps).chains;
  const row = (tensor: number): Read => ({ tensor, way: "row" });

  it("hold what stays in its rows, and fewer, larger chunks where rows are many", () => {
    expect(chain(step(3, [row(0)]), step(4, [row(3)]))).toEqual([{ kernels: [0, 1], chunks: 16 }]);
    expect(chain(step(3, [row(0)], 64), step(4, [row(3)], 64))).toEqual([{ kernels: [0, 1], chunks: 16 }]);
    // Chunks of more than the cache holds stay small.
    const [{ chunks = 0 } = {}] = chain(step(3, [row(0)], 64, 1 << 17), step(4, [row(3)], 64, 1 << 17));
    expect(chunks).toBe(64);
  });

  it("end where another row is read", () => {
    const plan = chain(step(3, [row(0)]), step(4, [{ tensor: 3, way: "elsewhere" }]));
    expect(plan.map(({ kernels }) => kernels)).toEqual([[0], [1]]);
  });

  it("keep a random number's counter from what advances it", () => {
    const draws = step(3, [{ tensor: 0, way: "counter" }], 16, 4);
    const advances = step(0, [row(0)], 16, 4);
    expect(chain(draws, advances, draws.output === 3 ? step(4, [row(3)], 16, 4) : draws)).toEqual([
      { kernels: [0, 2], chunks: 1 },
      { kernels: [1], chunks: undefined },
    ]);
  });

  it("take small kernels of any kind together", () => {
    const small = [step(3, [row(0)], 4, 4), step(4, [{ tensor: 3, way: "elsewhere" }], 7, 4), step(0, [row(4)], 4, 4)];
    expect(chain(...small)).toEqual([{ kernels: [0, 1, 2], chunks: 1 }]);
  });
});

describe("chains by prices", () => {
  const tensors = (kernels: readonly Kernel[]): Map<number, StoredTensor> =>
    new Map(
      kernels.flatMap(({ outputs, domain }) =>
        outputs.map(({ tensor: id }): [number, StoredTensor] => [
          id,
          { id, label: `t${id}`, shape: domain, type: "f32", storage: { kind: "temporary" } },
        ]),
      ),
    );
  const first = kernelOf({ reads: [], output: 3, rows: 16, columns: 64, inPlace: false });
  const local = kernelOf({ reads: [{ tensor: 3, way: "row" }], output: 4, rows: 16, columns: 64, inPlace: false });
  const far = kernelOf({ reads: [{ tensor: 3, way: "elsewhere" }], output: 4, rows: 16, columns: 64, inPlace: false });
  const plan = (kernels: readonly Kernel[], changed: Partial<ChainCosts>): readonly (number | undefined)[] =>
    drain(planPricedChains(kernels, tensors(kernels), { ...costs, ...changed })).map(({ chunks }) => chunks);
  const lasting =
    (alone: number, inChunks: number, inOne: number): ChainCosts["duration"] =>
    (_, chunks) => ({
      time: chunks === undefined ? alone : chunks === 1 ? inOne : inChunks,
      text: { accesses: 10, operations: 0 },
    });

  it("take what costs less than a dispatch more, in the best number of chunks", () => {
    expect(plan([first, local], { duration: lasting(5000, 5400, 9000) })).toEqual([4]);
    expect(plan([first, local], { duration: lasting(5000, 5600, 9000) })).toEqual([undefined, undefined]);
    expect(plan([first, local], { duration: lasting(500, 500, 400) })).toEqual([1]);
  });

  it("run in one chunk what reads other rows", () => {
    expect(plan([first, far], { duration: lasting(5000, 5000, 5400) })).toEqual([1]);
    expect(plan([first, far], { duration: lasting(5000, 5000, 9000) })).toEqual([undefined, undefined]);
  });

  it("leave apart what is long, for the model may err", () => {
    expect(plan([first, local], { duration: lasting(100_000, 100_000, Infinity) })).toEqual([undefined, undefined]);
    expect(plan([first, local], { duration: lasting(100_000, 100_000, Infinity), doubt: 0 })).toEqual([4]);
  });

  it("leave apart what would be long to compile", () => {
    expect(
      plan([first, local], {
        duration: lasting(5000, 5000, 5000),
        compilation: ({ accesses }) => 4 * accesses * accesses,
      }),
    ).toEqual([1]);
    expect(
      plan([first, local], {
        duration: lasting(5000, 5000, 5000),
        compilation: ({ accesses }) => 6 * accesses * accesses,
      }),
    ).toEqual([undefined, undefined]);
  });
});
