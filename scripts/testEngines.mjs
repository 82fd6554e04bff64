/**
 * `npm run test:engines [VERSION…]`: the tests of the CPU device under other versions of Node.js, whose engines compile WebAssembly in
 * other ways. The versions come as packages of npm, into `build/`. What holds: the exit code is that of the first that fails; a
 * version that npm cannot bring is told and left out.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** With the oldest that is supported, one of each engine's major version. */
const usualVersions = ["22", "24", "26"];

/** What runs code of the printer in the engine. */
const tests = [
  "test/compiler/calls.test.ts",
  "test/compiler/layerTraining.test.ts",
  "test/compiler/wasmKernels.test.ts",
  "test/compiler/wasmMath.test.ts",
  "test/compiler/wasmNests.test.ts",
  "test/runtime/cpuDevice.test.ts",
  "test/runtime/v8Flags.test.ts",
  "test/runtime/wasmModules.test.ts",
];

/**
 * The folder with the program of a version, or undefined.
 * @param {string} version
 */
function fetchNode(version) {
  const name = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const folder = join(root, "build", `node-${version}`);
  const programs = join(folder, "node_modules", name, "bin");
  mkdirSync(folder, { recursive: true });
  if (!existsSync(programs))
    spawnSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--prefix", folder, `${name}@${version}`], {
      stdio: "inherit",
      shell: process.platform === "win32",
    });
  return existsSync(programs) ? programs : undefined;
}

const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const given = process.argv.slice(2);
for (const version of given.length > 0 ? given : usualVersions) {
  const programs = fetchNode(version);
  if (programs === undefined) {
    process.stderr.write(`npm has no Node.js ${version} for this machine: it is left out\n`);
    continue;
  }
  process.stderr.write(`Node.js ${version}\n`);
  const env = { ...process.env, PATH: `${programs}${delimiter}${process.env["PATH"] ?? ""}` };
  const { status } = spawnSync(join(programs, "node"), [vitest, "run", ...tests], { cwd: root, env, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
