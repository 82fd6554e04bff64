/**
 * `npm run bench`: this project beside other stacks, on one machine, in one run.
 *
 * In: options. Out: tables on the screen and a JSON file with every time. Exit code 1 where our own results differ from the
 * reference's; a stack that cannot run here is reported with its reason.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { generateShapes } from "../runtime/data/shapes.ts";
import { benchFolder } from "./folders.ts";
import { type MeasureSettings, measureTask } from "./measure.ts";
import { type DevicePeaks, renderPeaks, renderTask, type TaskResult } from "./report.ts";
import { type StackEntry, type StackName, stackNames, stackTable } from "./stackTable.ts";
import { type Mode, writeData } from "./task.ts";
import { inferenceBatches, loadWorkload, type WorkloadName, workloadNames } from "./workloads.ts";

interface Options {
  readonly only: readonly WorkloadName[];
  readonly stacks: readonly StackName[];
  readonly mode: readonly Mode[];
  readonly quick?: true;
  readonly cold: boolean;
  readonly seconds?: number;
  readonly python: string;
  readonly openblas?: string;
  readonly out: string;
}

/** Reads `a,b` as names that a table has. */
function listOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(",").map((name) => {
      const found = known.find((one) => one === name.trim());
      if (found === undefined) throw new InvalidArgumentError(`There is no ${name}; there are ${known.join(", ")}.`);
      return found;
    });
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("It must be a number above 0.");
  return value;
}

/** The loader passes over what it cannot preload, without a word that anybody sees. */
function existing(path: string): string {
  if (!existsSync(path)) throw new InvalidArgumentError("There is no such file.");
  return path;
}

function readOptions(): Options {
  const command = new Command("npm run bench --")
    .description("Times this project beside other stacks: training steps and inference.")
    .option("--only <workloads>", `some of ${workloadNames.join(", ")}`, listOf(workloadNames), [...workloadNames])
    .option("--stacks <stacks>", `some of ${stackNames.join(", ")}`, listOf(stackNames), [...stackNames])
    .option("--mode <modes>", "train, predict or both", listOf(["train", "predict"]), ["train", "predict"])
    .option("--quick", "few rounds, short ones, and no cold starts")
    .option("--no-cold", "leave drivers' caches as they are")
    .option("--seconds <n>", "time for the turns of one stack in one table", positive)
    .option("--python <file>", "the Python that has PyTorch", "/usr/bin/python3")
    .option("--openblas <file>", "libopenblas.so.0 to run PyTorch with as well", existing)
    .option("--out <file>", "where the JSON goes", join(benchFolder, "build", "results.json"));
  return command.parse().opts<Options>();
}

function settingsOf({ quick, cold, seconds }: Options): Omit<MeasureSettings, "peaks"> {
  const chosen = quick
    ? { rounds: 3, turn: 150, budget: 3_000, cold: false }
    : { rounds: 9, turn: 400, budget: 15_000, cold };
  return seconds === undefined ? chosen : { ...chosen, budget: seconds * 1000 };
}

/** Every task of the options, one at a time. */
async function* tasksOf({
  only,
  mode,
}: Options): AsyncGenerator<{ name: WorkloadName; mode: Mode; batch: number | undefined }> {
  for (const name of only)
    for (const one of mode)
      for (const batch of one === "train" ? [undefined] : inferenceBatches) yield { name, mode: one, batch };
}

/** What is going on, in place, where someone watches. */
function tell(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${what}`);
}

async function main(): Promise<number> {
  const options = readOptions();
  const settings = settingsOf(options);
  const table = stackTable({ python: options.python, openblas: options.openblas });
  const folder = await mkdtemp(join(tmpdir(), "cnnc-bench-"));
  const peaks: DevicePeaks = {};
  const tasks: TaskResult[] = [];
  process.once("SIGINT", () => process.exit(130));
  // Whoever reads the tables may stop reading.
  process.stdout.once("error", () => process.exit(1));
  try {
    tell("pictures");
    const { train } = await generateShapes();
    for await (const { name, mode, batch } of tasksOf(options)) {
      const { model, recipe } = loadWorkload(name, batch);
      tell(`${name}: weights`);
      await writeData(folder, { model, recipe }, train);
      const stacks = options.stacks
        .map((stack): readonly [StackName, StackEntry] => [stack, table[stack]])
        .filter(([, { modes }]) => modes.includes(mode));
      const withPeaks = { ...settings, peaks: tasks.length === 0 };
      const results = await measureTask(folder, { mode, model, recipe }, stacks, withPeaks, (what) =>
        tell(`${name}, ${mode}: ${what}`),
      );
      for (const { stack, facts } of results) if (facts?.peaks) peaks[stack] = facts.peaks;
      const operations = results.find(({ facts }) => facts?.operations !== undefined)?.facts?.operations;
      const result: TaskResult = { workload: name, mode, batch: recipe.batch, operations, results };
      tasks.push(result);
      tell("");
      process.stdout.write(`${renderTask(result, peaks)}\n\n`);
      await writeResults(options.out, { tasks, peaks });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const titles = Object.fromEntries(stackNames.map((name) => [name, table[name].title])) as Record<StackName, string>;
  process.stdout.write(`${renderPeaks(peaks, titles)}\nall times: ${options.out}\n`);
  return tasks.some(({ results }) => results.some(isWrong)) ? 1 : 0;
}

function isWrong({ stack, agreement }: TaskResult["results"][number]): boolean {
  return stack.startsWith("cnnc") && typeof agreement === "object" && !agreement.holds;
}

async function writeResults(
  path: string,
  results: { tasks: readonly TaskResult[]; peaks: DevicePeaks },
): Promise<void> {
  const [processor] = cpus();
  const machine = {
    processor: processor?.model ?? "",
    threads: cpus().length,
    memoryBytes: totalmem(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  };
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify({ date: new Date().toISOString(), machine, ...results }, null, 1)}\n`);
}

process.exitCode = await main();
