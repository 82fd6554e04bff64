/** Every sample nest on the GPU device against the interpreter. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { interpretNest } from "../../compiler/nest/interpretNest.ts";
import type { GpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { printNest } from "../../compiler/nest/printNest.ts";
import { randomIntegers, randomNest, randomNestBuffers } from "../compiler/nestFuzz.ts";
import type { NestSample } from "../compiler/nestSamples.ts";
import { samples } from "../compiler/nestSamples.ts";
import { hasAdapter, runOnDevice, wgslOptions } from "./gpuSupport.ts";

const noSubgroups = { subgroups: false, subgroupSize: 0 };

describe.skipIf(!(await hasAdapter()))("kernels on the GPU", () => {
  let device: GpuDevice;
  beforeAll(async () => {
    device = await openGpuDevice({ allowSoftware: true });
  });
  afterAll(() => device.close());

  async function check(sample: NestSample, options: typeof noSubgroups): Promise<void> {
    const expected = sample.buffers();
    const actual = sample.buffers();
    interpretNest(sample.nest, expected, sample.subgroupSize ? { subgroupSize: sample.subgroupSize } : {});
    await runOnDevice(device, sample.nest, actual, options);
    for (const { name } of sample.nest.bindings) {
      const [wanted, got] = [expected[name], actual[name]];
      expect(got?.length).toBe(wanted?.length);
      wanted?.forEach((value, i) => {
        const found = got?.[i] ?? NaN;
        const close =
          Object.is(found, value) || Math.abs(found - value) <= sample.tolerance * Math.max(1, Math.abs(value));
        if (!close) expect.fail(`${name}[${i}] is ${found}, should be ${value}`);
      });
    }
  }

  it.each(Object.keys(samples))("%s", async (name) => {
    const sample = samples[name]?.();
    if (!sample) throw new Error(`no sample ${name}`);
    const options = wgslOptions(device.target);
    if (sample.subgroupSize && sample.subgroupSize !== options.subgroupSize)
      return console.warn(
        `${name} needs subgroups of ${sample.subgroupSize}; this adapter's have ${options.subgroupSize}`,
      );
    await check(sample, options);
  });

  it("does what the interpreter does on random nests", async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const nest = randomNest(seed);
      const [expected, actual] = [randomNestBuffers(), randomNestBuffers()];
      interpretNest(nest, expected);
      await runOnDevice(device, nest, actual);
      for (const name of ["a", "b"] as const)
        expected[name].forEach((value, i) => {
          // WGSL lets a compiler reassociate; a wrong load or store would be off by far more.
          if (!(Math.abs((actual[name][i] ?? NaN) - value) <= 1e-6))
            expect.fail(`${name}[${i}] is ${actual[name][i]}, should be ${value}, in\n${printNest(nest)}`);
        });
    }
  });

  it("does integer arithmetic as the interpreter does", async () => {
    for (let seed = 1; seed <= 15; seed++) {
      const nest = randomIntegers(seed);
      const [expected, actual] = [new Float32Array(2560), new Float32Array(2560)];
      interpretNest(nest, { out: expected });
      await runOnDevice(device, nest, { out: actual });
      expected.forEach((value, i) => {
        if (actual[i] !== value) expect.fail(`out[${i}] is ${actual[i]}, should be ${value}, in\n${printNest(nest)}`);
      });
    }
  });

  it.each(["oneSum", "sumsOver64", "sumsOver50"])("%s without subgroups", async (name) => {
    const sample = samples[name]?.();
    if (!sample) throw new Error(`no sample ${name}`);
    await check(sample, noSubgroups);
  });
});
