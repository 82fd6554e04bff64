/**
 * The process of a stack that runs in Node.js: `node stackProcess.js STACK FOLDER`.
 *
 * In: a task's folder, requests line by line. Out: replies line by line (protocol.ts). What holds: standard output has nothing
 * else, whatever libraries print.
 */
import { createInterface } from "node:readline";
import { mark, type Reply, type Request } from "./protocol.ts";
import { cnncCpu, cnncGpu } from "./stacks/cnnc.ts";
import { convnetjs } from "./stacks/convnetjs.ts";
import { jax } from "./stacks/jax.ts";
import { onnxruntime } from "./stacks/onnxruntime.ts";
import type { OpenStack, Stack } from "./stacks/stack.ts";
import { tfjs } from "./stacks/tfjs.ts";
import { readTask } from "./task.ts";

const stacks: Readonly<Record<string, Stack>> = {
  "cnnc-cpu": cnncCpu,
  "cnnc-gpu": cnncGpu,
  tfjs,
  jax,
  convnetjs,
  onnxruntime,
};

console.log = console.info = console.warn = console.error;

function reply(message: Reply): void {
  process.stdout.write(`${mark}${JSON.stringify(message)}\n`);
}

async function answer(stack: OpenStack, request: Request): Promise<Reply> {
  if (request.kind === "facts") {
    const processBytes = process.resourceUsage().maxRSS * 1024;
    return { kind: "facts", facts: { processBytes, ...(await stack.facts(request.peaks)) } };
  }
  const started = performance.now();
  const values = await stack.run(request.first, request.count, request.every);
  return { kind: "ran", milliseconds: performance.now() - started, values };
}

async function main(name: string, folder: string): Promise<void> {
  const stack = stacks[name];
  if (!stack) throw new Error(`there is no stack ${name}`);
  const open = await stack.open(await readTask(folder), folder);
  reply({ kind: "opened" });
  for await (const line of createInterface({ input: process.stdin }))
    reply(await answer(open, JSON.parse(line) as Request));
}

const [name = "", folder = ""] = process.argv.slice(2);
try {
  await main(name, folder);
} catch (problem) {
  reply({
    kind: "failed",
    reason: problem instanceof Error ? (problem.message.split("\n")[0] ?? "") : String(problem),
  });
}
// Libraries keep devices and threads; nothing of theirs is worth waiting for.
process.exit(0);
