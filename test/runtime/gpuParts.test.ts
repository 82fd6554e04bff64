/** Parts of the GPU device that need no adapter: pacing, failures, SwiftShader's unpacking. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { create } from "tar";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { watchFailures } from "../../runtime/device/gpu/failure.ts";
import { newPace, type Pace, runPaced } from "../../runtime/device/gpu/pacing.ts";
import { waitQuietly } from "../../runtime/device/gpu/quietWait.ts";
import { sharedText } from "../../runtime/device/gpu/sharedText.ts";
import { swiftShaderEnvironment } from "../../runtime/device/gpu/swiftShader.ts";

/**
 * A device that takes `milliseconds` a step, one step after another, by a clock of its own; we notice that a batch ended
 * later than it did by `late` of its number.
 */
function slowDevice(milliseconds: number, late: (batch: number) => number = () => 0) {
  const batches: number[] = [];
  let idle = 0;
  let free = performance.now();
  let noticed = free;
  return {
    batches,
    /** Time that the device had nothing to do. */
    idle: () => idle,
    work: {
      largestBatch: 100,
      submit(steps: number) {
        idle += Math.max(0, performance.now() - free);
        free = Math.max(free, performance.now()) + steps * milliseconds;
        noticed = Math.max(noticed, free + late(batches.length));
        batches.push(steps);
      },
      settled: () => new Promise<void>((done) => setTimeout(done, noticed - performance.now())),
    },
  };
}

/** Runs `steps` steps while the clock turns only where all wait for it: the times are the same on any machine. */
async function runByClock({ work }: ReturnType<typeof slowDevice>, steps: number, pace: Pace): Promise<void> {
  let running = true;
  const run = runPaced(work, steps, pace).finally(() => (running = false));
  while (running) await vi.advanceTimersToNextTimerAsync();
  await run;
}

describe("runPaced", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  it("submits all steps, first one, then in batches", async () => {
    const device = slowDevice(1);
    const pace = newPace();
    await runByClock(device, 203, pace);
    expect(device.batches).toEqual([1, 2, 100, 100]);
    expect(pace.millisecondsPerStep).toBeCloseTo(1);
  });

  it("keeps the device at work: the next batch is submitted while one runs", async () => {
    const device = slowDevice(2);
    await runByClock(device, 200, { millisecondsPerStep: 2, warm: true });
    expect(device.batches.length).toBeGreaterThan(3);
    expect(device.idle()).toBe(0);
  });

  it.each([10, 0.1])("with a wrong estimate of %f ms for a step of 1 ms finds the right one", async (estimate) => {
    const device = slowDevice(1);
    const pace = { millisecondsPerStep: estimate, warm: true };
    await runByClock(device, 400, pace);
    expect(pace.millisecondsPerStep).toBeCloseTo(1);
  });

  it("is not misled where a batch is noticed late, when the next has ended too", async () => {
    const device = slowDevice(10, (batch) => (batch === 3 ? 95 : 0));
    const pace = newPace();
    await runByClock(device, 100, pace);
    // By the late one a step takes 19.5 ms, by the one after it 0.5 ms, as if 100 steps were a good batch.
    expect(device.batches[3]).toBe(10);
    expect(Math.max(...device.batches)).toBe(10);
    expect(pace.millisecondsPerStep).toBeCloseTo(10);
  });
});

describe("waitQuietly", () => {
  it("leaves the processor alone while the event loop turns", async () => {
    let turns = 0;
    let polls = 0;
    const timer = setInterval(() => turns++, 10);
    // Dawn polls like this while a promise of its is pending: tens of thousands of times in those turns, left alone.
    const polled = new Promise<string>((resolve) => {
      const poll = (): void => void (++polls && turns < 20 ? setImmediate(poll) : resolve("done"));
      poll();
    });
    expect(await waitQuietly(polled)).toBe("done");
    clearInterval(timer);
    expect(polls).toBeLessThan(1000);
  });

  it("rejects like what it waits for", async () => {
    await expect(waitQuietly(Promise.reject(new Error("gone")))).rejects.toThrow("gone");
  });
});

