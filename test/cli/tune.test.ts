/** `cnnc tune` and what `cnnc train` makes of it, as users run them, on both devices. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { version } from "../../cli/version.ts";
import { backendFor } from "../../compiler/schedule/backends.ts";
import type { Schedule } from "../../compiler/schedule/schedule.ts";
import { tuningSubjects } from "../../compiler/tuning/tuning.ts";
import { compile } from "../../compiler/compile.ts";
import { checkText } from "../../language/index.ts";
import { openCpuDevice } from "../../runtime/device/cpu/cpuDevice.ts";
import type { Device } from "../../runtime/device/device.ts";
import { openGpuDevice } from "../../runtime/device/gpu/gpuDevice.ts";
import { writeTuned } from "../../runtime/tune/cache.ts";
import { hasAdapter } from "../runtime/gpuSupport.ts";
import { type Outcome, smallProgram, useCli } from "./cliSupport.ts";

const cli = useCli();
const file = "small.cnn";
beforeAll(() => writeFile(join(cli.folder, file), smallProgram));

const cacheOf = (name: string): string => join(cli.folder, `cache-${name}`);
/** Caches of their own for tuned schedules; one for what Mesa compiles, which would be by the side of each. */
const environment = (name: string): NodeJS.ProcessEnv => ({
  XDG_CACHE_HOME: cacheOf(name),
  MESA_SHADER_CACHE_DIR: join(cli.folder, "mesa"),
});
const tunedFiles = (name: string): Promise<string[]> => readdir(join(cacheOf(name), "cnnc", "tuned"));
const weights = (run: string): Promise<Buffer> => readFile(join(cli.folder, run, "last.safetensors"));
const schedulesOf = async (path: string): Promise<Record<string, Schedule>> =>
  (JSON.parse(await readFile(path, "utf8")) as { schedules: Record<string, Schedule> }).schedules;
const recorded = (run: string): Promise<Record<string, Schedule>> => schedulesOf(join(cli.folder, run, "run.json"));

const devices = [
  { name: "cpu", options: ["--device", "cpu", "--threads", "1"], open: () => openCpuDevice({ threads: 1 }) },
  { name: "gpu", options: ["--device", "gpu"], open: () => openGpuDevice({ allowSoftware: true }) },
] as const;
const there = await hasAdapter();

/** Second choices for some kernels of the small program, in a cache as `cnnc tune` leaves it. */
async function fillCache(cache: string, open: () => Promise<Device>): Promise<Record<string, Schedule>> {
  const device = await open();
  try {
    const { program } = checkText(smallProgram, file);
    const [model] = program?.models ?? [];
    if (!model || !program?.recipe) throw new Error("the program has errors");
    const { target } = device;
    const options = { counts: { train: 10_000, test: 2000 }, target, separate: true, programs: ["trainStep"] } as const;
    const found = new Map<string, Schedule>();
    for (const step of compile(model, program.recipe, options).programs)
      for (const { key, kernel, tensors, chunks } of tuningSubjects(step, target)) {
        const [, second] = backendFor(target).candidates(kernel, tensors, target, chunks);
        if (second && found.size < 4) found.set(key, second);
      }
    const of = { device: device.description, cnnc: version() };
    await writeTuned(join(cache, "cnnc"), of, { looked: [...found.keys()], schedules: found });
    return Object.fromEntries(found);
  } finally {
    await device.close();
  }
}

