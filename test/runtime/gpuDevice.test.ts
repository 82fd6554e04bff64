/** The GPU device: order of operations, shared buffers, failures that a user can meet, and leaving cleanly. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { index, variable } from "../../compiler/nest/integer.ts";
import { laneName } from "../../compiler/nest/loopNest.ts";
import type { ExecutionPlan } from "../../compiler/plan/plan.ts";
import { describeGpu } from "../../runtime/device/gpu/adapter.ts";
import type { GpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import * as s from "../compiler/nestForms.ts";
import { runBundled } from "./gpuProcess.ts";
import { hasAdapter, planOf } from "./gpuSupport.ts";

const lane = index(variable(laneName, 64));

/** `x = 2x + y` on 64 elements. */
const double = s.nest("double and add", {
  bindings: [s.readwrite("x", 64), s.read("y", 64)],
  lanes: 64,
  body: [s.store("x", lane, s.multiplyAdd(s.load("x", lane), s.number(2), s.load("y", lane)))],
});

const noSubgroups = { subgroups: false, subgroupSize: 0 };

/** One buffer holds both ranges; `step` runs the kernel forward and back, `swap` only back. */
function arenaPlan(): ExecutionPlan {
  const plan = planOf(double, noSubgroups);
  const [x, y] = [0, 256].map((offset) => ({ buffer: 0, offset, bytes: 256 }));
  if (!x || !y) throw new Error("no ranges");
  const step = [
    { kernel: 0, bindings: [x, y] },
    { kernel: 0, bindings: [y, x] },
  ];
  return { ...plan, buffers: [{ name: "arena", bytes: 512 }], programs: { step, swap: step.slice(1) } };
}

function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

const present = await hasAdapter();

