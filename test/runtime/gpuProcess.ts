/** Runs TypeScript in a process of its own, to see whether it ends by itself and what it prints. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Bundles `source` (its imports are relative to the repository) and runs it; killed after 30 seconds. */
export async function runBundled(
  source: string,
  environment: Record<string, string> = {},
): Promise<{ output: string; exitCode: number | null }> {
  const cache = join(root, "node_modules", ".cache");
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, "cnnc-test-"));
  try {
    const outfile = join(folder, "program.mjs");
    const stdin = { contents: source, resolveDir: root, loader: "ts" as const };
    await build({
      stdin,
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      packages: "external",
      logLevel: "error",
    });
    return await run(outfile, environment);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(file: string, environment: Record<string, string>): Promise<{ output: string; exitCode: number | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file], { env: { ...process.env, ...environment } });
    const killer = setTimeout(() => child.kill("SIGKILL"), 30_000);
    let output = "";
    child.stdout.on("data", (part: Buffer) => (output += part.toString()));
    child.stderr.on("data", (part: Buffer) => (output += part.toString()));
    child.on("error", reject);
    child.on("close", (exitCode) => {
      clearTimeout(killer);
      resolve({ output, exitCode });
    });
  });
}
