/**
 * Every operator under every kind of schedule: the reference, loop nests under the interpreter, and the devices give the
 * same for random shapes. Sums of products are exact in float32 here, so the order of a schedule changes nothing.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { OperatorName } from "../../compiler/operators/operator.ts";
import { operators } from "../../compiler/operators/table.ts";
import type { Device } from "../../runtime/device/device.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import { openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { hasAdapter } from "../runtime/gpuSupport.ts";
import {
  type CaseGraph,
  evaluateCases,
  type GraphCase,
  interpretCases,
  origin,
  runCases,
} from "../support/graphCase.ts";
import type { Results } from "../support/graphCase.ts";
import { type OperatorSample, values } from "../support/operatorSample.ts";
import { operatorSamples } from "../support/operatorSamples.ts";
import { scheduleRandomly } from "../support/randomSchedules.ts";
import type { Scheduler } from "../support/runGraphs.ts";
import { targets } from "../support/targets.ts";
import { expectClose } from "../support/tolerance.ts";

const names = Object.keys(operators) as OperatorName[];
const samples: Readonly<Record<OperatorName, fc.Arbitrary<OperatorSample>>> = operatorSamples(true);

function compare(cases: readonly OperatorSample[], found: readonly Results[]): void {
  const wanted = evaluateCases(cases);
  cases.forEach(({ name, tolerance }, i) => {
    for (const [output, data] of Object.entries(wanted[i] ?? {}))
      expectClose(`${name}: ${output}`, found[i]?.[output], data, tolerance);
  });
}

const randomly =
  (seed: number): Scheduler =>
  (program, target) =>
    scheduleRandomly(program, target, seed);

it("the samples are of every operator", () => {
  expect(Object.keys(samples).sort()).toEqual(names.toSorted());
});

describe.each(Object.entries(targets))("loop nests for %s do what the reference does", (_, target) => {
  it.each(names)("%s, as the cost model schedules it", (name) => {
    const property = fc.property(samples[name], (one) => compare([one], interpretCases([one], target)));
    fc.assert(property, { numRuns: 20, seed: 4 });
  });

  it.each(names)("%s, scheduled at random", (name) => {
    const seeds = fc.integer({ min: 1, max: 1e5 });
    const property = fc.property(samples[name], seeds, (one, seed) =>
      compare([one], interpretCases([one], target, randomly(seed))),
    );
    fc.assert(property, { numRuns: 20, seed: 5 });
  });
});

describe("reductions that share a kernel", () => {
  const attributes = (dilation: number) => {
    const padding = { top: dilation, bottom: dilation, left: dilation, right: dilation };
    return { kernel: [3, 3], stride: [1, 1], padding, dilation: [dilation, dilation], groups: 4 } as const;
  };
  const siblings: GraphCase = {
    name: "two depthwise convolutions of one input",
    inputs: { x: values([2, 4, 9, 9], 1), near: values([4, 1, 3, 3], 2), far: values([4, 1, 3, 3], 3) },
    build: ({ builder, input }: CaseGraph) => ({
      "near out": builder.add("conv", attributes(1), [input("x"), input("near")], origin),
      "far out": builder.add("conv", attributes(2), [input("x"), input("far")], origin),
    }),
  };

  it.each(Object.entries(targets))("each stage what they read, on %s", (_, target) => {
    const [wanted = {}] = evaluateCases([siblings]);
    for (const schedule of [undefined, ...[1, 2, 3, 4, 5, 6].map(randomly)]) {
      const [found] = interpretCases([siblings], target, schedule);
      for (const [name, data] of Object.entries(wanted))
        expectClose(name, found?.[name], data, { relative: 0, ofLargest: 0 });
    }
  });
});

function batch(count: number, seed: number): OperatorSample[] {
  return names.flatMap((name) => fc.sample(samples[name], { numRuns: count, seed }));
}

describe("the CPU device does what the reference does", () => {
  const devices: Device[] = [];
  const device = (): Device => {
    const [found] = devices;
    if (!found) throw new Error("no device");
    return found;
  };
  beforeAll(async () => {
    devices.push(await openCpuDevice({ threads: 2 }));
  });
  afterAll(() => Promise.all(devices.map((open) => open.close())));

  it("on random shapes of every operator", { timeout: 300_000 }, async () => {
    const cases = batch(25, 6);
    compare(cases, await runCases(cases, device()));
  });

  it.each([1, 2, 3])("under random schedules (%i)", { timeout: 300_000 }, async (seed) => {
    const cases = batch(6, 6 + seed);
    compare(cases, await runCases(cases, device(), randomly(seed)));
  });
});

describe.runIf(await hasAdapter())("the GPU device does what the reference does", () => {
  const devices: Device[] = [];
  beforeAll(async () => {
    devices.push(await openGpuDevice({ allowSoftware: true }));
  });
  afterAll(() => Promise.all(devices.map((open) => open.close())));

  it("on random shapes of every operator", { timeout: 300_000 }, async () => {
    const [device] = devices;
    if (!device) throw new Error("no device");
    const cases = batch(3, 10);
    compare(cases, await runCases(cases, device));
  });

  it("under random schedules", { timeout: 300_000 }, async () => {
    const [device] = devices;
    if (!device) throw new Error("no device");
    const cases = batch(1, 11);
    compare(cases, await runCases(cases, device, randomly(1)));
  });
});
