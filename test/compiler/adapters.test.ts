/**
 * GPUs that are not here: what is generated for the limits of common adapters stays within them, is legal, and computes what
 * the CPU's schedules compute. Interpreted for every size of subgroups; on the adapter that is here as far as its limits go.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../compiler/compile.ts";
import { size } from "../../compiler/graph/graph.ts";
import { verifyNest } from "../../compiler/nest/verifyNest.ts";
import { printSchedule } from "../../compiler/schedule/schedule.ts";
import { checkText } from "../../language/index.ts";
import { type GpuDevice, openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { hasAdapter } from "../runtime/gpuSupport.ts";
import { adapters } from "../support/adapters.ts";
import { interpretSteps, type ModelPrograms, type ModelUse, programsOf, runSteps } from "../support/chainedModels.ts";
import { targets } from "../support/targets.ts";
import { expectClose } from "../support/tolerance.ts";

const workloads = ["lenet", "conv3", "resnet20"] as const;
const isThere = await hasAdapter();

function compiled(workload: string, target: (typeof adapters)[keyof typeof adapters]): ReturnType<typeof compile> {
  const path = fileURLToPath(new URL(`../../bench/workloads/${workload}.cnn`, import.meta.url));
  const { program } = checkText(readFileSync(path, "utf8"), path);
  const [model] = program?.models ?? [];
  if (!model || !program?.recipe) throw new Error("the program has errors");
  const counts = { train: 50_000, test: 10_000 };
  return compile(model, program.recipe, { counts, target, programs: ["initialise", "trainStep"] });
}

describe.each(Object.entries(adapters))("%s", (_, target) => {
  it.each(workloads)("%s: legal, printed, and within the limits", { timeout: 300_000 }, (workload) => {
    const { programs, plan } = compiled(workload, target);
    const dispatches = programs.flatMap((program) => program.dispatches);
    expect(dispatches.length).toBeGreaterThan(15);
    for (const { lowered, kernels } of dispatches) {
      const { nest } = lowered;
      verifyNest(nest);
      expect(nest.lanes).toBeLessThanOrEqual(target.maximumInvocations);
      const scratch = nest.scratch.reduce((sum, { length }) => sum + 4 * length, 0);
      expect(scratch).toBeLessThanOrEqual(target.maximumScratchBytes);
      for (const { schedule } of kernels) {
        expect(printSchedule(schedule)).toMatch(/^lanes \d+/);
        if (schedule.broadcast) expect(nest.lanes % target.subgroupSize).toBe(0);
      }
    }
    for (const { bindings, source } of plan.kernels) {
      expect(bindings.length).toBeLessThanOrEqual(target.maximumBindings);
      expect(source).toContain("@compute @workgroup_size(");
      if (target.subgroupSize === 0) expect(source).not.toContain("subgroup");
    }
    const ranges = Object.values(plan.programs).flatMap((run) => run.flatMap(({ bindings }) => bindings));
    expect(Math.max(...ranges.map(({ bytes }) => bytes))).toBeLessThanOrEqual(target.maximumBindingBytes);
  });
});

/** Layers of every kind of kernel, small enough to be interpreted. */
const small: ModelUse = {
  source: `model Small {
  input 3@8x8
  conv 8@3x3 pad 1 bias off -> bn -> relu
  add {
    branch { conv 8@3x3 pad 1 bias off -> bn }
    branch { }
  }
  relu -> pool max 2
  conv 16@3x3 stride 2 pad 1 -> relu
  fc 12 -> relu
  fc 10
}`,
  batch: 8,
};

/** Sums in other orders, twice through Adam, which divides by roots of squares. */
const tolerance = { relative: 2e-3, ofLargest: 2e-3 };

type States = Readonly<Record<string, ArrayLike<number>>>;

/** What the metrics and all parameters are; what lies between the parts of the flat tensor is nothing. */
function resultsOf(states: States, { graphs }: ModelPrograms): States {
  const flat = Array.from(states["parameters"] ?? []);
  const parts = graphs.parameters.map(({ parameter: { path, shape }, offset }) => [
    path,
    states[path] ?? flat.slice(offset, offset + size(shape)),
  ]);
  const metrics = Object.entries(states).filter(([name]) => name.startsWith("metrics."));
  return Object.fromEntries([...metrics, ...parts]) as States;
}

function compareStates(found: States, wanted: States): void {
  expect(Object.keys(wanted).length).toBeGreaterThan(10);
  for (const [name, data] of Object.entries(wanted)) expectClose(name, found[name], data, tolerance);
}

describe("two steps and an evaluation", () => {
  const onCpu = programsOf(small, targets.wasm, false);
  const wanted = resultsOf(interpretSteps(onCpu), onCpu);

  it.each(Object.entries(adapters))("interpreted for %s", { timeout: 300_000 }, (_, target) => {
    const programs = programsOf(small, target, false);
    compareStates(resultsOf(interpretSteps(programs), programs), wanted);
  });

  describe.runIf(isThere)("on the adapter that is here, with the limits that every adapter has", () => {
    const devices: GpuDevice[] = [];
    beforeAll(async () => void devices.push(await openGpuDevice({ allowSoftware: true, defaultLimits: true })));
    afterAll(() => Promise.all(devices.map((device) => device.close())));

    it("as scheduled for hardware", { timeout: 300_000 }, async () => {
      const [device] = devices;
      if (!device) throw new Error("no device");
      const target = adapters["WebGPU's default limits"];
      expect(device.target).toMatchObject({ maximumInvocations: 256, maximumBindings: 8 });
      const programs = programsOf(small, target, false);
      compareStates(resultsOf(await runSteps(programs, device), programs), wanted);
    });
  });
});
