/**
 * `node bench/check.mjs [RUNS]`: how long `cnnc check` takes as a user waits for it, from the start of the process to its end.
 *
 * In: the built command (`npm run build`). Out: a table on standard output. What holds: the programs are checked in turn, so that
 * what else the machine does meets all of them; a check that fails ends the measurement.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "./median.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const main = join(root, "dist", "cli", "main.js");
const folder = mkdtempSync(join(tmpdir(), "cnnc-bench-"));

/**
 * A chain of so many layers, a third of them with weights.
 * @param {number} layers
 */
function chain(layers) {
  const words = ["conv 16@3x3 pad same bias off", "bn", "relu"];
  const lines = Array.from({ length: layers }, (_, i) => `  ${words[i % words.length] ?? ""}`);
  const file = join(folder, `chain-${layers}.cnn`);
  writeFileSync(file, `model Chain {\n  input 3@32x32\n${lines.join("\n")}\n}\n`);
  return file;
}

/** @param {string} name */
const example = (name) => join(root, "examples", name);
/** @param {number} count */
const chainCase = (count) => ({
  name: `a chain of ${count.toLocaleString("en-US")} layers`,
  words: [main, "check", chain(count)],
  limit: count === 10_000 ? 2 : undefined,
});

const programs = [
  { name: "Node itself, no program", words: ["-e", ""], limit: undefined },
  { name: "LeNet", words: [main, "check", example("lenet.cnn")], limit: 0.25 },
  { name: "ResNet-50", words: [main, "check", example("zoo/resnet50.cnn")], limit: 0.35 },
  ...[1250, 2500, 5000, 10_000].map(chainCase),
];

/**
 * Seconds of one whole process.
 * @param {readonly string[]} words
 */
function seconds(words) {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, words, { encoding: "utf8", maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`node ${words.join(" ")} ended with ${status}:\n${stderr}`);
  return (performance.now() - start) / 1000;
}

/** @param {number} runs */
function measure(runs) {
  /** @type {number[][]} */
  const times = programs.map(() => []);
  // The first round brings files into memory and is not counted.
  for (let run = 0; run <= runs; run++)
    for (const [i, { words }] of programs.entries()) {
      const time = seconds(words);
      if (run > 0) times[i]?.push(time);
    }
  console.log(`${runs} runs each, Node.js ${process.version}, ${cpus()[0]?.model ?? "an unknown processor"}\n`);
  console.log("| `cnnc check` of             | median  | fastest | at most |");
  console.log("| --------------------------- | ------- | ------- | ------- |");
  for (const [i, { name, limit }] of programs.entries()) {
    const own = times[i] ?? [];
    const cells = [median(own), Math.min(...own)].map((time) => `${time.toFixed(3)} s`);
    console.log(`| ${[name.padEnd(27), ...cells, (limit === undefined ? "" : `${limit} s`).padEnd(7)].join(" | ")} |`);
  }
}

const runs = Number(process.argv[2] ?? 11);
try {
  if (!existsSync(main)) throw new Error("there is no dist/cli/main.js: build it with `npm run build`");
  if (!Number.isInteger(runs) || runs < 1) throw new Error("the number of runs is a whole number from 1");
  measure(runs);
} catch (problem) {
  console.error(`error: ${problem instanceof Error ? problem.message : String(problem)}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
