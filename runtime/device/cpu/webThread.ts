/**
 * Web Workers, started from text, so that a page need not say where a file lies.
 */
import type { Command, Reply, StartThread } from "./thread.ts";
import { threadSource } from "./threadSource.ts";

/** The part of a browser's Worker that is used here (TypeScript has it only with all of the DOM). */
interface WebWorker {
  onmessage: (event: { readonly data: Reply }) => void;
  onerror: (event: { readonly message?: string }) => void;
  postMessage(command: Command): void;
  terminate(): void;
}

type WorkerConstructor = new (url: string, options: { readonly name: string }) => WebWorker;

const source = `"use strict";
const answer = (reply) => postMessage(reply);
${threadSource}
onmessage = ({ data }) => obey(data);
`;

/** A worker that a page's policy forbids gives no message. */
const blocked = "Let the page's Content-Security-Policy allow `worker-src blob:`, or open with `sharedMemory: false`.";

export const startWebThread: StartThread = (thread, { receive, fail }) => {
  const { Worker } = globalThis as unknown as { readonly Worker: WorkerConstructor };
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url, { name: `cnnc ${thread}` });
  worker.onmessage = ({ data }) => receive(data);
  worker.onerror = ({ message }) => (message === undefined ? fail("it could not be started", blocked) : fail(message));
  return {
    post: (command) => worker.postMessage(command),
    hold: () => {},
    async end() {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
};
