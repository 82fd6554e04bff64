/**
 * The process of a stack, from outside.
 *
 * In: a command and a task's folder. Out: requests answered, each within its time. What holds: a stack that fails, dies or takes
 * too long becomes a `StackFailure` with the reason, and its process is gone.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { type Facts, mark, type Reply, type Request, type RunReply } from "./protocol.ts";

export class StackFailure extends Error {}

export interface Command {
  readonly file: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface StackClient {
  run(first: number, count: number, every?: boolean): Promise<RunReply>;
  facts(peaks: boolean): Promise<Facts>;
  close(): Promise<void>;
}

/** Milliseconds for opening, and for one request. */
const patience = { open: 120_000, request: 240_000 };

/** Starts the process; resolves when it has the network. */
export async function openStack(command: Command): Promise<StackClient> {
  const child = spawn(command.file, command.arguments, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...command.environment },
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const replies = readReplies(child);
  const close = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  const next = async (within: number): Promise<Reply> => {
    try {
      const reply = await replies(within);
      if (reply.kind === "failed") throw new StackFailure(reply.reason);
      return reply;
    } catch (problem) {
      await close();
      throw problem;
    }
  };
  const request = (what: Request): Promise<Reply> => {
    child.stdin?.write(`${JSON.stringify(what)}\n`);
    return next(patience.request);
  };
  await next(patience.open);
  return {
    async run(first, count, every = false) {
      const reply = await request({ kind: "run", first, count, every });
      if (reply.kind !== "ran") throw new StackFailure(`it answered with ${reply.kind}`);
      return reply;
    },
    async facts(peaks) {
      const reply = await request({ kind: "facts", peaks });
      if (reply.kind !== "facts") throw new StackFailure(`it answered with ${reply.kind}`);
      return reply.facts;
    },
    close,
  };
}

/** The next reply of a process; rejects where it ends, cannot start or takes too long. */
function readReplies(child: ChildProcess): (within: number) => Promise<Reply> {
  const arrived: Reply[] = [];
  let errors = "";
  let ended: StackFailure | undefined;
  let wake = (): void => {};
  const end = (reason: string): void => {
    ended ??= new StackFailure(reason);
    wake();
  };
  child.once("error", ({ message }) => end(message));
  child.once("close", (code, signal) => end(lastLine(errors) ?? `its process ended (${signal ?? code})`));
  child.stdin?.on("error", () => {}); // What it means is said when the process ends.
  child.stderr?.on("data", (data: Buffer) => (errors = (errors + data.toString()).slice(-4000)));
  if (child.stdout)
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (!line.startsWith(mark)) return;
      arrived.push(JSON.parse(line.slice(mark.length)) as Reply);
      wake();
    });
  return async (within) => {
    const timer = setTimeout(() => end(`no answer within ${within / 1000} s`), within);
    try {
      while (arrived.length === 0 && !ended) await new Promise<void>((resolve) => (wake = resolve));
    } finally {
      clearTimeout(timer);
    }
    const reply = arrived.shift();
    if (reply) return reply;
    throw ended ?? new StackFailure("it gave no answer");
  };
}

/** The line of an error output that says most: the last one that names an error, else the last one. */
function lastLine(text: string): string | undefined {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("Node.js"));
  return (lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1))?.trim();
}
