/**
 * The CPU device: WebAssembly SIMD kernels on worker threads over shared memory.
 *
 * In: a number of threads. Out: a `Device` whose sessions run plans of target `wasm`; or a `CpuError`. What holds: results
 * are the same bits for any number of threads; closing the device ends its threads.
 */
import { availableParallelism } from "node:os";
import type { RunnablePlan } from "../../../compiler/plan/plan.ts";
import type { Device } from "../device.ts";
import { CpuError } from "./cpuError.ts";
import { makeDriver } from "./driver.ts";
import { prepareEngine } from "./engine.ts";
import { memoryRequirements } from "./layout.ts";
import { createMemoryPool } from "./memories.ts";
import { createModuleCompiler } from "./modules.ts";
import { startWorkers } from "./pool.ts";
import { type CpuSession, openSession } from "./session.ts";
import { webAssembly } from "./webAssembly.ts";

export interface CpuDevice extends Device {
  readonly threads: number;
  open(plan: RunnablePlan): Promise<CpuSession>;
}

export interface CpuOptions {
  /** As many as the machine runs at a time, if not given. */
  readonly threads?: number;
}

const mostThreads = 256;

/** Starts the threads. Throws a `CpuError`: `no-simd` where the engine lacks what kernels need, `refused` for bad options. */
export async function openCpuDevice(options: CpuOptions = {}): Promise<CpuDevice> {
  const threads = options.threads ?? Math.min(availableParallelism(), mostThreads);
  if (!Number.isInteger(threads) || threads < 1 || threads > mostThreads)
    throw new CpuError(
      "refused",
      `${threads} is no number of threads`,
      `Take a whole number from 1 to ${mostThreads}.`,
    );
  const { relaxedSimd } = prepareEngine();
  const workers = startWorkers(threads);
  const driver = webAssembly.compile(makeDriver());
  const memories = createMemoryPool();
  const modules = createModuleCompiler();
  let sessions = 0;
  return {
    threads,
    description: {
      kind: "cpu",
      name: `WebAssembly SIMD on ${threads} ${threads === 1 ? "thread" : "threads"}`,
      driver: `V8 ${process.versions.v8}${relaxedSimd ? ", relaxed SIMD" : ""}`,
      software: false,
    },
    target: { kind: "wasm", relaxedSimd },
    requirements: (plan) => memoryRequirements(plan, threads),
    prepare: (part) => void (part instanceof Uint8Array && modules.compile(part)),
    open: (plan) => openSession({ number: sessions++, workers, memories, modules, driver }, plan),
    close: () => workers.close(),
  };
}
