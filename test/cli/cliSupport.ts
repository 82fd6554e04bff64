/** Runs the command line as a user does: a process of its own, from a fresh bundle. */
import { spawn } from "node:child_process";
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
    await rm(bundleFolder, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  });
  return {
    get folder() {
      return folder;
    },
    main,
    run: (args, environment = {}) => runProcess([main, ...args], folder, environment),
  };
}

function runProcess(args: readonly string[], cwd: string, environment: NodeJS.ProcessEnv): Promise<Outcome> {
  const child = spawn(process.execPath, args, { cwd, env: { ...process.env, FORCE_COLOR: "0", ...environment } });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
  });
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
