/**
 * Small computations to be checked, many of them in one graph: what a device has to compile is then compiled once.
 *
 * In: cases, each with its inputs and a function that adds its nodes to a graph. Out: one graph and its states; what the
 * cases give on the reference, in interpreted loop nests, on a device. What holds: the states of case i are called
 * `i.name`, so that cases share nothing; all get the same float32 inputs.
 */
import { createGraphBuilder, type GraphBuilder } from "../../compiler/graph/builder.ts";
import type { Graph, StateTensor } from "../../compiler/graph/graph.ts";
import type { ElementType } from "../../compiler/nest/loopNest.ts";
import { argument } from "../../compiler/operators/formula.ts";
import { evaluateGraph } from "../../compiler/reference/evaluate.ts";
import type { Target } from "../../compiler/target.ts";
import type { Device } from "../../runtime/device/device.ts";
import type { TypedArray } from "./interpretProgram.ts";
import { interpretGraph, runGraphs, type Scheduler } from "./runGraphs.ts";

export interface InputTensor {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
  /** f32, if not given. */
  readonly type?: ElementType;
}

/** Where a case adds its nodes. */
export interface CaseGraph {
  /** States have the case's own names. */
  readonly builder: GraphBuilder;
  /** The node of one of the inputs. */
  readonly input: (name: string) => number;
}

export interface GraphCase {
  readonly name: string;
  readonly inputs: Readonly<Record<string, InputTensor>>;
  /** Adds the nodes and returns those to look at; states that it updates are looked at, too. */
  readonly build: (graph: CaseGraph) => Readonly<Record<string, number>>;
}

/** By name: the outputs, and the states that the case updates. */
export type Results = Readonly<Record<string, ArrayLike<number>>>;

export interface JoinedCases {
  readonly graph: Graph;
  readonly states: Readonly<Record<string, TypedArray>>;
  /** What lies in which updated state. */
  readonly outputs: readonly { readonly number: number; readonly name: string; readonly state: string }[];
}

export const origin = { layer: "case", line: 0, role: "forward" } as const;

const arrays = { f32: Float32Array, u32: Uint32Array, u8: Uint8Array } as const;
const nameOf = (number: number, name: string): string => `${number}.${name}`;

/** The same builder, its states called `number.name`. */
function withPrefix(builder: GraphBuilder, number: number): GraphBuilder {
  const renamed = (tensor: StateTensor): StateTensor => ({ ...tensor, name: nameOf(number, tensor.name) });
  return {
    ...builder,
    state: (tensor) => builder.state(renamed(tensor)),
    update: (tensor, value) => builder.update(renamed(tensor), value),
  };
}

export function joinCases(cases: readonly GraphCase[]): JoinedCases {
  const shared = createGraphBuilder("run");
  const states: Record<string, TypedArray> = {};
  const outputs: JoinedCases["outputs"][number][] = [];
  cases.forEach(({ inputs, build }, number) => {
    const builder = withPrefix(shared, number);
    for (const [name, { data, type = "f32" }] of Object.entries(inputs))
      states[nameOf(number, name)] = arrays[type].from(data);
    const input = (name: string): number => {
      const found = inputs[name];
      if (!found) throw new Error(`there is no input ${name}`);
      return builder.state({ name, shape: found.shape, type: found.type ?? "f32" });
    };
    // Two outputs of one value lie in one state.
    const places = new Map<number, string>();
    for (const [name, node] of Object.entries(build({ builder, input }))) {
      const place = places.get(node) ?? name;
      outputs.push({ number, name, state: nameOf(number, place) });
      if (places.has(node)) continue;
      places.set(node, name);
      // A copy: an output may be a view of an input, which cannot lie in two places.
      const copy = builder.add("map", { formula: argument(0) }, [node], origin);
      builder.update({ name, shape: builder.shapeOf(node), type: "f32" }, copy);
    }
  });
  return { graph: shared.finish(), states, outputs };
}

type States = Readonly<Record<string, ArrayLike<number>>>;

function sortByCase(cases: readonly GraphCase[], { outputs }: JoinedCases, updated: States): Results[] {
  const sorted = cases.map((): Record<string, ArrayLike<number>> => ({}));
  for (const { number, name, state } of outputs) {
    const results = sorted[number];
    const data = updated[state];
    if (results && data) results[name] = data;
  }
  return sorted;
}

/** What each updated state becomes, in float64. */
export function evaluateUpdates(graph: Graph, states: States): Record<string, ArrayLike<number>> {
  const values = evaluateGraph(graph, states);
  return Object.fromEntries(graph.updates.map(({ state, value }) => [state.name, values.get(value) ?? []]));
}

export function evaluateCases(cases: readonly GraphCase[]): Results[] {
  const joined = joinCases(cases);
  return sortByCase(cases, joined, evaluateUpdates(joined.graph, joined.states));
}

/** Through fusion, schedules and lowering, the loop nests interpreted. */
export function interpretCases(cases: readonly GraphCase[], target: Target, schedule?: Scheduler): Results[] {
  const joined = joinCases(cases);
  return sortByCase(cases, joined, interpretGraph(joined, target, true, schedule));
}

export async function runCases(cases: readonly GraphCase[], device: Device, schedule?: Scheduler): Promise<Results[]> {
  const joined = joinCases(cases);
  return sortByCase(cases, joined, await runGraphs([joined], device, true, schedule));
}
