/**
 * The GPU device: WebGPU through Dawn.
 *
 * In: whether a software adapter will do. Out: a `Device` whose sessions run plans of target `wgsl`; or a `GpuError`.
 * What holds: closing the device gives everything back, so that the process can end by itself.
 */
import { availableParallelism } from "node:os";
import type { RunnablePlan } from "../../../compiler/plan/plan.ts";
import type { Device } from "../device.ts";
import { chooseAdapter, compilesAtFirstRun, describeAdapter, deviceRequest, targetOf } from "./adapter.ts";
import { holdGpu } from "./dawn.ts";
import { watchFailures } from "./failure.ts";
import { GpuError, messageOf } from "./gpuError.ts";
import { createPipelines } from "./pipelines.ts";
import type { GpuSession } from "./gpuSession.ts";
import { memoryRequirements, openSession } from "./session.ts";
import type { Compiler } from "./warmUp.ts";
import { createWarmUp } from "./warmUp.ts";

export interface GpuOptions {
  readonly allowSoftware: boolean;
  /** Only the limits that every adapter has: what runs here runs everywhere. */
  readonly defaultLimits?: boolean;
}

export interface GpuDevice extends Device {
  open(plan: RunnablePlan): Promise<GpuSession>;
}

/**
 * Opens the preferred adapter. Throws a `GpuError`: `no-webgpu` or `no-adapter`, with what to install, where there is none
 * (or only a software adapter, unless `allowSoftware`).
 */
export async function openGpuDevice(options: GpuOptions): Promise<GpuDevice> {
  const { gpu, release } = await holdGpu();
  try {
    const adapter = await chooseAdapter(gpu, options.allowSoftware);
    const device = await requestDevice(adapter, options);
    return createGpuDevice({ gpu, adapter, device }, options, release);
  } catch (problem) {
    release();
    throw problem;
  }
}

async function requestDevice(adapter: GPUAdapter, { defaultLimits = false }: GpuOptions): Promise<GPUDevice> {
  try {
    return await adapter.requestDevice(deviceRequest(adapter, defaultLimits));
  } catch (problem) {
    throw new GpuError(
      "no-adapter",
      `the adapter ${describeAdapter(adapter).name} gives no device: ${messageOf(problem)}`,
      "Update the GPU driver, or use --device cpu.",
    );
  }
}

interface Opened {
  readonly gpu: GPU;
  readonly adapter: GPUAdapter;
  readonly device: GPUDevice;
}

function createGpuDevice({ gpu, adapter, device }: Opened, options: GpuOptions, release: () => void): GpuDevice {
  const failures = watchFailures(device);
  const pipelines = createPipelines(device);
  let helpers: Promise<readonly Compiler[]> | undefined;
  const openHelper = async (): Promise<Compiler> => {
    const helper = await requestDevice(await chooseAdapter(gpu, options.allowSoftware), options);
    return { device: helper, pipelines: createPipelines(helper) };
  };
  const openHelpers = (): Promise<readonly Compiler[]> =>
    (helpers ??= Promise.all(Array.from({ length: availableParallelism() - 1 }, openHelper)));
  const warmUp = compilesAtFirstRun(adapter) ? createWarmUp({ device, pipelines }, openHelpers) : undefined;
  const sessions = new Set<GpuSession>();
  let closed = false;
  return {
    description: describeAdapter(adapter),
    target: targetOf(adapter, device.limits),
    requirements: (plan) => memoryRequirements(device, plan),
    prepare(part) {
      // A device at work is left alone: what it runs would wait for the driver's compiler.
      if (part instanceof Uint8Array || sessions.size > 0) return;
      if (warmUp) warmUp.begin(part);
      else void pipelines.get(part).catch(() => {});
    },
    async open(plan) {
      if (plan.target !== "wgsl")
        throw new GpuError(
          "refused",
          `a plan for ${plan.target} cannot run on a GPU`,
          "Compile the program for the GPU.",
        );
      failures.check();
      const session = await openSession({ device, failures, pipelines, warmUp }, plan);
      sessions.add(session);
      return session;
    },
    async close() {
      if (closed) return;
      closed = true;
      for (const session of sessions) await session.close();
      for (const helper of (await helpers?.catch(() => [])) ?? []) helper.device.destroy();
      device.destroy();
      release();
    },
  };
}
