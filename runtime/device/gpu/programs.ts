/**
 * The programs of a plan as commands: bind groups, dispatches and their encoding.
 */
import type { RunnablePlan, PlanDispatch, RunnableKernel } from "../../../compiler/plan/plan.ts";
import { workgroupGrid } from "../../../compiler/print/wgsl/printWgsl.ts";
import { roundUp } from "./buffers.ts";
import { GpuError } from "./gpuError.ts";
import type { Pipelines } from "./pipelines.ts";

/** A dispatch, ready to be encoded. */
export interface PreparedDispatch {
  readonly kernel: number;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly grid: readonly [x: number, y: number];
}

/** Every program's dispatches, in order; equal lists of buffers share a bind group. */
export function preparePrograms(
  device: GPUDevice,
  pipelines: Pipelines,
  plan: RunnablePlan,
  buffers: readonly GPUBuffer[],
  compiled: readonly GPUComputePipeline[],
): Map<string, readonly PreparedDispatch[]> {
  const groups = new Map<string, GPUBindGroup>();
  const groupFor = ({ bindings }: PlanDispatch): GPUBindGroup => {
    const key = bindings.map(({ buffer, offset, bytes }) => `${buffer}:${offset}:${bytes}`).join(" ");
    let group = groups.get(key);
    if (!group) {
      const entries = bindings.map(({ buffer: index, offset, bytes }, binding): GPUBindGroupEntry => {
        const buffer = buffers[index];
        if (!buffer) throw new GpuError("refused", `the plan has no buffer ${index}`, "Compile the program again.");
        return { binding, resource: { buffer, offset, size: Math.min(roundUp(bytes, 16), buffer.size - offset) } };
      });
      group = device.createBindGroup({ layout: pipelines.layout(bindings.length), entries });
      groups.set(key, group);
    }
    return group;
  };
  const prepareDispatch = (dispatch: PlanDispatch): PreparedDispatch => {
    const pipeline = compiled[dispatch.kernel];
    const kernel = plan.kernels[dispatch.kernel];
    if (!pipeline || !kernel)
      throw new GpuError("refused", `the plan has no kernel ${dispatch.kernel}`, "Compile the program again.");
    checkOverlaps(kernel, dispatch);
    return { kernel: dispatch.kernel, pipeline, bindGroup: groupFor(dispatch), grid: workgroupGrid(kernel.workgroups) };
  };
  return new Map(Object.entries(plan.programs).map(([name, dispatches]) => [name, dispatches.map(prepareDispatch)]));
}

/** Kernels may write all of their bindings, as WebGPU sees it: so none may overlap, though they be only read. */
function checkOverlaps(kernel: RunnableKernel, { bindings }: PlanDispatch): void {
  const inOrder = bindings.map((range, i) => ({ ...range, name: kernel.bindings[i]?.name ?? String(i) }));
  inOrder.sort((a, b) => a.buffer - b.buffer || a.offset - b.offset);
  for (const [i, range] of inOrder.entries()) {
    const next = inOrder[i + 1];
    if (next?.buffer === range.buffer && range.offset + range.bytes > next.offset)
      throw new GpuError(
        "refused",
        `the kernel ${kernel.name} gets overlapping ranges for ${range.name} and ${next.name}`,
        "This is a fault of cnnc: please report it with the program that caused it. --device cpu may work meanwhile.",
      );
  }
}

/** All steps in one pass and one submit: WebGPU orders the dispatches by what they read and write. */
export function submitSteps(device: GPUDevice, dispatches: readonly PreparedDispatch[], steps: number): void {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (let step = 0; step < steps; step++) for (const dispatch of dispatches) encodeDispatch(pass, dispatch);
  pass.end();
  device.queue.submit([encoder.finish()]);
}

export function encodeDispatch(pass: GPUComputePassEncoder, { pipeline, bindGroup, grid }: PreparedDispatch): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(grid[0], grid[1]);
}
