/**
 * Which device to train on.
 *
 * In: what the user asked for. Out: an open device and the reason for it in words. What holds: `auto` takes a hardware GPU
 * where there is one, else the CPU device, which is faster than a software GPU and needs nothing installed.
 */
import { type CpuOptions, openCpuDevice } from "./cpu/cpuDevice.ts";
import type { Device } from "./device.ts";
import { openGpuDevice } from "./gpu/gpuDevice.ts";
import { GpuError } from "./gpu/gpuError.ts";
import { swiftShaderEnvironment } from "./gpu/swiftShader.ts";

export const deviceKinds = ["auto", "gpu", "cpu"] as const;
export type DeviceKind = (typeof deviceKinds)[number];

export type DeviceChoice =
  | { readonly device: Device; readonly reason: string }
  /** A driver is there, but only a process that is started with these variables finds it. */
  | { readonly restartWith: Record<string, string> };

/** Opens the device. Throws a `RuntimeFailure` ("device") with a remedy where there is none. */
export async function chooseDevice(kind: DeviceKind, options: CpuOptions = {}): Promise<DeviceChoice> {
  return choosers[kind](options);
}

const choosers: Record<DeviceKind, (options: CpuOptions) => Promise<DeviceChoice>> = {
  async auto(options) {
    try {
      return { device: await openGpuDevice({ allowSoftware: false }), reason: "the GPU that WebGPU finds here" };
    } catch (problem) {
      if (!isMissing(problem)) throw problem;
      return { device: await openCpuDevice(options), reason: problem.message };
    }
  },
  async gpu() {
    try {
      return { device: await openGpuDevice({ allowSoftware: true }), reason: "asked for by --device gpu" };
    } catch (problem) {
      if (!isMissing(problem) || problem.code !== "no-adapter") throw problem;
      const restartWith = await swiftShaderEnvironment();
      if (restartWith === undefined) throw problem;
      return { restartWith };
    }
  },
  async cpu(options) {
    return { device: await openCpuDevice(options), reason: "asked for by --device cpu" };
  },
};

function isMissing(problem: unknown): problem is GpuError {
  return problem instanceof GpuError && (problem.code === "no-webgpu" || problem.code === "no-adapter");
}