describe("sharedText", () => {
  const kernel = (input: string, sum: string, operator = "+"): string =>
    `// ${input}\nvar<storage, read_write> ${input}: array<vec4f>;\nfn main() {\n  var ${sum} = ${input}[0u].x; // a note\n  ${sum} = ${sum} ${operator} max(${sum}, 1.0);\n}\n`;

  it("is the same for kernels that differ in names and comments", () => {
    expect(sharedText(kernel("conv1", "sum"))).toBe(sharedText(kernel("conv17_input", "total")));
    expect(sharedText(kernel("x", "x1"))).toBe(sharedText(kernel("v1", "v0")));
  });

  it("differs where the kernels do", () => {
    expect(sharedText(kernel("conv1", "sum", "-"))).not.toBe(sharedText(kernel("conv1", "sum")));
    const swapped = "let a = 1.0;\nlet b = 2.0;\nlet c = a - b;";
    expect(sharedText(swapped.replace("a - b", "b - a"))).not.toBe(sharedText(swapped));
  });

  it("keeps components and built-ins, and names that would be taken for numbered ones", () => {
    expect(sharedText("let x = y.x;\nlet xy = v.xy * max(x, x);")).toContain("v.xy * max(v0, v0)");
    expect(sharedText("let a = v0;")).toBe("let a = v0;");
  });
});

describe("watchFailures", () => {
  function fakeDevice() {
    const target = new EventTarget();
    let lose: (info: { reason: string; message: string }) => void = () => {};
    const lost = new Promise<{ reason: string; message: string }>((resolve) => (lose = resolve));
    const device = Object.assign(target, { lost }) as unknown as GPUDevice;
    const raise = (message: string): void => {
      target.dispatchEvent(Object.assign(new Event("uncapturederror"), { error: { message } }));
    };
    return { device, lose, raise };
  }
  const never = new Promise<never>(() => {});

  it("ends a wait when the device is lost", async () => {
    const { device, lose } = fakeDevice();
    const failures = watchFailures(device);
    const waiting = failures.race(never);
    lose({ reason: "unknown", message: "reset" });
    await expect(waiting).rejects.toMatchObject({
      code: "device-lost",
      message: "the GPU device was lost: reset",
      remedy: expect.stringContaining("checkpoint"),
    });
    expect(() => failures.check()).toThrow(/was lost/);
  });

  it("ends a wait at an error that nobody caught", async () => {
    const { device, raise } = fakeDevice();
    const failures = watchFailures(device);
    const waiting = failures.race(never);
    raise("binding too small");
    await expect(waiting).rejects.toMatchObject({
      code: "refused",
      message: expect.stringContaining("binding too small"),
    });
  });

  it("takes closing for no failure", async () => {
    const { device, lose } = fakeDevice();
    const failures = watchFailures(device);
    lose({ reason: "destroyed", message: "" });
    expect(await failures.race(Promise.resolve(3))).toBe(3);
    failures.check();
  });
});

describe.skipIf(process.platform !== "linux" || process.arch !== "x64")("swiftShaderEnvironment", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "cnnc-swiftshader-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const names = ["libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json", "libEGL.so"];

  async function makePackage(): Promise<string> {
    const packageFolder = join(folder, "package");
    await mkdir(join(packageFolder, "bin"), { recursive: true });
    await writeFile(join(packageFolder, "package.json"), JSON.stringify({ version: "1.2.3" }));
    for (const name of names) await writeFile(join(folder, name), name);
    const parts: Buffer[] = [];
    for await (const part of create({ cwd: folder }, names)) parts.push(Buffer.from(part));
    await writeFile(join(packageFolder, "bin", "swiftshader.tar.br"), brotliCompressSync(Buffer.concat(parts)));
    return packageFolder;
  }

  it("unpacks what is needed, once, and gives the environment", async () => {
    const packageFolder = await makePackage();
    const cache = join(folder, "cache");
    const [environment, again] = await Promise.all([
      swiftShaderEnvironment({ cache, packageFolder }),
      swiftShaderEnvironment({ cache, packageFolder }),
    ]);
    const unpacked = join(cache, "swiftshader-1.2.3");
    for (const name of ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"])
      expect(environment?.[name]).toBe(join(unpacked, "vk_swiftshader_icd.json"));
    expect(environment?.["LD_LIBRARY_PATH"]?.split(":")[0]).toBe(unpacked);
    expect(again).toEqual(environment);
    expect((await readdir(unpacked)).sort()).toEqual(names.slice(0, 3).sort());
    expect(await readdir(cache)).toEqual(["swiftshader-1.2.3"]);
  });

  it("is undefined where the package is not there", async () => {
    expect(await swiftShaderEnvironment({ cache: folder, packageFolder: join(folder, "none") })).toBeUndefined();
  });

  it("says what to do where the cache cannot be written", async () => {
    const packageFolder = await makePackage();
    const cache = join(folder, names[0] ?? "");
    await expect(swiftShaderEnvironment({ cache, packageFolder })).rejects.toMatchObject({
      name: "GpuError",
      remedy: expect.stringContaining("XDG_CACHE_HOME"),
    });
  });
});
