/**
 * Kernels that measure a device: multiply-adds without memory, and copies without arithmetic.
 *
 * In: a target. Out: a plan with a program for each candidate, and how much each does. They are loop nests and go through
 * the printers of all kernels, so that a peak is what our code can reach. What holds: every result is stored and every
 * value depends on memory, so that no compiler can do without any of it; values stay finite.
 */
import { add, index, multiply, variable } from "../nest/integer.ts";
import { laneName, type Expression, type LoopNest, type Statement, workgroupName } from "../nest/loopNest.ts";
import type { Target } from "../target.ts";
import { planOfNests } from "./nestPlan.ts";
import type { ExecutionPlan } from "../plan/plan.ts";

/** Independent accumulators of a lane, and how often they are advanced in one turn of the loop. */
export interface ChainShape {
  readonly chains: number;
  readonly unrolled: number;
}

export interface CalibrationProgram {
  /** Of the plan. */
  readonly program: string;
  readonly kind: "multiplyAdd" | "memory" | "cache";
  /** `12 accumulators, 8 steps a turn` */
  readonly shape: string;
  /** Floating-point operations of `multiplyAdd` (two each), bytes read and written of the others. */
  readonly amount: number;
}

export interface Calibration {
  readonly plan: ExecutionPlan;
  readonly programs: readonly CalibrationProgram[];
  /** Bytes of ones for the plan's buffers `input`, as f32: what the chains begin with. */
  readonly inputs: readonly { readonly buffer: number; readonly length: number }[];
}

/**
 * Units take a multiply-add or two a cycle and need four to eight cycles for each; registers are sixteen or more. Long turns hide
 * the loop, short ones are all that some engines keep in registers; each costs a driver time to compile.
 */
const chainShapes: readonly ChainShape[] = (
  [
    [8, 16],
    [10, 16],
    [12, 4],
    [12, 16],
    [12, 32],
    [16, 16],
  ] as const
).map(([chains, unrolled]) => ({ chains, unrolled }));

/** Multiply-adds of one program, all lanes together: some milliseconds on a core. */
const multiplyAdds = 2 ** 29;
/** Bytes of the source: more than caches hold, less than a default binding of WebGPU; and what most caches hold. */
const copied = { memory: 2 ** 26, cache: 2 ** 21 } as const;

export function calibrationFor(target: Target): Calibration {
  const lanes = target.kind === "wasm" ? 4 : Math.min(64, target.maximumInvocations);
  const widths = target.kind === "wasm" ? [1] : [1, 4, 16];
  const vectors = target.kind === "wasm" && target.joinsVectors ? 2 : 1;
  const peaks = chainShapes.map((shape) => chainNest(shape, lanes, vectors));
  const copies = (["memory", "cache"] as const).flatMap((kind) =>
    widths.map((width) => ({ kind, ...copyNest(kind, lanes, width) })),
  );
  const all = [
    ...peaks.map(({ nest, operations }, i) => ({
      nest,
      kind: "multiplyAdd" as const,
      shape: `${chainShapes[i]?.chains} accumulators, ${chainShapes[i]?.unrolled} steps a turn`,
      amount: operations,
    })),
    ...copies.map(({ nest, kind, bytes }) => ({ nest, kind, shape: nest.name, amount: bytes })),
  ];
  const plan = planOfNests(
    all.map(({ nest }) => nest),
    target,
  );
  return {
    plan,
    programs: all.map(({ nest, kind, shape, amount }) => ({ program: nest.name, kind, shape, amount })),
    inputs: plan.buffers.flatMap(({ name, bytes }, buffer) =>
      name.startsWith("input") ? [{ buffer, length: bytes / 4 }] : [],
    ),
  };
}

const reference = (name: string): Expression => ({ kind: "reference", name });

/** One vector of a chain. */
interface ChainVector {
  readonly vector: number;
  readonly chain: number;
  readonly name: string;
}

