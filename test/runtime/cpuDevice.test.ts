/** The CPU device: order, threads, failures, and that nothing is left behind. */
import fc from "fast-check";
import { afterEach, describe, expect, it, onTestFinished, test } from "vitest";
import { add, index, multiply, remainder, variable } from "../../compiler/nest/integer.ts";
import { interpretNest } from "../../compiler/nest/interpretNest.ts";
import { laneName, type LoopNest, workgroupName } from "../../compiler/nest/loopNest.ts";
import type { ExecutionPlan } from "../../compiler/plan/plan.ts";
import type { Target } from "../../compiler/target.ts";
import { CpuError } from "../../runtime/device/cpu/cpuError.ts";
import { type CpuDevice, openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import { startNodeThread } from "../../runtime/device/cpu/nodeThread.ts";
import { startThreads } from "../../runtime/device/cpu/pool.ts";
import type { Command } from "../../runtime/device/cpu/thread.ts";
import * as s from "../compiler/nestForms.ts";
import { bytesOfArray, planOf, runOnCpu } from "./cpuSupport.ts";

const lane = index(variable(laneName, 4));
const group = (count: number) => index(variable(workgroupName, count));

/** `to[i] = from[i] · factor + from[(i + shift) mod length]`, four elements a workgroup. */
function mix(from: string, to: string, factor: number, shift: number, workgroups = 97): LoopNest {
  const length = 4 * workgroups;
  const at = add(multiply(group(workgroups), 4), lane);
  return s.nest(`mix ${from} to ${to}`, {
    bindings: [s.read(from, length), s.readwrite(to, length)],
    workgroups,
    lanes: 4,
    body: [
      s.store(
        to,
        at,
        s.multiplyAdd(s.load(from, at), s.number(factor), s.load(from, remainder(add(at, shift), length))),
      ),
    ],
  });
}

/** Adds one to `steps[0]`. */
const count: LoopNest = s.nest("count steps", {
  bindings: [s.readwrite("steps", 1, "u32")],
  lanes: 1,
  body: [s.store("steps", index(0), s.binary("add", s.load("steps", index(0)), s.number(1)))],
});

const programs = {
  step: [mix("a", "b", 0.5, 3), mix("b", "c", -0.25, 12), count, mix("c", "a", 0.75, 41)],
  nothing: [],
};

function wasmTarget(target: Target): Extract<Target, { kind: "wasm" }> {
  if (target.kind !== "wasm") throw new Error("not a target of the CPU device");
  return target;
}

const ways = { "on two threads": { threads: 2 }, "without shared memory": { sharedMemory: false } } as const;

describe.each(Object.entries(ways))("the CPU device %s", (_, options) => {
  let device: CpuDevice | undefined;
  afterEach(() => device?.close());

  async function open(): Promise<CpuDevice> {
    device = await openCpuDevice(options);
    return device;
  }

  it("keeps the order of calls without waiting between them", async () => {
    const opened = await open();
    const session = await opened.open(planOf(programs, opened.target));
    const word = Uint32Array.of(10);
    const first = session.run("step", 300);
    session.write(3, 0, bytesOfArray(word));
    word[0] = 77; // the caller's array is its own again
    const second = session.run("step", 5);
    const read = session.read(3, 0, 4);
    const third = session.run("step");
    expect(new Uint32Array((await read).buffer)[0]).toBe(15);
    await Promise.all([first, second, third, session.run("nothing"), session.run("step", 0)]);
    expect(new Uint32Array((await session.read(3, 0, 4)).buffer)[0]).toBe(16);
  });

  it("starts with zeroed buffers, also in memory that another session has used", async () => {
    const opened = await open();
    for (let round = 0; round < 40; round++) {
      const session = await opened.open(planOf(programs, opened.target));
      expect((await session.read(0, 0, 1552)).every((value) => value === 0)).toBe(true);
      session.write(0, 0, new Uint8Array(1552).fill(round + 1));
      await session.run("step", 2);
      await session.close();
      await expect(session.run("step")).rejects.toThrow("closed");
    }
  });

  it("uses what lies in its room without a copy, and the same comes out", async () => {
    const opened = await open();
    const values = bytesOfArray(Float32Array.from({ length: 4 * 97 }, (_, i) => i / 7));
    const plain = await opened.open(planOf(programs, opened.target));
    plain.write(0, 0, values);
    const room = opened.roomFor?.(values.length + 5000);
    expect(room !== undefined).toBe(!("sharedMemory" in options));
    expect(opened.roomFor?.(8)).toBeUndefined();
    room?.bytes.fill(255);
    room?.bytes.set(values);
    const given = room?.bytes.subarray(0, values.length) ?? values;
    const placed = await opened.open(planOf(programs, opened.target), new Map([[0, given]]));
    for (const buffer of [1, 2, 3]) expect((await placed.read(buffer, 0, 4)).every((byte) => byte === 0)).toBe(true);
    placed.write(0, 0, given);
    for (const session of [plain, placed]) await session.run("step", 3);
    for (const buffer of [0, 1, 2]) {
      const expected = await plain.read(buffer, 0, values.length);
      expect(await placed.read(buffer, 0, values.length)).toEqual(expected);
      // Kernels write where the bytes lie.
      if (room && buffer === 0) expect(given.slice()).toEqual(expected);
    }
    placed.write(0, 4, values.subarray(0, 8));
    expect((await placed.read(0, 4, 8)).slice()).toEqual(values.slice(0, 8));
    const before = given.slice();
    await placed.close();
    const after = await opened.open(planOf(programs, opened.target));
    await after.run("step", 2);
    expect(given.slice()).toEqual(before);
  });

  it("runs two sessions at a time", async () => {
    const opened = await open();
    const sessions = await Promise.all([1, 2].map(() => opened.open(planOf(programs, opened.target))));
    await Promise.all(sessions.map((session, i) => session.run("step", 100 * (i + 1))));
    for (const [i, session] of sessions.entries())
      expect(new Uint32Array((await session.read(3, 0, 4)).buffer)[0]).toBe(100 * (i + 1));
  });

  it("leaves the calling thread free", async () => {
    const opened = await open();
    const session = await opened.open(planOf({ step: [mix("a", "b", 0.5, 3, 4096)] }, opened.target));
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await session.run("step", 3000);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(3);
  });

  it("hands out 70,000 workgroups, each once", async () => {
    const at = group(70_000);
    const nest = s.nest("many", {
      bindings: [s.readwrite("x", 70_000)],
      workgroups: 70_000,
      lanes: 1,
      body: [s.store("x", at, s.binary("add", s.load("x", at), s.asFloat(at)))],
    });
    const buffers = { x: new Float32Array(70_000).fill(1) };
    await runOnCpu(await open(), nest, buffers);
    buffers.x.forEach((value, i) => {
      if (value !== i + 1) expect.fail(`x[${i}] is ${value}`);
    });
  });

  it("addresses nearly four gigabytes", async () => {
    const opened = await open();
    // Each a gibibyte and a bit: the last one ends beyond 3.5 GiB. Only pages that are touched take memory.
    const length = 2 ** 28 + 2 ** 25;
    const at = add(index(length - 4 * 97), multiply(group(97), 4), lane);
    const far = s.nest("far", {
      bindings: [s.read("low", length), s.read("middle", length), s.readwrite("high", length)],
      workgroups: 97,
      lanes: 4,
      body: [s.store("high", at, s.binary("add", s.load("low", at), s.load("middle", at)))],
    });
    const plan = planOf({ step: [far] }, opened.target);
    const session = await opened.open(plan);
    const [low, middle] = [s.values(388), s.values(388, 2)];
    const end = 4 * length - 4 * 388;
    session.write(0, end, bytesOfArray(low));
    session.write(1, end, bytesOfArray(middle));
    await session.run("step");
    const high = new Float32Array(new Uint8Array(await session.read(2, end, 4 * 388)).buffer);
    low.forEach((value, i) => expect(high[i]).toBe(Math.fround(value + (middle[i] ?? 0))));
    await session.close();
  });

  it("times dispatches", async () => {
    const opened = await open();
    const session = await opened.open(planOf(programs, opened.target));
    const times = await session.profile("step");
    expect(times.map(({ kernel }) => kernel)).toEqual([0, 1, 2, 3]);
    for (const { milliseconds } of times) expect(milliseconds).toBeGreaterThan(0);
  });

  it("says what is wrong with a plan, a call or an option", async () => {
    const opened = await open();
    const plan = planOf(programs, opened.target);
    const session = await opened.open(plan);
    await expect(session.run("train")).rejects.toThrow('no program "train"');
    expect(() => session.write(0, 1550, new Uint8Array(4))).toThrow("outside");
    await expect(session.read(9, 0, 4)).rejects.toThrow("no buffer 9");
    await expect(opened.open({ ...plan, target: "wgsl" })).rejects.toThrow("cannot run on the CPU");
    const short: ExecutionPlan = { ...plan, buffers: plan.buffers.map((buffer) => ({ ...buffer, bytes: 16 })) };
    await expect(opened.open(short)).rejects.toThrow("leaves its buffer");
    const huge: ExecutionPlan = { ...plan, buffers: plan.buffers.map((buffer) => ({ ...buffer, bytes: 2 ** 30 })) };
    await expect(opened.open(huge)).rejects.toMatchObject({ code: "limits" });
    const { unsharedMemory, ...shared } = wasmTarget(opened.target);
    const other = planOf(programs, unsharedMemory ? shared : { ...shared, unsharedMemory: true });
    await expect(opened.open(other)).rejects.toMatchObject({ code: "refused", message: /shared cannot run/ });
    await expect(openCpuDevice({ ...options, threads: 0 })).rejects.toBeInstanceOf(CpuError);
  });

  it("turns a kernel that leaves its memory into an error, and does not hang", async () => {
    const far = s.nest("far away", {
      bindings: [s.readwrite("x", 4)],
      workgroups: 8,
      lanes: 1,
      body: [s.store("x", multiply(group(8), 2 ** 27), s.number(1))],
    });
    const opened = await open();
    const session = await opened.open(planOf({ step: [far], count: [count] }, opened.target));
    await expect(session.run("step", 10)).rejects.toMatchObject({ code: "thread-failed" });
    await expect(session.run("count")).rejects.toThrow("far away");
    await session.close();
    // Other sessions of the device go on.
    const other = await opened.open(planOf({ count: [count] }, opened.target));
    await other.run("count", 7);
    expect(new Uint32Array((await other.read(0, 0, 4)).buffer)[0]).toBe(7);
  });

  it("rejects what is under way when it is closed", async () => {
    const opened = await open();
    const session = await opened.open(planOf(programs, opened.target));
    const run = session.run("step", 1e6);
    const closed = expect(run).rejects.toThrow("closed");
    await opened.close();
    await closed;
    await expect(opened.open(planOf(programs, opened.target))).rejects.toThrow("closed");
  });
});

describe("threads", () => {
  let device: CpuDevice | undefined;
  afterEach(() => device?.close());

  async function open(threads: number): Promise<CpuDevice> {
    device = await openCpuDevice({ threads });
    return device;
  }

  async function runSteps(threads: number, steps: number): Promise<{ a: Float32Array; steps: number }> {
    const opened = await open(threads);
    const session = await opened.open(planOf(programs, opened.target));
    const a = s.values(388);
    session.write(0, 0, bytesOfArray(a));
    await session.run("step", steps);
    const counted = new Uint32Array((await session.read(3, 0, 4)).buffer);
    const bytes = await session.read(0, 0, a.byteLength);
    await opened.close();
    return { a: new Float32Array(bytes.buffer), steps: counted[0] ?? 0 };
  }

  it("gives the same bits for any number of threads, also over many steps", async () => {
    const one = await runSteps(1, 500);
    expect(one.steps).toBe(500);
    for (const threads of [2, 3, 4]) {
      const several = await runSteps(threads, 500);
      expect(several.steps).toBe(500);
      expect(several.a).toEqual(one.a);
    }
  });

  it("runs dispatches one after another", async () => {
    const buffers = { a: s.values(388), b: new Float32Array(388), c: new Float32Array(388), steps: new Uint32Array(1) };
    for (let step = 0; step < 3; step++) for (const nest of programs.step) interpretNest(nest, buffers);
    const { a } = await runSteps(3, 3);
    a.forEach((value, i) => expect(value).toBeCloseTo(buffers.a[i] ?? NaN, 5));
  });

  it("reports a thread that dies, at once and from then on", async () => {
    const pool = startThreads(2, startNodeThread);
    let stopped = 0;
    pool.onDeath(() => stopped++);
    const broken = (): Command => null as unknown as Command;
    await expect(pool.request(0, "opened", 2, broken)).rejects.toMatchObject({ code: "thread-failed" });
    await expect(pool.request(0, "closed", 2, broken)).rejects.toMatchObject({ code: "thread-failed" });
    expect(stopped).toBeGreaterThan(0);
    await pool.close();
  });
});

test("bytes move inside of a room as they do elsewhere", async () => {
  const device = await openCpuDevice({ threads: 1 });
  onTestFinished(() => device.close());
  const length = 5000;
  const room = device.roomFor?.(length);
  if (!room) throw new Error("there is no room");
  const expected = Uint8Array.from({ length }, (_, i) => (i * 31) % 251);
  room.bytes.set(expected);
  const place = fc.integer({ min: 0, max: length });
  fc.assert(
    fc.property(place, place, place, (target, a, b) => {
      const start = Math.min(a, b);
      const end = Math.min(Math.max(a, b), start + length - target);
      room.copyWithin(target, start, end);
      expected.copyWithin(target, start, end);
      expect(Buffer.compare(room.bytes, expected)).toBe(0);
    }),
  );
});
