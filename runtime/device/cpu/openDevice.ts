/**
 * The CPU device: WebAssembly SIMD kernels on threads over shared memory, or on the caller's thread where there is none.
 *
 * In: a host (Node.js, a browser) and what is asked of it. Out: a `Device` whose sessions run plans of target `wasm`; or a
 * `CpuError`. What holds: results are the same bits for any number of threads; closing the device ends its threads.
 */
import type { RunnablePlan } from "../../../compiler/plan/plan.ts";
import type { WasmEngine } from "../../../compiler/target.ts";
import type { Device, GivenBuffers } from "../device.ts";
import { startCallingThread } from "./callingThread.ts";
import { CpuError } from "./cpuError.ts";
import { makeDriver } from "./driver.ts";
import { memoryRequirements } from "./layout.ts";
import { createMemoryPool } from "./memories.ts";
import { createModuleCompiler } from "./modules.ts";
import { startThreads } from "./pool.ts";
import { type CpuSession, openSession } from "./session.ts";
import type { StartThread } from "./thread.ts";
import { webAssembly } from "./webAssembly.ts";

export interface CpuDevice extends Device {
  readonly threads: number;
  open(plan: RunnablePlan, given?: GivenBuffers): Promise<CpuSession>;
}

export interface CpuOptions {
  /** As many as the machine runs at a time, if not given; one without shared memory. */
  readonly threads?: number;
  /**
   * Whether threads share memory; not given: if they can. Without it kernels run in the calling thread, some milliseconds at a
   * time, and other work of that thread has its turn between them.
   */
  readonly sharedMemory?: boolean;
}

/** What runs the device. */
export interface CpuHost {
  /** Name and version of the engine, for people. */
  readonly engine: string;
  /** How many threads it runs at a time. */
  readonly processors: number;
  readonly memoryBytes: number;
  readonly simd: WasmEngine;
  /** Whether memory can be shared, and how to have it where it can not. */
  readonly sharedMemory: { readonly works: boolean; readonly remedy: string };
  readonly startThread: StartThread;
}

const mostThreads = 256;

/** Throws a `CpuError` (`refused`) for options that the host does not have. */
export function openDevice(host: CpuHost, options: CpuOptions): CpuDevice {
  const { simd, engine, memoryBytes } = host;
  const { threads, sharedMemory } = chooseThreads(host, options);
  const pool = startThreads(threads, sharedMemory ? host.startThread : startCallingThread);
  const driver = sharedMemory ? webAssembly.compile(makeDriver()) : Promise.resolve(undefined);
  const memories = createMemoryPool(sharedMemory);
  const modules = createModuleCompiler();
  let sessions = 0;
  return {
    threads,
    description: {
      kind: "cpu",
      name: `WebAssembly SIMD on ${threads} ${threads === 1 ? "thread" : "threads"}`,
      driver: [engine, ...simdNames(simd)].join(", "),
      software: false,
    },
    target: { kind: "wasm", ...simd, ...(sharedMemory ? {} : { unsharedMemory: true }) },
    requirements: (plan) => memoryRequirements(plan, threads, memoryBytes),
    roomFor: memories.roomFor,
    prepare: (part) => void (part instanceof Uint8Array && modules.compile(part)),
    open: (plan, given) =>
      openSession({ number: sessions++, pool, sharedMemory, memoryBytes, memories, modules, driver }, plan, given),
    close: () => pool.close(),
  };
}

function simdNames({ relaxedSimd, joinsVectors = false }: WasmEngine): string[] {
  return [...(relaxedSimd ? ["relaxed SIMD"] : []), ...(joinsVectors ? ["vectors of 256 bits"] : [])];
}

function chooseThreads(host: CpuHost, options: CpuOptions): { threads: number; sharedMemory: boolean } {
  const { works, remedy } = host.sharedMemory;
  const sharedMemory = options.sharedMemory ?? works;
  const threads = options.threads ?? (sharedMemory ? Math.min(host.processors, mostThreads) : 1);
  if (!Number.isInteger(threads) || threads < 1 || threads > mostThreads)
    throw new CpuError(
      "refused",
      `${threads} is no number of threads`,
      `Take a whole number from 1 to ${mostThreads}.`,
    );
  if (sharedMemory && !works) throw new CpuError("refused", "memory cannot be shared here", remedy);
  if (!sharedMemory && threads > 1)
    throw new CpuError("refused", `without shared memory there is one thread; ${threads} were asked for`, remedy);
  return { threads, sharedMemory };
}