/** `a = a·factor + 1` in each chain, again and again: with a factor of a half it tends to two. `vectors` lie side by side in each. */
function chainNest(
  { chains, unrolled }: ChainShape,
  lanes: number,
  vectors: number,
): { nest: LoopNest; operations: number } {
  const workgroups = Math.max(64, 1024 / lanes);
  const turns = Math.ceil(multiplyAdds / (workgroups * lanes * chains * vectors * unrolled));
  const lane = index(variable(laneName, lanes));
  const places = Array.from({ length: vectors }, (_, vector) =>
    add(multiply(index(variable(workgroupName, workgroups)), lanes * vectors), lane, vector * lanes),
  );
  const all = Array.from({ length: chains * vectors }, (_, i): ChainVector => {
    const [chain, vector] = [Math.floor(i / vectors), i % vectors];
    return { chain, vector, name: `chain${chain}_${vector}` };
  });
  const step = ({ name, vector }: ChainVector): Statement => ({
    kind: "assign",
    name,
    value: { kind: "multiplyAdd", a: reference(name), b: reference(`factor${vector}`), c: reference(`one${vector}`) },
  });
  const begin = ({ name, vector, chain: value }: ChainVector): Statement => ({
    kind: "variable",
    name,
    initial: { kind: "binary", operator: "add", left: reference(`one${vector}`), right: { kind: "constant", value } },
  });
  const body: Statement[] = [
    ...places.flatMap((at, vector): Statement[] => [
      { kind: "let", name: `one${vector}`, value: { kind: "load", buffer: `input${chains}`, index: at } },
      {
        kind: "let",
        name: `factor${vector}`,
        value: {
          kind: "binary",
          operator: "multiply",
          left: reference(`one${vector}`),
          right: { kind: "constant", value: 0.5 },
        },
      },
    ]),
    ...all.map(begin),
    {
      kind: "loop",
      variable: variable("turn", turns),
      count: turns,
      body: Array.from({ length: unrolled }, () => all.map(step)).flat(),
    },
    ...places.map((at, vector): Statement => ({
      kind: "store",
      buffer: `output${chains}`,
      index: at,
      value: all
        .filter((of) => of.vector === vector)
        .map(({ name }) => reference(name))
        .reduce((left, right) => ({ kind: "binary", operator: "add", left, right })),
    })),
  ];
  const length = workgroups * lanes * vectors;
  const nest: LoopNest = {
    name: `multiply-adds in ${chains} chains by ${unrolled}`,
    header: ["measures the device's multiply-adds"],
    bindings: [
      { name: `output${chains}`, type: "f32", access: "readwrite", length },
      { name: `input${chains}`, type: "f32", access: "read", length },
    ],
    scratch: [],
    workgroups,
    lanes,
    body,
  };
  return { nest, operations: 2 * turns * length * chains * unrolled };
}

/** `width` elements of each lane lie beside one another. */
function copyNest(kind: keyof typeof copied, lanes: number, width: number): { nest: LoopNest; bytes: number } {
  const length = copied[kind] / 4;
  const unrolled = Math.max(1, 8 / width);
  const piece = lanes * width * unrolled;
  const workgroups = Math.min(256, length / piece);
  const turns = length / piece / workgroups;
  const lane = index(variable(laneName, lanes));
  const start = add(
    multiply(index(variable(workgroupName, workgroups)), turns * piece),
    multiply(index(variable("turn", turns)), piece),
  );
  const places = Array.from({ length: unrolled }, (_, u) =>
    Array.from({ length: width }, (__, i) => add(start, multiply(lane, width), u * lanes * width + i)),
  ).flat();
  const load = places.map((at, i): Statement => ({
    kind: "let",
    name: `value${i}`,
    value: { kind: "load", buffer: `source_${kind}`, index: at },
  }));
  const store = places.map((at, i): Statement => ({
    kind: "store",
    buffer: `target_${kind}`,
    index: at,
    value: reference(`value${i}`),
  }));
  const nest: LoopNest = {
    name: `copies ${copied[kind] / 2 ** 10} KiB, ${width} in a row`,
    header: ["measures the device's memory"],
    bindings: [
      { name: `target_${kind}`, type: "f32", access: "readwrite", length },
      { name: `source_${kind}`, type: "f32", access: "read", length },
    ],
    scratch: [],
    workgroups,
    lanes,
    body: [{ kind: "loop", variable: variable("turn", turns), count: turns, body: [...load, ...store] }],
  };
  return { nest, bytes: 2 * copied[kind] };
}
