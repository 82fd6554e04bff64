/**
 * What runs in a worker thread, as text: a thread is started from it in sources and in a bundle alike.
 *
 * In: messages of `Command`, announced by a change of the signal word, since the thread sleeps in `Atomics.wait` and
 * not in its event loop. Out: messages of `Reply`. What holds: a thread that fails stops the others before it says so.
 */
import { control, outcome } from "./driver.ts";
import type { WasmMemory, WasmModuleObject } from "./webAssembly.ts";

export type Command =
  | {
      readonly kind: "open";
      readonly session: number;
      readonly memory: WasmMemory;
      readonly modules: readonly WasmModuleObject[];
      readonly tableLength: number;
      readonly driver: WasmModuleObject;
      /** Address of this thread's scratch memory. */
      readonly scratch: number;
    }
  | { readonly kind: "run" | "close"; readonly session: number };

export type Reply =
  | { readonly kind: "opened" | "closed" | "finished"; readonly session: number }
  | { readonly kind: "failed"; readonly session: number; readonly problem: string };

export const workerSource = `"use strict";
const { parentPort, receiveMessageOnPort, workerData } = require("node:worker_threads");
const signal = workerData;
const sessions = new Map();

const commands = {
  open({ session, memory, modules, tableLength, driver, scratch }) {
    const env = { memory, kernels: new WebAssembly.Table({ element: "anyfunc", initial: tableLength }) };
    for (const module of modules) new WebAssembly.Instance(module, { env });
    const { run } = new WebAssembly.Instance(driver, { env }).exports;
    sessions.set(session, { memory, run, scratch });
    parentPort.postMessage({ kind: "opened", session });
  },
  run({ session }) {
    const { run, scratch } = sessions.get(session);
    if (run(scratch) === ${outcome.finished}) parentPort.postMessage({ kind: "finished", session });
  },
  close({ session }) {
    sessions.delete(session);
    parentPort.postMessage({ kind: "closed", session });
  },
};

function stop(session) {
  const opened = sessions.get(session);
  if (opened === undefined) return;
  const words = new Int32Array(opened.memory.buffer);
  Atomics.store(words, ${control.stop / 4}, 1);
  Atomics.add(words, ${control.phase / 4}, 1);
  Atomics.notify(words, ${control.phase / 4});
}

for (;;) {
  const seen = Atomics.load(signal, 0);
  const received = receiveMessageOnPort(parentPort);
  if (received === undefined) {
    Atomics.wait(signal, 0, seen);
    continue;
  }
  const { kind, session } = received.message;
  try {
    commands[kind](received.message);
  } catch (problem) {
    stop(session);
    parentPort.postMessage({ kind: "failed", session, problem: String(problem?.message ?? problem) });
  }
}
`;
