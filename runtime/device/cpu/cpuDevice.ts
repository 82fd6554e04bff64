/**
 * The CPU device of Node.js.
 */
import { availableParallelism, totalmem } from "node:os";
import { prepareEngine } from "./engine.ts";
import { startNodeThread } from "./nodeThread.ts";
import { type CpuDevice, type CpuOptions, openDevice } from "./openDevice.ts";

export type { CpuDevice, CpuOptions } from "./openDevice.ts";

/** Starts the threads. Throws a `CpuError`: `no-simd` where the engine lacks what kernels need, `refused` for bad options. */
export async function openCpuDevice(options: CpuOptions = {}): Promise<CpuDevice> {
  const simd = prepareEngine();
  return openDevice(
    {
      engine: `V8 ${process.versions.v8}`,
      processors: availableParallelism(),
      memoryBytes: totalmem(),
      simd,
      sharedMemory: { works: true, remedy: "Leave `sharedMemory: false` out." },
      startThread: startNodeThread,
    },
    options,
  );
}
