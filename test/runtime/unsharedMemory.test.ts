/** The CPU device without shared memory: one thread, the caller's own, and the bits of many. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makePlan } from "../../compiler/compile.ts";
import { openCpuDevice as openWebDevice } from "../../runtime/browser/index.ts";
import { type CpuDevice, openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import { programsOf, runSteps } from "../support/chainedModels.ts";

const root = new URL("../../", import.meta.url);
const program = (name: string): string => readFileSync(new URL(`examples/${name}.cnn`, root), "utf8");

const networks: Readonly<Record<string, string>> = {
  LeNet: program("lenet"),
  "LeNet-5": program("zoo/lenet5"),
  "a residual network": `model Residual {
    input 3@16x16
    conv 32@3x3 pad 1 bias off -> bn -> relu
    add {
      branch { conv 32@3x3 stride 2 pad 1 bias off -> bn -> relu -> conv 32@3x3 pad 1 -> bn }
      branch { pool avg 2 -> conv 32@1x1 }
    }
    relu -> pool avg global -> fc 10
  }`,
  "a network of separable convolutions": `model Separable {
    input 3@16x16
    conv 16@3x3 stride 2 pad 1 -> bn -> hardswish
    concat {
      branch { slice 0, 8 }
      branch { slice 8, 8 -> depthwise 3x3 pad 1 bias off -> bn -> conv 8@1x1 -> relu }
    }
    shuffle 2
    mul {
      skip
      branch { pool avg global -> conv 4@1x1 -> relu -> conv 16@1x1 -> hardsigmoid }
    }
    fc 10
  }`,
  "a network that drops": `model Drops {
    input 3@12x12
    conv 8@3x3 pad same -> gelu -> dropout 0.25 -> pool avg 2
    fc 20 -> relu -> dropout 0.5
    fc 10
  }`,
};

describe("the CPU device without shared memory", () => {
  let [threads, alone]: CpuDevice[] = [];
  beforeAll(async () => {
    [threads, alone] = [await openCpuDevice({ threads: 2 }), await openCpuDevice({ sharedMemory: false })];
  });
  afterAll(() => Promise.all([threads?.close(), alone?.close()]));

  it.each(Object.keys(networks))("trains %s to the same bits as two threads", async (name) => {
    const use = { source: networks[name] ?? "", batch: 8 };
    const after = async (device: CpuDevice | undefined) => {
      if (!device) throw new Error("there is no device");
      return runSteps(programsOf(use, device.target, false), device);
    };
    const [one, two] = [await after(alone), await after(threads)];
    expect(one["metrics.loss"]?.[0]).toBeGreaterThan(0);
    expect(one).toEqual(two);
  });

  it("gives way between short runs too, not only inside of a long one", async () => {
    const { target } = alone as CpuDevice;
    const { graphs, programs } = programsOf(
      { source: networks["a network that drops"] ?? "", batch: 1 },
      target,
      false,
    );
    const session = await (alone as CpuDevice).open(makePlan(graphs, programs, target));
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const start = performance.now();
    while (ticks < 4 && performance.now() - start < 10_000) await session.run("trainStep");
    clearInterval(timer);
    await session.close();
    expect(ticks).toBeGreaterThanOrEqual(4);
  });

  it("is one thread", async () => {
    expect(alone?.threads).toBe(1);
    expect(alone?.description.name).toBe("WebAssembly SIMD on 1 thread");
    await expect(openCpuDevice({ sharedMemory: false, threads: 2 })).rejects.toMatchObject({
      message: "without shared memory there is one thread; 2 were asked for",
    });
  });

  it("is what a page has that is not isolated; it says how to have more", async () => {
    const device = await openWebDevice();
    expect(device.threads).toBe(1);
    expect(device.target).toMatchObject({ kind: "wasm", unsharedMemory: true });
    await device.close();
    for (const options of [{ threads: 4 }, { sharedMemory: true }])
      await expect(openWebDevice(options)).rejects.toMatchObject({
        code: "refused",
        remedy: /Cross-Origin-Opener-Policy: same-origin/,
      });
  });
});
