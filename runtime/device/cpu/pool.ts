/**
 * The threads of a device.
 *
 * In: commands for all threads. Out: promises that settle when the threads have done them. What holds: a thread that dies
 * rejects whatever is waited for, now and later; idle threads do not keep the process alive, those that are waited for do.
 */
import { CpuError } from "./cpuError.ts";
import type { Command, Reply, StartThread, ThreadEvents } from "./thread.ts";

export interface ThreadPool {
  readonly size: number;
  /** Sends a command to each thread, and waits for so many replies of this kind. */
  request(session: number, reply: Reply["kind"], replies: number, command: (thread: number) => Command): Promise<void>;
  /** Keeps the process alive until the promise settles: since version 24, Node.js leaves while modules are compiled. */
  awake<T>(promise: Promise<T>): Promise<T>;
  /** What happens to a session when a thread dies: the other threads must leave its kernels. Returns the undoing. */
  onDeath(stop: () => void): () => void;
  close(): Promise<void>;
}

interface Waiting {
  readonly session: number;
  readonly reply: Reply["kind"];
  left: number;
  readonly resolve: () => void;
  readonly reject: (problem: Error) => void;
}

export function startThreads(size: number, start: StartThread): ThreadPool {
  const waiting = new Set<Waiting>();
  const onDeath = new Set<() => void>();
  let dead: CpuError | undefined;
  let closing = false;
  let reasons = 0;
  const hold = (): void => {
    if (reasons++ === 0) for (const thread of threads) thread.hold(true);
  };
  const release = (): void => {
    if (--reasons === 0) for (const thread of threads) thread.hold(false);
  };
  const settle = (entry: Waiting, problem?: Error): void => {
    waiting.delete(entry);
    release();
    if (problem) entry.reject(problem);
    else entry.resolve();
  };
  const failAll = (problem: CpuError): void => {
    dead ??= problem;
    for (const stop of onDeath) stop();
    for (const entry of waiting) settle(entry, dead);
  };
  const receive = (reply: Reply): void => {
    for (const entry of waiting) {
      if (entry.session !== reply.session) continue;
      if (reply.kind === "failed") settle(entry, kernelFailure(reply.problem));
      else if (reply.kind === entry.reply && --entry.left === 0) settle(entry);
    }
  };
  const fail: ThreadEvents["fail"] = (problem, remedy) => {
    if (!closing) failAll(threadFailure(problem, remedy));
  };
  const threads = Array.from({ length: size }, (_, number) => start(number, { receive, fail }));
  return {
    size,
    onDeath(stop) {
      onDeath.add(stop);
      return () => void onDeath.delete(stop);
    },
    request(session, reply, replies, command) {
      if (dead) return Promise.reject(dead);
      return new Promise((resolve, reject) => {
        hold();
        waiting.add({ session, reply, left: replies, resolve, reject });
        threads.forEach((thread, number) => thread.post(command(number)));
      });
    },
    async awake(promise) {
      hold();
      try {
        return await promise;
      } finally {
        release();
      }
    },
    async close() {
      closing = true;
      dead ??= new CpuError("refused", "the CPU device is closed", "Open it again.");
      failAll(dead);
      await Promise.all(threads.map((thread) => thread.end()));
    },
  };
}

const tooLittleMemory =
  "Too little memory causes this: resume from the last checkpoint, with fewer threads or a smaller batch.";

function threadFailure(problem: string, remedy = tooLittleMemory): CpuError {
  return new CpuError("thread-failed", `a worker thread of the CPU device failed: ${problem}`, remedy);
}

function kernelFailure(problem: string): CpuError {
  return new CpuError(
    "thread-failed",
    `a kernel failed on the CPU device: ${problem}`,
    "This is a fault of cnnc: please report it with the program that caused it.",
  );
}
