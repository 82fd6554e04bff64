/** Runs the command line as a user does: a process of its own, from a fresh bundle. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { bundle, root } from "../../scripts/bundle.mjs";

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Cli {
  /** An empty folder of this test file. */
  readonly folder: string;
  readonly main: string;
  run(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Outcome>;
  start(args: readonly string[], environment?: NodeJS.ProcessEnv): Started;
}

/** A process that is under way. */
export interface Started {
  /** Resolves when the text, of both streams so far, has what is looked for; rejects if the process ends without it. */
  readonly says: (wanted: RegExp) => Promise<void>;
  readonly interrupt: () => void;
  readonly outcome: Promise<Outcome & { readonly signal: NodeJS.Signals | null }>;
}

/** Bundles before the tests of a file and removes everything after them. */
export function useCli(): Cli {
  let folder = "";
  // Inside of the checkout, so that external packages are found.
  const bundleFolder = join(root, "build", `cli-test-${process.pid}-${Math.random().toString(36).slice(2)}`);
  const main = join(bundleFolder, "cli", "main.js");
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "cnnc-cli-"));
    await bundle(bundleFolder);
  });
  afterAll(async () => {
    // A test that failed may have left its process running.
    for (const child of running) child.kill("SIGKILL");
    await rm(bundleFolder, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  });
  return {
    get folder() {
      return folder;
    },
    main,
    run: async (args, environment = {}) => {
      const { code, out, err } = await startProcess([main, ...args], folder, environment).outcome;
      return { code, out, err };
    },
    start: (args, environment = {}) => startProcess([main, ...args], folder, environment),
  };
}

const running = new Set<ChildProcess>();

function startProcess(args: readonly string[], cwd: string, environment: NodeJS.ProcessEnv): Started {
  const child = spawn(process.execPath, args, { cwd, env: { ...process.env, FORCE_COLOR: "0", ...environment } });
  running.add(child);
  let out = "";
  let err = "";
  let isOver = false;
  const listeners = new Set<() => void>();
  const tell = (): void => listeners.forEach((listener) => listener());
  child.stdout.setEncoding("utf8").on("data", (text: string) => ((out += text), tell()));
  child.stderr.setEncoding("utf8").on("data", (text: string) => ((err += text), tell()));
  const outcome = new Promise<Awaited<Started["outcome"]>>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      isOver = true;
      running.delete(child);
      resolve({ code, signal, out, err });
      tell();
    });
  });
  return {
    says: (wanted) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (wanted.test(out + err)) resolve();
          else if (isOver) reject(new Error(`it ended without ${wanted}:\n${out}${err}`));
          else return;
          listeners.delete(look);
        };
        listeners.add(look);
        look();
      }),
    interrupt: () => void child.kill("SIGINT"),
    outcome,
  };
}

/** Small enough to train for an epoch in a second or two. */
export const smallProgram = `model Small {
  input 3@32x32
  conv 4@6x6 stride 2 -> bn -> relu -> pool max 2
  fc 10
}

train {
  data shapes
  batch 250
  epochs 1
  optimizer adam lr 0.01
  seed 3
}
`;
