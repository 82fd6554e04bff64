/** Tuning on devices: every candidate of every kernel computes what the default one computes. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tuningPlan, type TuningPlan } from "../../../compiler/tuning/tuning.ts";
import type { Device } from "../../../runtime/device/device.ts";
import { openCpuDevice } from "../../../runtime/device/cpu/cpuDevice.ts";
import { openGpuDevice } from "../../../runtime/device/gpu/gpuDevice.ts";
import { measureCandidates } from "../../../runtime/tune/measure.ts";
import { targets } from "../../support/targets.ts";
import { subjectsOf } from "../../support/tuningSubjects.ts";
import { hasAdapter } from "../gpuSupport.ts";

/** Rows of ten elements, which are padded to twelve on GPUs. */
const text = `model Rows {
input 3@32x32
conv 4@23x23 -> bn -> relu
pool max 2
fc 10
}
train {
data cifar10
batch 4
}`;

function plansFor(target: Device["target"]): { readonly name: string; readonly plan: TuningPlan }[] {
  return subjectsOf(text, target).flatMap((subject) => {
    const plan = tuningPlan(subject, target);
    return plan ? [{ name: subject.name, plan }] : [];
  });
}

async function refusedOn(device: Device, chosen: (name: string) => boolean): Promise<Record<string, number>> {
  const refused: Record<string, number> = {};
  let measured = 0;
  for (const { name, plan } of plansFor(device.target)) {
    if (!chosen(name)) continue;
    const found = await measureCandidates(device, plan, { isOver: () => false });
    measured++;
    if (!found) throw new Error(`${name} was not measured`);
    expect(found.tried + found.refused).toBe(plan.candidates.length);
    if (found.refused > 0) refused[name] = found.refused;
  }
  expect(measured).toBeGreaterThan(0);
  return refused;
}

it("tells rows from the padding behind them", () => {
  const written = plansFor(targets["a software GPU"]).flatMap(({ plan: { buffers } }) => buffers);
  expect(written).toContainEqual(expect.objectContaining({ isWritten: true, rows: { columns: 10, pitch: 12 } }));
});

describe("the CPU device", () => {
  let device: Device;
  beforeAll(async () => {
    device = await openCpuDevice({ threads: 2 });
  });
  afterAll(() => device.close());

  it("refuses no candidate", { timeout: 300_000 }, async () => {
    expect(await refusedOn(device, () => true)).toEqual({});
  });
});

describe.runIf(await hasAdapter())("the GPU device", () => {
  let device: Device;
  beforeAll(async () => {
    device = await openGpuDevice({ allowSoftware: true });
  });
  afterAll(() => device.close());

  // Software adapters take seconds to compile the candidates of a convolution.
  it("refuses no candidate that cuts rows", { timeout: 300_000 }, async () => {
    expect(await refusedOn(device, (name) => name.startsWith("relu1"))).toEqual({});
  });
});
