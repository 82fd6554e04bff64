/**
 * `node bench/firstStep.mjs`: how long a user waits from the command `cnnc train` to the end of the first training step.
 *
 * In: the built command (`npm run build`), CIFAR-10 as `cnnc train` finds it, or `--data`. Out: a table on standard output,
 * whole processes: medians until each milestone (runtime/milestones.ts). What holds: the programs run in turn, so that what
 * else the machine does meets all of them; a training that fails ends the measurement.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "./median.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const main = join(root, "dist", "cli", "main.js");
const marks = fileURLToPath(new URL("firstStepMarks.cjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "cnnc-bench-"));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string", default: "7" },
    device: { type: "string", default: "cpu" },
    data: { type: "string" },
    profile: { type: "string" },
    kept: { type: "boolean", default: false },
  },
});
const workloads = ["lenet", "resnet20"].map((name) => join(root, "bench", "workloads", `${name}.cnn`));
const files = positionals.length > 0 ? positionals : workloads;

/**
 * Milliseconds from the start of the process to each milestone, up to the last one that is asked for.
 * @param {string} file
 * @param {string} last
 * @returns {Record<string, number>}
 */
function milliseconds(file, last) {
  const data = values.data === undefined ? [] : ["--data", values.data];
  const profile = values.profile === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", values.profile];
  const fresh = values.kept ? [] : ["--fresh"];
  const run = ["--no-tuned", "--out", join(folder, "run")];
  const words = [main, "train", file, "--device", values.device, ...data, ...fresh, ...run];
  const start = performance.timeOrigin + performance.now();
  const env = { ...process.env, CNNC_MARK: last };
  const options = /** @type {const} */ ({ encoding: "utf8", maxBuffer: 2 ** 28, env });
  const { status, stderr } = spawnSync(process.execPath, ["--require", marks, ...profile, ...words], options);
  rmSync(join(folder, "run"), { recursive: true, force: true });
  const line = stderr.trimEnd().split("\n").at(-1) ?? "";
  if (status !== 0 || !line.startsWith("{")) throw new Error(`cnnc train ${file} ended with ${status}:\n${stderr}`);
  const { times } = /** @type {{ times: Record<string, number> }} */ (JSON.parse(line));
  return Object.fromEntries(Object.entries(times).map(([name, time]) => [name, time - start]));
}

/** @param {number} runs */
function measure(runs) {
  /** @type {Record<string, number>[][]} */
  const found = files.map(() => []);
  // The first round brings files into memory, keeps plans, and is not counted.
  for (let run = 0; run <= runs; run++)
    for (const [i, file] of files.entries()) {
      const times = milliseconds(file, run === 0 && values.kept ? "plan kept" : "first step");
      if (run > 0) found[i]?.push(times);
    }
  console.log(`${runs} runs each, Node.js ${process.version}, ${cpus()[0]?.model ?? "an unknown processor"}`);
  for (const [i, file] of files.entries()) {
    const own = found[i] ?? [];
    console.log(`\n${basename(file)}, seconds since the start of the process\n`);
    console.log("| milestone       | median  | fastest |");
    console.log("| --------------- | ------- | ------- |");
    for (const name of Object.keys(own[0] ?? {})) {
      const times = own.map((each) => each[name] ?? NaN);
      const cells = [median(times), Math.min(...times)].map((time) => `${(time / 1000).toFixed(3)} s`);
      console.log(`| ${[name.padEnd(15), ...cells].join(" | ")} |`);
    }
  }
}

try {
  const runs = Number(values.runs);
  if (!existsSync(main)) throw new Error("there is no dist/cli/main.js: build it with `npm run build`");
  if (!Number.isInteger(runs) || runs < 1) throw new Error("the number of runs is a whole number from 1");
  measure(runs);
} catch (problem) {
  console.error(`error: ${problem instanceof Error ? problem.message : String(problem)}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
