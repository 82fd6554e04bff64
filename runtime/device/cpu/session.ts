/**
 * A plan on the CPU device: its memory, its programs in each thread, and the running of them.
 *
 * In: a plan of target `wasm`. Out: a `Session`. What holds: operations take effect in the order of the calls; after a
 * failure every operation rejects with it.
 */
import type { RunnablePlan } from "../../../compiler/plan/plan.ts";
import type { GivenBuffers, KernelTime, Session } from "../device.ts";
import { isMet, type Requirement, sizeText } from "../requirements.ts";
import { createOperationQueue } from "../operationQueue.ts";
import { CpuError } from "./cpuError.ts";
import { control } from "./driver.ts";
import { layOut, memoryRequirements, type SessionLayout } from "./layout.ts";
import type { MemoryPool, Placed } from "./memories.ts";
import type { ModuleCompiler } from "./modules.ts";
import type { ThreadPool } from "./pool.ts";
import type { WasmMemory, WasmModuleObject } from "./webAssembly.ts";

export interface CpuSession extends Session {
  /** There always is a clock. It is read after `times` runs of each dispatch, 5 if not given. */
  profile(program: string, times?: number): Promise<readonly KernelTime[]>;
}

export interface SessionParts {
  readonly number: number;
  readonly pool: ThreadPool;
  readonly sharedMemory: boolean;
  /** What the machine has. */
  readonly memoryBytes: number;
  readonly memories: MemoryPool;
  readonly modules: ModuleCompiler;
  /** Where memory is shared. */
  readonly driver: Promise<WasmModuleObject | undefined>;
}

interface OpenSession extends SessionParts {
  readonly plan: RunnablePlan;
  /** What was given and lies in its place. */
  readonly placed: Placed | undefined;
  readonly layout: SessionLayout;
  readonly memory: WasmMemory;
  readonly words: Int32Array;
  readonly forget: () => void;
  failure: CpuError | undefined;
}

/** Places the plan in memory and its modules in all threads. Throws a `CpuError`. */
export async function openSession(
  parts: SessionParts,
  plan: RunnablePlan,
  given: GivenBuffers = new Map(),
): Promise<CpuSession> {
  if (plan.target !== "wasm" || !plan.wasm)
    throw new CpuError(
      "refused",
      `a plan for ${plan.target} cannot run on the CPU`,
      "Compile the program for the CPU.",
    );
  const { pool, memories, modules, number, memoryBytes, sharedMemory } = parts;
  const { wasm } = plan;
  if (sharedMemory === (wasm.unsharedMemory ?? false))
    throw new CpuError(
      "refused",
      `a plan for memory that is ${sharedMemory ? "not " : ""}shared cannot run on this device`,
      "Compile the program for the device's own target.",
    );
  refuseUnmet(memoryRequirements(plan, pool.size, memoryBytes));
  const placed = memories.placed(given);
  const layout = layOut(plan, pool.size, placed);
  const memory = memories.take(layout.bytes, placed);
  const words = new Int32Array(memory.buffer);
  for (const [address, value] of layout.words) words[address / 4] = value;
  const forget = pool.onDeath(() => stop(words));
  const session: OpenSession = { ...parts, plan, placed, layout, memory, words, forget, failure: undefined };
  const [driver, ...compiled] = await pool.awake(Promise.all([parts.driver, ...wasm.modules.map(modules.compile)]));
  await pool.request(number, "opened", pool.size, (thread) => ({
    kind: "open",
    session: number,
    memory,
    modules: compiled,
    tableLength: wasm.tableLength,
    driver,
    scratch: layout.scratch[thread] ?? 0,
  }));
  return sessionOf(session);
}

