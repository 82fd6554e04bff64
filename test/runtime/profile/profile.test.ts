/** Profiles: kernels that measure a device compute what they should, and every kernel of a plan is in every form. */
import { Resvg } from "@resvg/resvg-js";
import { afterAll, describe, expect, it } from "vitest";
import { compile } from "../../../compiler/compile.ts";
import { calibrationFor } from "../../../compiler/calibration/calibration.ts";
import type { ExecutionPlan } from "../../../compiler/plan/plan.ts";
import { checkText } from "../../../language/index.ts";
import { openCpuDevice } from "../../../runtime/device/cpu/cpuDevice.ts";
import type { Device } from "../../../runtime/device/device.ts";
import { openGpuDevice } from "../../../runtime/device/gpu/gpuDevice.ts";
import { type Profile, profileProgram } from "../../../runtime/profile/profile.ts";
import { profileSvg } from "../../../runtime/profile/profileSvg.ts";
import { layerName, profileText, totalOf, totalsBy } from "../../../runtime/profile/profileText.ts";
import { hasAdapter } from "../gpuSupport.ts";

const devices: Promise<Device>[] = [];
afterAll(async () => {
  for (const device of devices) await (await device).close();
});

function opened(device: Promise<Device>): Promise<Device> {
  devices.push(device);
  return device;
}

/** Every buffer of a plan, after each of its programs has run on inputs of ones and sources that count. */
async function checkCalibration(device: Device): Promise<void> {
  const { plan, programs, inputs } = calibrationFor(device.target);
  const session = await device.open(plan);
  const floats = async (buffer: number): Promise<Float32Array> =>
    new Float32Array(new Uint8Array(await session.read(buffer, 0, plan.buffers[buffer]?.bytes ?? 0)).buffer);
  for (const { buffer, length } of inputs)
    session.write(buffer, 0, new Uint8Array(new Float32Array(length).fill(1).buffer));
  plan.buffers.forEach(({ name, bytes }, buffer) => {
    if (!name.startsWith("source")) return;
    const values = Float32Array.from({ length: bytes / 4 }, (_, i) => i % 1021);
    session.write(buffer, 0, new Uint8Array(values.buffer));
  });
  for (const { program, kind } of programs) {
    const [dispatch] = plan.programs[program] ?? [];
    const output = dispatch?.bindings[0]?.buffer ?? -1;
    session.write(output, 0, new Uint8Array(plan.buffers[output]?.bytes ?? 0));
    await session.run(program);
    const found = await floats(output);
    // `a/2 + 1` again and again tends to two, in each of so many chains.
    const chains = Number(/in (\d+) chains/.exec(program)?.[1]);
    const wrong = found.findIndex((value, i) => value !== (kind === "multiplyAdd" ? 2 * chains : i % 1021));
    expect(wrong, `${program}: place ${wrong} is ${found[wrong]}`).toBe(-1);
  }
  await session.close();
}

it("measures the CPU device with kernels that compute what they should", async () => {
  await checkCalibration(await opened(openCpuDevice({ threads: 2 })));
});

describe.skipIf(!(await hasAdapter()))("on the GPU", () => {
  it("measures with kernels that compute what they should", async () => {
    await checkCalibration(await opened(openGpuDevice({ allowSoftware: true })));
  });
});

const source = `model Small {
  input 3@32x32
  conv 4@3x3 pad same -> bn -> relu -> pool max 2
  fc 10
}
train {
  data shapes
  batch 8
  loss cross_entropy
  optimizer adam lr 0.01
}`;

async function profileOf(program: string): Promise<{ profile: Profile; kernels: string[] }> {
  const device = await opened(openCpuDevice({ threads: 1 }));
  const checked = checkText(source, "small.cnn").program;
  const [model] = checked?.models ?? [];
  if (!model || !checked?.recipe) throw new Error("the program has errors");
  const counts = { train: 32, test: 32 };
  const { recipe } = checked;
  const planOf = (apart: boolean): ExecutionPlan =>
    compile(model, recipe, { counts, target: device.target, separate: apart }).plan;
  const separate = planOf(true);
  const plans = { asRun: planOf(false), separate };
  const kernels = (separate.programs[program] ?? []).map(({ kernel }) => separate.kernels[kernel]?.name ?? "");
  return { profile: await profileProgram(device, plans, { model: "Small", batch: 8, program }), kernels };
}

describe("a training step", async () => {
  const { profile, kernels } = await profileOf("trainStep");

  it("has every dispatch in order, with a time, and its place in the program", () => {
    expect(profile.kernels.map(({ name }) => name)).toEqual(kernels);
    for (const { milliseconds } of profile.kernels) expect(milliseconds).toBeGreaterThan(0);
    const convolution = profile.kernels.find(({ layer, phase }) => layer === "conv1" && phase === "forward");
    expect(convolution).toMatchObject({ line: 3, operations: 8 * 4 * 1024 * (2 * 27 + 1) });
    expect(new Set(profile.kernels.map(({ phase }) => phase))).toEqual(new Set(["forward", "backward", "update"]));
    for (const measured of Object.values(profile.peaks)) expect(measured.rate).toBeGreaterThan(0);
  });

  it("adds up, by layer and by kind", () => {
    const all = totalOf("", profile.kernels);
    const layers = totalsBy(profile.kernels, layerName);
    expect(layers.reduce((sum, { operations }) => sum + operations, 0)).toBe(all.operations);
    expect(layers.reduce((sum, { count }) => sum + count, 0)).toBe(profile.kernels.length);
    expect(layers.map(({ name }) => name)).toContain("conv1 (line 3)");
  });

  it("is a table whose longest kernel comes first, and whose rest is one row", () => {
    const lines = profileText(profile, { kernels: 3 }).split("\n");
    const longest = profile.kernels.reduce((a, b) => (b.milliseconds > a.milliseconds ? b : a));
    const first = lines.findIndex((line) => line.startsWith("---")) + 1;
    expect(lines[first]).toContain(longest.name);
    expect(lines[first + 3]).toContain(`${profile.kernels.length - 3} more kernels`);
    expect(lines[first + 4]).toContain("100.0 %");
    expect(lines.join("\n")).not.toMatch(/NaN|Infinity|undefined/);
  });

  it("is a picture with a bar for every kernel and a dot for all that compute", () => {
    const svg = profileSvg(profile);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(new Resvg(svg).width).toBe(1120);
    const titles = [...svg.matchAll(/<rect[^>]*><title>([^<]*)<\/title>/g)].map(([, title]) => title ?? "");
    for (const name of kernels) expect(titles.some((title) => title.startsWith(`${name}: `))).toBe(true);
    const dots = [...svg.matchAll(/<circle/g)].length;
    expect(dots).toBe(profile.kernels.filter(({ operations }) => operations > 0).length);
  });
});

it("a prediction has no backward part", async () => {
  const { profile } = await profileOf("predict");
  expect(new Set(profile.kernels.map(({ phase }) => phase))).toEqual(new Set(["forward"]));
  expect(profileText(profile, { kernels: 30 })).not.toContain("backward");
});
