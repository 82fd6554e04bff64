/**
 * Adapters: what WebGPU finds on this machine, and what the compiler may use of it.
 *
 * In: an adapter. Out: its description, the limits and features to ask for, and the compiler's `Target`.
 */
import type { Target } from "../../../compiler/target.ts";
import type { DeviceDescription } from "../device.ts";
import { holdGpu } from "./dawn.ts";
import { GpuError, messageOf } from "./gpuError.ts";
import { swiftShaderPackage } from "./swiftShader.ts";

const mebibyte = 1024 * 1024;

/** The limits that plans may need; all are asked for as high as the adapter has them. */
const neededLimits = [
  "maxStorageBuffersPerShaderStage",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
] as const;

const wantedFeatures = ["subgroups", "timestamp-query"] as const;

/** An adapter as `cnnc doctor` shows it. */
export interface AdapterReport {
  readonly description: DeviceDescription;
  readonly vendor: string;
  readonly architecture: string;
  readonly features: readonly string[];
  /** Smallest and largest subgroup, where the adapter has subgroups. */
  readonly subgroupSizes?: readonly [number, number];
  readonly limits: Readonly<Record<string, number>>;
  readonly target: Target;
}

export function isSoftware({ info }: GPUAdapter): boolean {
  const text = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`;
  return info.isFallbackAdapter || /llvmpipe|lavapipe|swiftshader|software|basic render|\bwarp\b/i.test(text);
}

/** Whether the driver compiles kernels only when they first run, and keeps them on disk for every device: Mesa's lavapipe. */
export function compilesAtFirstRun(adapter: GPUAdapter): boolean {
  const cacheIsOff = /^(1|true|yes)$/i.test(process.env["MESA_SHADER_CACHE_DISABLE"] ?? "");
  return /llvmpipe|lavapipe/i.test(adapter.info.description) && !cacheIsOff;
}

/**
 * The adapter's name and driver. Dawn gives the device as `nvidia-geforce-rtx-3080` and describes the driver, each in its
 * own way: `llvmpipe: Mesa 25.0.7 (LLVM 15.0.6)`, `SwiftShader driver 5.0.0`.
 */
export function describeAdapter(adapter: GPUAdapter): DeviceDescription {
  const { vendor, architecture, device, description } = adapter.info;
  const software = isSoftware(adapter);
  const name = software ? (description.split(/[: ]/)[0] ?? "") : device.replaceAll("-", " ").trim();
  return {
    kind: "gpu",
    name: name || [vendor, architecture].filter(Boolean).join(" ") || "unknown adapter",
    driver: description,
    software,
  };
}

function subgroupSizes({ features, info }: GPUAdapter): readonly [number, number] | undefined {
  const { subgroupMinSize: smallest, subgroupMaxSize: largest } = info;
  return features.has("subgroups") && smallest && largest ? [smallest, largest] : undefined;
}

/** What the compiler may count on, given the limits of the adapter, or those that a device was asked for. */
export function targetOf(adapter: GPUAdapter, limits: GPUSupportedLimits = adapter.limits): Target {
  const [smallest, largest] = subgroupSizes(adapter) ?? [0, 0];
  return {
    kind: "wgsl",
    subgroupSize: smallest === largest ? smallest : 0,
    maximumInvocations: Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
    maximumScratchBytes: limits.maxComputeWorkgroupStorageSize,
    maximumBindings: limits.maxStorageBuffersPerShaderStage,
    maximumBindingBytes: limits.maxStorageBufferBindingSize,
    software: isSoftware(adapter),
  };
}

/** All that the adapter has, or with the limits that every adapter has. */
export function deviceRequest({ limits, features }: GPUAdapter, defaultLimits: boolean): GPUDeviceDescriptor {
  return {
    requiredLimits: defaultLimits ? {} : Object.fromEntries(neededLimits.map((name) => [name, limits[name]])),
    requiredFeatures: wantedFeatures.filter((name) => features.has(name)),
  };
}

/** The adapter to use. Throws a `GpuError` with a remedy where there is none, or only a software one unasked for. */
export async function chooseAdapter(gpu: GPU, allowSoftware: boolean): Promise<GPUAdapter> {
  const adapter = await requestAdapter(gpu, {});
  if (!adapter)
    throw new GpuError(
      "no-adapter",
      "WebGPU finds no adapter on this machine",
      "Install a Vulkan driver for your GPU; or a software one: `apt-get install mesa-vulkan-drivers` (Mesa 23 or later), " +
        `or, without root, \`npm install ${swiftShaderPackage}\`. Or use --device cpu, which needs nothing.`,
    );
  if (isSoftware(adapter) && !allowSoftware)
    throw new GpuError(
      "no-adapter",
      `WebGPU finds only a software adapter, ${describeAdapter(adapter).name}`,
      "Install a Vulkan driver for your GPU, or use --device cpu, which is faster than a software adapter.",
    );
  return adapter;
}

async function requestAdapter(gpu: GPU, options: GPURequestAdapterOptions): Promise<GPUAdapter | null> {
  try {
    return await gpu.requestAdapter({ powerPreference: "high-performance", ...options });
  } catch (problem) {
    throw new GpuError("no-adapter", `WebGPU failed to look for adapters: ${messageOf(problem)}`, "Use --device cpu.");
  }
}

function reportAdapter(adapter: GPUAdapter): AdapterReport {
  const sizes = subgroupSizes(adapter);
  return {
    description: describeAdapter(adapter),
    vendor: adapter.info.vendor,
    architecture: adapter.info.architecture,
    features: [...adapter.features].sort(),
    ...(sizes ? { subgroupSizes: sizes } : {}),
    limits: Object.fromEntries(neededLimits.map((name) => [name, adapter.limits[name]])),
    target: targetOf(adapter),
  };
}

/** All adapters that WebGPU shows, the preferred one first; none, with the reason, where WebGPU does not work. */
export async function describeGpu(): Promise<{ adapters: readonly AdapterReport[]; problem?: GpuError }> {
  let held: Awaited<ReturnType<typeof holdGpu>>;
  try {
    held = await holdGpu();
  } catch (problem) {
    if (problem instanceof GpuError) return { adapters: [], problem };
    throw problem;
  }
  try {
    const found = new Map<string, AdapterReport>();
    for (const options of [{}, { powerPreference: "low-power" as const }, { forceFallbackAdapter: true }]) {
      const adapter = await requestAdapter(held.gpu, options);
      if (!adapter) continue;
      const report = reportAdapter(adapter);
      const { name, driver } = report.description;
      if (!found.has(`${name} ${driver}`)) found.set(`${name} ${driver}`, report);
    }
    return { adapters: [...found.values()] };
  } finally {
    held.release();
  }
}

/** `128 MiB` */
export function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / mebibyte).toLocaleString("en")} MiB`;
}
