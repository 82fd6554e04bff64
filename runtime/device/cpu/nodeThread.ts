/**
 * Worker threads of Node.js.
 *
 * What holds: a thread sleeps in `Atomics.wait`, not in its event loop, which takes longer to wake; a change of the signal
 * word announces each command.
 */
import { Worker } from "node:worker_threads";
import type { StartThread } from "./thread.ts";
import { threadSource } from "./threadSource.ts";

const source = `"use strict";
const { parentPort, receiveMessageOnPort, workerData: signal } = require("node:worker_threads");
const answer = (reply) => parentPort.postMessage(reply);
${threadSource}
for (;;) {
  const seen = Atomics.load(signal, 0);
  const received = receiveMessageOnPort(parentPort);
  if (received === undefined) Atomics.wait(signal, 0, seen);
  else obey(received.message);
}
`;

export const startNodeThread: StartThread = (thread, { receive, fail }) => {
  const signal = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(source, { eval: true, workerData: signal, execArgv: [], name: `cnnc ${thread}` });
  worker.on("message", receive);
  worker.on("error", ({ message }) => fail(message));
  worker.on("exit", () => fail("it ended by itself"));
  worker.unref();
  return {
    post(command) {
      worker.postMessage(command);
      Atomics.add(signal, 0, 1);
      Atomics.notify(signal, 0);
    },
    hold: (isAwaited) => (isAwaited ? worker.ref() : worker.unref()),
    end: async () => void (await worker.terminate()),
  };
};