describe.skipIf(!present)("the GPU device", () => {
  let device: GpuDevice;
  beforeAll(async () => {
    device = await openGpuDevice({ allowSoftware: true });
  });
  afterAll(() => device.close());

  it("binds two ranges of one buffer, of which one is written, and runs dispatches in order", async () => {
    const session = await device.open(arenaPlan());
    session.write(0, 0, bytesOf(new Float32Array(64).fill(1)));
    session.write(0, 256, bytesOf(new Float32Array(64).fill(3)));
    await session.run("step");
    const after = floats(await session.read(0, 0, 512));
    expect([after[0], after[63], after[64], after[127]]).toEqual([5, 5, 11, 11]);
    await session.close();
  });

  it("starts with zeros", async () => {
    const session = await device.open(arenaPlan());
    expect(floats(await session.read(0, 0, 512)).every((value) => value === 0)).toBe(true);
    await session.close();
  });

  it("runs a program many times, exactly as often as asked", async () => {
    const counting = s.nest("count", {
      bindings: [s.readwrite("x", 64)],
      lanes: 64,
      body: [s.store("x", lane, s.binary("add", s.load("x", lane), s.number(1)))],
    });
    const session = await device.open(planOf(counting, noSubgroups));
    for (const times of [1, 2, 3, 5000, 20_000]) await session.run("run", times);
    expect(floats(await session.read(0, 0, 256))[17]).toBe(25_006);
    await session.close();
  });

  it("keeps the order of calls while a run is under way", async () => {
    const session = await device.open(arenaPlan());
    const ones = new Float32Array(64).fill(1);
    session.write(0, 0, bytesOf(ones));
    const first = session.run("step"); // x = 2, y = 2
    ones.fill(7);
    session.write(0, 0, bytesOf(ones));
    ones.fill(9); // too late to matter
    const early = session.read(0, 0, 4);
    const second = session.run("swap"); // y = 2·2 + 7
    const late = session.read(0, 256, 4);
    await Promise.all([first, second]);
    expect([floats(await early)[0], floats(await late)[0]]).toEqual([7, 11]);
    await session.close();
  });

  it("reads and writes bytes that do not fill words at a buffer's end", async () => {
    const plan: ExecutionPlan = { ...arenaPlan(), buffers: [{ name: "arena", bytes: 513 }] };
    const session = await device.open(plan);
    session.write(0, 508, Uint8Array.of(1, 2, 3, 4, 5));
    expect(await session.read(0, 510, 3)).toEqual(Uint8Array.of(3, 4, 5));
    expect(() => session.write(0, 0, Uint8Array.of(1))).toThrow(/bytes 0 to 1 of "arena" .* are not whole words/);
    await session.close();
  });

  it("times each dispatch", async () => {
    const session = await device.open(arenaPlan());
    await session.run("step");
    const times = await session.profile("step");
    if (times) {
      expect(times.map(({ kernel }) => kernel)).toEqual([0, 0]);
      expect(times.every(({ milliseconds }) => milliseconds >= 0 && milliseconds < 1000)).toBe(true);
    } else console.warn("this adapter has no timestamps");
    await session.close();
  });

  it("describes itself, and gives the compiler its limits", async () => {
    const { adapters } = await describeGpu();
    expect(adapters[0]?.description).toEqual(device.description);
    expect(adapters[0]?.target).toEqual(device.target);
    expect(device.description.name).toMatch(/\w/);
    expect(device.target).toMatchObject({ kind: "wgsl" });
    if (device.target.kind === "wgsl") expect(device.target.maximumBindings).toBeGreaterThanOrEqual(8);
  });

  describe("says in one sentence", () => {
    it("which kernel the device does not accept", async () => {
      const plan = arenaPlan();
      const kernels = plan.kernels.map((kernel) => ({
        ...kernel,
        source: kernel.source.replace("fn main", "fn maine"),
      }));
      await expect(device.open({ ...plan, kernels })).rejects.toMatchObject({
        name: "GpuError",
        code: "refused",
        message: expect.stringContaining("does not accept the kernel double and add: "),
      });
    });

    it("that a kernel has too many buffers", async () => {
      const many = Array.from({ length: 40 }, (_, i) => s.readwrite(`x${i}`, 64));
      const nest = s.nest("many buffers", { bindings: many, lanes: 64, body: [s.store("x0", lane, s.number(1))] });
      await expect(device.open(planOf(nest, noSubgroups))).rejects.toMatchObject({
        code: "limits",
        message: expect.stringMatching(/the kernel many buffers has 40 buffers, the limit is \d+/),
        remedy: expect.stringContaining("--device cpu"),
      });
    });

    it("that a buffer is too large", async () => {
      const plan = { ...arenaPlan(), buffers: [{ name: "arena", bytes: 2 ** 43 }] };
      await expect(device.open(plan)).rejects.toMatchObject({
        code: "limits",
        message: expect.stringMatching(/it needs 8192.0 GiB for one buffer on this GPU; the limit is [\d.]+ [GM]iB/),
      });
    });

    it("that two ranges of a dispatch overlap, and the device goes on", async () => {
      const plan = arenaPlan();
      const both = { buffer: 0, offset: 0, bytes: 256 };
      const overlapping = { ...plan, programs: { step: [{ kernel: 0, bindings: [both, both] }] } };
      await expect(device.open(overlapping)).rejects.toMatchObject({
        code: "refused",
        message: "the kernel double and add gets overlapping ranges for x and y",
      });
      const session = await device.open(plan);
      await session.run("step");
      await session.close();
    });

    it("that a program or a feature is missing", async () => {
      const plan = arenaPlan();
      const session = await device.open(plan);
      await expect(session.run("trainStep")).rejects.toMatchObject({ message: 'the plan has no program "trainStep"' });
      await session.close();
      await expect(device.open({ ...plan, target: "wasm" })).rejects.toMatchObject({ code: "refused" });
    });
  });

  it("refuses software where that is not allowed", async () => {
    if (!device.description.software) return console.warn("the adapter here is hardware");
    await expect(openGpuDevice({ allowSoftware: false })).rejects.toMatchObject({
      code: "no-adapter",
      message: expect.stringContaining("only a software adapter"),
      remedy: expect.stringContaining("--device cpu"),
    });
  });

  it("lets the process end by itself after close", async () => {
    const { output, exitCode } = await runBundled(`
      import { openGpuDevice } from "./runtime/device/gpu/gpuDevice.ts";
      const device = await openGpuDevice({ allowSoftware: true });
      const session = await device.open({ version: 1, target: "wgsl", buffers: [{ name: "a", bytes: 64 }], tensors: {}, kernels: [], programs: {} });
      session.write(0, 0, new Uint8Array(64).fill(7));
      const bytes = await session.read(0, 0, 64);
      await device.close();
      console.log("read", bytes[63]);
    `);
    expect(output).toContain("read 7");
    expect(exitCode).toBe(0);
  });
});

describe("without an adapter", () => {
  it("says so, with what to install, and leaves", async () => {
    const { output, exitCode } = await runBundled(
      `
      import { openGpuDevice } from "./runtime/device/gpu/gpuDevice.ts";
      await openGpuDevice({ allowSoftware: true }).then(
        () => console.log("opened"),
        (problem) => console.log(problem.code + ": " + problem.message + " / " + problem.remedy),
      );
      `,
      { VK_ICD_FILENAMES: "/nowhere.json", VK_DRIVER_FILES: "/nowhere.json" },
    );
    if (process.platform !== "linux") return console.warn("only Vulkan can be switched off by its environment");
    expect(output).toMatch(/no-adapter: WebGPU finds no adapter on this machine \/ .*--device cpu/);
    expect(exitCode).toBe(0);
  });
});