describe.each(devices.filter(({ name }) => name === "cpu" || there))(
  "on the $name device",
  ({ name, options, open }) => {
    const run = (cache: string, ...args: string[]): Promise<Outcome> =>
      cli.run([...args, ...options], environment(`${name}-${cache}`));

    test("tune: a table, and a cache that training reads", { timeout: 300_000 }, async () => {
      const tuned = await run("tune", "tune", file, "--seconds", "4");
      expect(tuned.code).toBe(0);
      expect(tuned.err).toMatch(/tuning: compiling a step/);
      expect(tuned.err).toMatch(/tuning 1\/\d+: 0 % of a step, 0:0\d left: /);
      expect(tuned.out).toMatch(/default ms +tuned ms +ratio/);
      expect(tuned.out).not.toMatch(/wrong/);
      const [only = "", ...more] = await tunedFiles(`${name}-tune`);
      expect(more).toEqual([]);
      const kept = await schedulesOf(join(cacheOf(`${name}-tune`), "cnnc", "tuned", only));
      expect(tuned.out).toContain(`${Object.keys(kept).length} schedule`);

      const trained = await run("tune", "train", file, "--out", `${name}-tuned`);
      expect(trained.code).toBe(0);
      expect(await recorded(`${name}-tuned`)).toEqual(kept);
    });

    test(
      "a run records the schedules that it uses, and repeats to the bit by the record",
      { timeout: 300_000 },
      async () => {
        const given = await fillCache(cacheOf(`${name}-repeat`), open);
        const first = await run("repeat", "train", file, "--out", `${name}-first`);
        expect([first.code, first.err]).toEqual([
          0,
          expect.stringContaining("schedules: 4 tuned ones; --no-tuned trains"),
        ]);
        expect(await recorded(`${name}-first`)).toEqual(given);

        // Whatever becomes of the cache.
        const [cached = ""] = await tunedFiles(`${name}-repeat`);
        await writeFile(join(cacheOf(`${name}-repeat`), "cnnc", "tuned", cached), "{");
        const again = await run("repeat", "train", file, "--out", `${name}-again`, "--schedules", `${name}-first`);
        expect([again.code, again.err]).toEqual([0, expect.stringContaining(`schedules: 4 of the 4 in ${name}-first`)]);
        expect((await weights(`${name}-again`)).equals(await weights(`${name}-first`))).toBe(true);
        expect(await recorded(`${name}-again`)).toEqual(given);

        const damaged = await run("repeat", "train", file, "--out", `${name}-damaged`);
        expect([damaged.code, damaged.err]).toEqual([0, expect.stringMatching(/warning: .*is ignored: it is no JSON/)]);
        expect(await recorded(`${name}-damaged`)).toEqual({});
        const without = await run("repeat", "train", file, "--out", `${name}-without`, "--no-tuned");
        expect([without.code, without.err]).toEqual([0, expect.not.stringContaining("schedules")]);
      },
    );
  },
);

const onCpu = (cache: string, ...args: string[]): Promise<Outcome> =>
  cli.run([...args, "--device", "cpu", "--threads", "1"], environment(cache));

