/**
 * Optimizers against torch.optim: five steps with given gradients on the reference and on the devices.
 *
 * The nine golden numbers are repeated to a length that the kernels cut as they cut real parameters.
 */
import { describe, expect, it } from "vitest";
import { createGraphBuilder } from "../../compiler/graph/builder.ts";
import { type Graph, size, type StateTensor } from "../../compiler/graph/graph.ts";
import { addOptimizer, optimizerStates } from "../../compiler/model/optimizers.ts";
import type { OptimizerRecipe } from "../../language/checkedProgram.ts";
import type { Device } from "../../runtime/device/device.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import { openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { type OptimizerCase, optimizerCases } from "../golden/golden.ts";
import { hasAdapter } from "../runtime/gpuSupport.ts";
import { evaluateUpdates } from "../support/graphCase.ts";
import { runGraphs } from "../support/runGraphs.ts";
import { expectClose, type Tolerance } from "../support/tolerance.ts";

const length = 1024;
const cases = optimizerCases();
const kinds: Record<OptimizerRecipe["kind"], true> = { sgd: true, adam: true };

/** One step; the states of each case are called by its name. */
function graphOf({ name, optimizer }: OptimizerCase): { graph: Graph; own: StateTensor[] } {
  const shared = createGraphBuilder(name);
  const renamed = (tensor: StateTensor): StateTensor => ({ ...tensor, name: `${name} ${tensor.name}` });
  const builder: typeof shared = {
    ...shared,
    state: (tensor) => shared.state(renamed(tensor)),
    update: (tensor, value) => shared.update(renamed(tensor), value),
  };
  const parameters: StateTensor = { name: "parameters", shape: [length], type: "f32" };
  addOptimizer(optimizer, {
    builder,
    parameters,
    gradient: builder.state({ name: "gradient", shape: [length], type: "f32" }),
    learningRate: builder.state({ name: "rate", shape: [1], type: "f32" }),
  });
  return { graph: shared.finish(), own: [parameters, ...optimizerStates(optimizer, parameters)].map(renamed) };
}

const repeated = (data: ArrayLike<number>): number[] => Array.from({ length }, (_, i) => data[i % data.length] ?? NaN);

type States = Record<string, ArrayLike<number>>;
type Step = (graphs: readonly Graph[], states: States) => Promise<States>;

/** The parameters of every case after each of five steps. */
async function descend(step: Step): Promise<number[][][]> {
  const built = cases.map(graphOf);
  const states: States = {};
  cases.forEach(({ name, optimizer, start }, i) => {
    for (const state of built[i]?.own ?? []) states[state.name] = new Float64Array(size(state.shape));
    states[`${name} parameters`] = repeated(start.data);
    states[`${name} rate`] = [optimizer.learningRate];
  });
  const found: number[][][] = [];
  for (let number = 0; number < 5; number++) {
    for (const { name, gradients } of cases) states[`${name} gradient`] = repeated(gradients[number]?.data ?? []);
    Object.assign(
      states,
      await step(
        built.map(({ graph }) => graph),
        states,
      ),
    );
    found.push(cases.map(({ name }) => Array.from(states[`${name} parameters`] ?? [])));
  }
  return found;
}

const onReference: Step = async (graphs, states) =>
  Object.assign({}, ...graphs.map((graph) => evaluateUpdates(graph, states))) as States;

const onDevice =
  (device: Device): Step =>
  (graphs, states) => {
    const given = Object.fromEntries(Object.entries(states).map(([name, data]) => [name, Float32Array.from(data)]));
    return runGraphs(
      graphs.map((graph) => ({ graph, states: given })),
      device,
    );
  };

function check(found: readonly number[][][], tolerance: Tolerance): void {
  found.forEach((step, number) =>
    cases.forEach(({ name, parameters }, i) =>
      expectClose(`${name} after step ${number + 1}`, step[i], repeated(parameters[number]?.data ?? []), tolerance),
    ),
  );
}

/** By how much each average shrinks in a step whose gradient is zero. */
function fading({ name, optimizer }: OptimizerCase): [string, number][] {
  if (optimizer.kind === "sgd")
    return optimizer.momentum > 0 ? [[`${name} optimizer.momentum_buffer`, optimizer.momentum]] : [];
  return [
    [`${name} optimizer.exp_avg`, optimizer.beta1],
    [`${name} optimizer.exp_avg_sq`, optimizer.beta2],
  ];
}

/** One step with zero gradients: averages that would become subnormal are zero then, larger ones shrink. */
async function checkFading(step: Step): Promise<void> {
  const smallestNormal = 2 ** -126;
  const built = cases.map(graphOf);
  const states: States = {};
  for (const { name, shape } of built.flatMap(({ own }) => own)) states[name] = new Float64Array(size(shape));
  for (const { name, optimizer } of cases) {
    states[`${name} rate`] = [optimizer.learningRate];
    states[`${name} gradient`] = new Float64Array(length);
  }
  const averages = cases.flatMap(fading);
  for (const [name] of averages) states[name] = repeated([smallestNormal, -smallestNormal, 1e-30, -1e-30]);
  const graphs = built.map(({ graph }) => graph);
  const after = await step(graphs, states);
  for (const [name, factor] of averages)
    expectClose(name, Array.from(after[name] ?? []), repeated([0, 0, factor * 1e-30, -factor * 1e-30]), {
      relative: 1e-6,
      ofLargest: 0,
      absolute: 0,
    });
}

/** A step is of the size of the learning rate, and its float32 rounds a few times. */
const float32: Tolerance = { relative: 4e-7, ofLargest: 0, absolute: 2e-7 };

const withGpu = await hasAdapter();

describe("optimizers do what torch.optim does", () => {
  it("has golden values for each", () => {
    expect([...new Set(cases.map(({ optimizer }) => optimizer.kind))].sort()).toEqual(Object.keys(kinds).sort());
  });

  it("on the reference", async () => {
    check(await descend(onReference), { relative: 1e-8, ofLargest: 0, absolute: 1e-12 });
    await checkFading(onReference);
  });

  it("on the CPU device", async () => {
    const device = await openCpuDevice({ threads: 2 });
    try {
      check(await descend(onDevice(device)), float32);
      await checkFading(onDevice(device));
    } finally {
      await device.close();
    }
  });

  it.runIf(withGpu)("on the GPU device", async () => {
    const device = await openGpuDevice({ allowSoftware: true });
    try {
      check(await descend(onDevice(device)), float32);
      await checkFading(onDevice(device));
    } finally {
      await device.close();
    }
  });
});
