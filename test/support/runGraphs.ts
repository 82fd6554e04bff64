/** Runs graphs on a device or by interpreting their nests: each graph is a program of one plan. */
import { fuse, makePlan, scheduleProgram } from "../../compiler/compile.ts";
import { type Graph, size, type StateTensor } from "../../compiler/graph/graph.ts";
import type { Target } from "../../compiler/target.ts";
import type { Device } from "../../runtime/device/device.ts";
import { interpretProgram, type TypedArray } from "./interpretProgram.ts";

export interface GraphRun {
  readonly graph: Graph;
  /** By name; those that are not given start at zero. */
  readonly states: Readonly<Record<string, TypedArray>>;
}

/** Chooses schedules; the compiler's own by default. */
export type Scheduler = typeof scheduleProgram;

export function statesOf(graph: Graph): StateTensor[] {
  const found = new Map<string, StateTensor>();
  for (const node of graph.nodes) if (node.operator === "state") found.set(node.attributes.name, node.attributes);
  for (const { state } of graph.updates) found.set(state.name, state);
  return [...found.values()];
}

function initial({ name, shape, type }: StateTensor, states: GraphRun["states"]): TypedArray {
  const given = states[name];
  if (type === "u32") return Uint32Array.from(given ?? new Uint32Array(size(shape)));
  if (type === "u8") return Uint8Array.from(given ?? new Uint8Array(size(shape)));
  return Float32Array.from(given ?? new Float32Array(size(shape)));
}

/** The states after running, by name. */
export function interpretGraph(
  { graph, states }: GraphRun,
  target: Target,
  isFused = true,
  schedule: Scheduler = scheduleProgram,
): Record<string, TypedArray> {
  const memory = Object.fromEntries(statesOf(graph).map((state) => [state.name, initial(state, states)]));
  const program = schedule(fuse(graph, { target, fuse: isFused }), target);
  interpretProgram(program, memory, target.kind === "wgsl" ? target.subgroupSize : 0);
  return memory;
}

/** The states after running each graph once, by name. Names must differ between graphs. */
export async function runGraphs(
  runs: readonly GraphRun[],
  device: Device,
  isFused = true,
  schedule: Scheduler = scheduleProgram,
): Promise<Record<string, TypedArray>> {
  const { target } = device;
  const graphs = runs.map(({ graph }) => graph);
  const all = runs.flatMap(({ graph, states }) => statesOf(graph).map((state) => ({ state, states })));
  const programs = graphs.map((graph) => schedule(fuse(graph, { target, fuse: isFused }), target));
  const unique = [...new Map(all.map(({ state }) => [state.name, state])).values()];
  const plan = makePlan({ graphs, states: unique, parameters: [], statistics: [] }, programs, target);
  const session = await device.open(plan);
  try {
    for (const { state, states } of all) {
      const { buffer, offset } = plan.tensors[state.name] ?? { buffer: -1, offset: 0 };
      const values = initial(state, states);
      const words = new Uint8Array(Math.ceil(values.byteLength / 4) * 4);
      words.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      session.write(buffer, offset, words);
    }
    for (const { name } of graphs) await session.run(name);
    const results: Record<string, TypedArray> = {};
    for (const { updates } of graphs)
      for (const { state } of updates) {
        const { buffer, offset } = plan.tensors[state.name] ?? { buffer: -1, offset: 0 };
        const bytes = Uint8Array.from(await session.read(buffer, offset, 4 * size(state.shape)));
        results[state.name] = state.type === "f32" ? new Float32Array(bytes.buffer) : new Uint32Array(bytes.buffer);
      }
    return results;
  } finally {
    await session.close();
  }
}
