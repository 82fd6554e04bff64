/**
 * Starts a program of the benchmark: `node bench/start.mjs bench|scaling [options]`.
 *
 * In: its name and options. Out: its exit code. What holds: the programs run from `bench/build`, bundled from the sources; the
 * stacks to compare with are installed into `bench/node_modules` at the first run, and may be missing.
 */
import { execFileSync, execSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("..", import.meta.url));

if (!existsSync(`${root}node_modules/esbuild`))
  execSync("npm ci --no-audit --no-fund", { cwd: root, stdio: ["ignore", 2, 2] });
const { build } = await import("esbuild");

const programs = ["bench", "scaling", "stackProcess"];
await build({
  entryPoints: programs.map((name) => `${folder}${name}.ts`),
  outdir: `${folder}build`,
  bundle: true,
  splitting: true,
  packages: "external",
  format: "esm",
  platform: "node",
  target: "node20",
  logLevel: "warning",
});

const [program = "bench", ...options] = process.argv.slice(2);
if (program === "bench" && !existsSync(`${folder}node_modules`))
  try {
    process.stderr.write("installing the stacks to compare with\n");
    execFileSync("npm", ["ci", "--no-audit", "--no-fund"], {
      cwd: folder,
      stdio: ["ignore", 2, 2],
      shell: process.platform === "win32",
    });
  } catch {
    process.stderr.write("they could not be installed: the table will say which are missing\n");
  }

const child = spawn(process.execPath, [`${folder}build/${program}.js`, ...options], { stdio: "inherit" });
child.on("exit", (code) => (process.exitCode = code ?? 1));
