/**
 * Pipelines of a device: compiled in parallel, and once for sources that differ in names only.
 */
import type { RunnableKernel } from "../../../compiler/plan/plan.ts";
import { shaderStageCompute } from "./dawn.ts";
import { GpuError, messageOf } from "./gpuError.ts";
import { sharedTextOf } from "./sharedText.ts";

export interface Pipelines {
  /** Rejects with a `GpuError` that names the kernel. */
  get(kernel: RunnableKernel): Promise<GPUComputePipeline>;
  /** The layout of `count` bindings: storage buffers that may be written. */
  layout(count: number): GPUBindGroupLayout;
}

export function createPipelines(device: GPUDevice): Pipelines {
  const layouts = new Map<number, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();
  const compiled = new Map<string, Promise<GPUComputePipeline>>();
  const layoutsFor = (count: number) => {
    let found = layouts.get(count);
    if (!found) {
      const entries = Array.from({ length: count }, (_, binding): GPUBindGroupLayoutEntry => {
        return { binding, visibility: shaderStageCompute, buffer: { type: "storage" } };
      });
      const group = device.createBindGroupLayout({ entries });
      found = { group, pipeline: device.createPipelineLayout({ bindGroupLayouts: [group] }) };
      layouts.set(count, found);
    }
    return found;
  };
  return {
    layout: (count) => layoutsFor(count).group,
    get(kernel) {
      const code = sharedTextOf(kernel);
      const key = `${kernel.bindings.length}\n${code}`;
      let pipeline = compiled.get(key);
      if (!pipeline) {
        pipeline = compile(device, kernel, code, layoutsFor(kernel.bindings.length).pipeline);
        compiled.set(key, pipeline);
      }
      return pipeline;
    },
  };
}

async function compile(
  device: GPUDevice,
  kernel: RunnableKernel,
  code: string,
  layout: GPUPipelineLayout,
): Promise<GPUComputePipeline> {
  checkFeatures(device, kernel);
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code, label: kernel.name });
  const refused = device.popErrorScope().catch(() => null);
  try {
    return await device.createComputePipelineAsync({
      label: kernel.name,
      layout,
      compute: { module, entryPoint: "main" },
    });
  } catch (problem) {
    const message = (await refused)?.message ?? messageOf(problem);
    throw new GpuError(
      "refused",
      `the GPU does not accept the kernel ${kernel.name}: ${message}`,
      "This is a fault of cnnc: please report it with the program that caused it. --device cpu may work meanwhile.",
    );
  }
}

function checkFeatures(device: GPUDevice, kernel: RunnableKernel): void {
  for (const feature of kernel.features)
    if (!device.features.has(feature))
      throw new GpuError(
        "limits",
        `the kernel ${kernel.name} needs "${feature}", which this GPU does not have`,
        "The plan was compiled for another device: compile the program again on this one.",
      );
}