test("train --tune: Ctrl-C keeps what was found and trains nothing", { timeout: 300_000 }, async () => {
  // On the CPU device, whatever is here: a GPU's driver may compile the first kernel's candidates for all of the minute.
  const args = ["train", file, "--tune", "--out", "interrupted", "--device", "cpu", "--threads", "1"];
  const training = cli.start(args, environment("interrupt"));
  await training.says(/tuning 2\//);
  training.interrupt();
  const { code, signal, err, out } = await training.outcome;
  expect({ code, signal }).toEqual({ code: 130, signal: null });
  expect(err).toContain("Finishing the kernel and keeping what was found. Press Ctrl-C again to leave at once.");
  expect(err).toContain("Stopped before training began");
  expect(err + out).not.toContain("    at ");
  expect(out).toMatch(/\d schedules? kept in /);
  expect(await tunedFiles("interrupt")).toEqual([expect.stringMatching(/-[0-9a-f]{8}\.json$/)]);
  expect(await readdir(join(cli.folder, "interrupted"))).toEqual([]);
});

test("train --tune trains with what it has found", { timeout: 300_000 }, async () => {
  const { code, out, err } = await onCpu("both", "train", file, "--tune", "--out", "both");
  expect(code).toBe(0);
  const kept = Number(/(\d+) schedules? kept in/.exec(out)?.[1]);
  expect(Object.keys(await recorded("both"))).toHaveLength(kept);
  if (kept > 0) expect(err).toContain(`schedules: ${kept} tuned ones`);
});

test("two that tune at the same time lose nothing of one another", { timeout: 300_000 }, async () => {
  await writeFile(join(cli.folder, "other.cnn"), smallProgram.replace("conv 4@6x6", "conv 6@5x5"));
  const outcomes = await Promise.all([
    onCpu("two", "tune", file, "--seconds", "3"),
    onCpu("two", "tune", "other.cnn", "--seconds", "3"),
  ]);
  expect(outcomes.map(({ code }) => code)).toEqual([0, 0]);
  const [only = "", ...more] = await tunedFiles("two");
  expect(more).toEqual([]);
  const told = outcomes.map(({ out }) => Number(/(\d+) schedules? kept in/.exec(out)?.[1]));
  const kept = Object.keys(await schedulesOf(join(cacheOf("two"), "cnnc", "tuned", only))).length;
  // Both programs have some small kernels in common.
  expect(kept).toBeGreaterThanOrEqual(Math.max(...told));
  expect(kept).toBeLessThanOrEqual((told[0] ?? 0) + (told[1] ?? 0));
});

describe("ends with a way out and no stack trace:", () => {
  const wrong = smallProgram.replace("fc 10", "fc ten");
  beforeAll(async () => {
    await writeFile(join(cli.folder, "wrong.cnn"), wrong);
    await writeFile(join(cli.folder, "taken"), "a file, no folder");
    await writeFile(join(cli.folder, "numbers.json"), "[1, 2, 3]");
  });

  test.each<[string, readonly string[], number, RegExp]>([
    ["no file", ["tune"], 2, /missing required argument.*--help/s],
    ["a file that is not there", ["tune", "nowhere.cnn"], 2, /there is no file `nowhere.cnn`.*help/s],
    ["a program with errors", ["tune", "wrong.cnn"], 1, /error\[CNN\d+\].*wrong.cnn:4:6.*expected/s],
    ["no time", ["tune", file, "--seconds", "0"], 2, /from 1 to 86,400/],
    ["time in words", ["tune", file, "--seconds", "long"], 2, /from 1 to 86,400/],
    ["a device that is none", ["tune", file, "--device", "tpu"], 2, /Allowed choices are auto, gpu, cpu/],
    ["threads of a GPU", ["tune", file, "--device", "gpu", "--threads", "2"], 2, /take --device cpu/],
    ["a batch of everything", ["tune", file, "--device", "cpu", "--batch", "20000"], 3, /batch of at most 10000/],
    ["options that contradict", ["train", file, "--tune", "--no-tuned"], 2, /contradict/],
    ["both kinds of schedules", ["train", file, "--tune", "--schedules", "x"], 2, /Leave out --tune/],
    ["a run that is not there", ["train", file, "--schedules", "nowhere"], 3, /Name a run folder/],
    ["a file of other things", ["train", file, "--schedules", "numbers.json"], 3, /holds no schedules.*Name a run/s],
  ])("%s", async (_, args, code, message) => {
    const outcome = await cli.run(args, environment("mistakes"));
    expect(outcome.code).toBe(code);
    expect(outcome.err).toMatch(message);
    expect(outcome.err + outcome.out).not.toContain("    at ");
  });

  test.each([["tune"], ["train", "--tune"]])("a cache folder that cannot be made: %s", async (command, ...more) => {
    const started = [command, file, ...more, "--device", "cpu"];
    const { code, err } = await cli.run(started, { XDG_CACHE_HOME: join(cli.folder, "taken") });
    expect(code).toBe(3);
    expect(err).toMatch(/cannot be written: a part of the path is a file.*XDG_CACHE_HOME/s);
    // Before anything is measured.
    expect(err).not.toContain("tuning");
    expect(err).not.toContain("    at ");
  });

  test("schedules of another program are told to be of no use", async () => {
    const other = smallProgram.replace("conv 4@6x6 stride 2 -> bn -> relu -> pool max 2", "pool avg 2");
    await writeFile(join(cli.folder, "unlike.cnn"), other);
    const run = (...args: string[]): Promise<Outcome> => onCpu("unlike", "train", ...args);
    const schedules = {
      ["0".repeat(32)]: {
        lanes: 1,
        grid: [],
        threads: [],
        loops: [],
        stage: [],
        order: "narrowInnermost",
        broadcast: false,
      },
    };
    await writeFile(join(cli.folder, "foreign.json"), JSON.stringify({ schedules }));
    const { code, err } = await run("unlike.cnn", "--out", "unlike", "--schedules", "foreign.json");
    expect(code).toBe(0);
    expect(err).toContain("warning: none of the schedules in foreign.json is for a kernel of this program");
  });
});
