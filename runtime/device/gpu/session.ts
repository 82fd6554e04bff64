/**
 * A plan on a GPU device: its buffers, pipelines and bind groups, and the running of its programs.
 *
 * In: a device and a verified plan. Out: a `Session`. What holds: operations take effect in the order of the calls, also
 * while a run is under way; every wait ends with a `GpuError` if the device fails, and leaves the cores to the device.
 */
import type { RunnablePlan, RunnableKernel } from "../../../compiler/plan/plan.ts";
import { isMet, type Requirement, sizeText } from "../requirements.ts";
import { checkWrite, createBuffers, readBytes, writeBytes } from "./buffers.ts";
import type { FailureWatch } from "./failure.ts";
import { guarded } from "./failure.ts";
import { GpuError } from "./gpuError.ts";
import type { Pace } from "./pacing.ts";
import { newPace, runPaced } from "./pacing.ts";
import type { Pipelines } from "./pipelines.ts";
import { createOperationQueue } from "../operationQueue.ts";
import type { GpuSession } from "./gpuSession.ts";
import { profileDispatches } from "./profile.ts";
import { waitQuietly } from "./quietWait.ts";
import type { PreparedDispatch } from "./programs.ts";
import { preparePrograms, submitSteps } from "./programs.ts";
import type { WarmUp } from "./warmUp.ts";

/** Encoding costs memory until the work is done. */
const largestSubmit = 4000;

export interface SessionParts {
  readonly device: GPUDevice;
  readonly failures: FailureWatch;
  readonly pipelines: Pipelines;
  /** Compiles kernels before they run, where the driver does that at their first run. */
  readonly warmUp: WarmUp | undefined;
}

/** Checks the plan against the device, creates its buffers and compiles its kernels. Throws a `GpuError`. */
export async function openSession(parts: SessionParts, plan: RunnablePlan): Promise<GpuSession> {
  const { device, failures, pipelines, warmUp } = parts;
  checkLimits(device, plan);
  const [buffers, compiled] = await failures.race(
    Promise.all([
      createBuffers(device, plan.buffers),
      Promise.all(plan.kernels.map((kernel) => pipelines.get(kernel))),
    ]),
  );
  const programs = await guarded(device, "the plan's bindings", () =>
    preparePrograms(device, pipelines, plan, buffers, compiled),
  );
  const paces = new Map<string, Pace>();
  const queue = createOperationQueue();
  const settled = (): Promise<void> =>
    waitQuietly(failures.race(device.queue.onSubmittedWorkDone().then(() => failures.check())));
  const dispatchesOf = (program: string): readonly PreparedDispatch[] => {
    const found = programs.get(program);
    if (!found) throw new GpuError("refused", `the plan has no program "${program}"`, "Compile the program again.");
    return found;
  };
  const bufferAt = (index: number): GPUBuffer => {
    const buffer = buffers[index];
    if (!buffer) throw new GpuError("refused", `the plan has no buffer ${index}`, "Compile the program again.");
    return buffer;
  };
  return {
    write(index, offset, bytes) {
      const buffer = bufferAt(index);
      checkWrite(buffer, offset, bytes.byteLength, plan.buffers[index]?.bytes ?? 0);
      // What waits for its turn must not change meanwhile.
      const copy = queue.idle() ? bytes : bytes.slice();
      queue.now(() => writeBytes(device, buffer, offset, copy));
    },
    read: (index, offset, length) =>
      queue.after(async () => {
        failures.check();
        return failures.race(readBytes(device, bufferAt(index), offset, length));
      }),
    run: (program, times = 1) =>
      queue.after(async () => {
        const dispatches = dispatchesOf(program);
        if (warmUp && !paces.has(program)) await failures.race(warmUp.finish(kernelsOf(plan, dispatches)));
        const pace = paces.get(program) ?? newPace();
        paces.set(program, pace);
        const largestBatch = Math.max(1, Math.floor(largestSubmit / Math.max(1, dispatches.length)));
        const submit = (steps: number): void => {
          failures.check();
          submitSteps(device, dispatches, steps);
        };
        await runPaced({ submit, settled, largestBatch }, times, pace);
      }),
    profile: (program) => queue.after(async () => failures.race(profileDispatches(device, dispatchesOf(program)))),
    close: () =>
      queue.after(async () => {
        for (const buffer of buffers) buffer.destroy();
      }),
  };
}

function kernelsOf(plan: RunnablePlan, dispatches: readonly PreparedDispatch[]): RunnableKernel[] {
  return dispatches.flatMap(({ kernel }) => plan.kernels[kernel] ?? []);
}

/** The largest buffer, and the largest range of one that a kernel uses. */
export function memoryRequirements({ limits }: GPUDevice, plan: RunnablePlan): Requirement[] {
  const bindings = Object.values(plan.programs).flatMap((dispatches) => dispatches.flatMap(({ bindings: all }) => all));
  const most = (all: readonly { readonly bytes: number }[]): number =>
    all.reduce((largest, { bytes }) => Math.max(largest, bytes), 0);
  return [
    { what: "one buffer on this GPU", bytes: most(plan.buffers), limit: limits.maxBufferSize },
    { what: "one binding on this GPU", bytes: most(bindings), limit: limits.maxStorageBufferBindingSize },
  ];
}

function checkLimits(device: GPUDevice, plan: RunnablePlan): void {
  const remedy = "Use a smaller batch or data set, or --device cpu.";
  const refuse = (what: string): never => {
    throw new GpuError("limits", `the plan does not fit this GPU: ${what}`, remedy);
  };
  const { maxStorageBuffersPerShaderStage } = device.limits;
  for (const requirement of memoryRequirements(device, plan)) {
    const { what, bytes, limit } = requirement;
    if (!isMet(requirement)) refuse(`it needs ${sizeText(bytes)} for ${what}; the limit is ${sizeText(limit)}`);
  }
  for (const { name, bindings } of plan.kernels)
    if (bindings.length > maxStorageBuffersPerShaderStage)
      refuse(`the kernel ${name} has ${bindings.length} buffers, the limit is ${maxStorageBuffersPerShaderStage}`);
}