function sessionOf(session: OpenSession): CpuSession {
  const { plan, placed, layout, memory, number, pool, memories } = session;
  const queue = createOperationQueue();
  let closed = false;
  const bytesAt = (buffer: number, offset: number, length: number): Uint8Array => {
    const size = plan.buffers[buffer]?.bytes;
    if (size === undefined) throw refusal(`the plan has no buffer ${buffer}`);
    if (offset < 0 || offset + length > size)
      throw refusal(`bytes ${offset} to ${offset + length} are outside of a buffer of ${size}`);
    return new Uint8Array(memory.buffer, (layout.buffers[buffer] ?? 0) + offset, length);
  };
  const operation = <T>(work: () => Promise<T>): Promise<T> =>
    queue.after(async () => {
      if (session.failure) throw session.failure;
      if (closed) throw refusal("the session is closed");
      return work();
    });
  const startOf = (program: string): number => {
    const start = layout.programs.get(program);
    if (start === undefined) throw refusal(`the plan has no program "${program}"`);
    return start;
  };
  return {
    write(buffer, offset, bytes) {
      const target = bytesAt(buffer, offset, bytes.byteLength);
      if (buffer === placed?.buffer && isAt(bytes, placed.bytes, offset)) return;
      // What waits for its turn must not change meanwhile.
      const copy = queue.idle() ? bytes : bytes.slice();
      queue.now(() => {
        if (!closed) target.set(copy);
      });
    },
    read: (buffer, offset, length) => operation(async () => bytesAt(buffer, offset, length).slice()),
    run: (program, times = 1) => operation(async () => runFrom(session, startOf(program), times)),
    profile: (program, times = 5) =>
      operation(async () => {
        startOf(program);
        const found: KernelTime[] = [];
        for (const entry of layout.single.get(program) ?? []) {
          const before = performance.now();
          await runFrom(session, entry, times);
          const milliseconds = (performance.now() - before) / times;
          found.push({ kernel: layout.kernels.get(entry) ?? 0, milliseconds });
        }
        return found;
      }),
    close: () =>
      queue.after(async () => {
        if (closed) return;
        closed = true;
        session.forget();
        if (session.failure) return;
        await pool.request(number, "closed", pool.size, () => ({ kind: "close", session: number }));
        if (!placed) memories.give(memory);
      }),
  };
}

/** Whether bytes are those of a whole from an offset on. */
function isAt(bytes: Uint8Array, whole: Uint8Array, offset: number): boolean {
  return bytes.buffer === whole.buffer && bytes.byteOffset === whole.byteOffset + offset;
}

function refuseUnmet(requirements: readonly Requirement[]): void {
  for (const requirement of requirements) {
    if (isMet(requirement)) continue;
    const { what, bytes, limit } = requirement;
    throw new CpuError(
      "limits",
      `the program needs ${sizeText(bytes)} for ${what}; the limit is ${sizeText(limit)}`,
      "Use a smaller batch or data set, or a GPU (--device gpu).",
    );
  }
}

function refusal(problem: string): CpuError {
  return new CpuError("refused", problem, "Compile the program again.");
}

/** Opens the first dispatch and wakes the threads. */
async function runFrom(session: OpenSession, start: number, times: number): Promise<void> {
  if (start === 0 || times < 1) return;
  const { words, memory, number, pool } = session;
  Atomics.store(words, control.steps / 4, times);
  Atomics.store(new BigInt64Array(memory.buffer, control.ticket, 1), 0, BigInt(start) << 32n);
  wake(words);
  try {
    await pool.request(number, "finished", 1, () => ({ kind: "run", session: number }));
  } catch (problem) {
    session.failure = problem instanceof CpuError ? named(session, problem) : refusal(String(problem));
    throw session.failure;
  }
}

/** With the name of the kernel that ran at last, unless the device has just been closed. */
function named({ words, layout, plan }: OpenSession, problem: CpuError): CpuError {
  if (problem.code !== "thread-failed") return problem;
  const kernel = plan.kernels[layout.kernels.get(words[control.ticket / 4 + 1] ?? 0) ?? -1];
  return kernel ? new CpuError(problem.code, `${problem.message} (in ${kernel.name})`, problem.remedy) : problem;
}

function wake(words: Int32Array): void {
  Atomics.add(words, control.phase / 4, 1);
  Atomics.notify(words, control.phase / 4);
}

function stop(words: Int32Array): void {
  Atomics.store(words, control.stop / 4, 1);
  wake(words);
}
