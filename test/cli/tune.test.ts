/** `cnnc tune` and what `cnnc train` makes of it, as users run them. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { smallProgram, useCli } from "./cliSupport.ts";

const cli = useCli();
const device = ["--device", "cpu", "--threads", "1"];
const inCache = (): NodeJS.ProcessEnv => ({ XDG_CACHE_HOME: join(cli.folder, "cache") });
const run = (...args: string[]): ReturnType<typeof cli.run> => cli.run([...args, ...device], inCache());
const weights = (folder: string): Promise<Buffer> => readFile(join(cli.folder, folder, "last.safetensors"));

test("a table; a cache that training uses and records; a run repeats to the bit", async () => {
  await writeFile(join(cli.folder, "small.cnn"), smallProgram);
  const tuned = await run("tune", "small.cnn", "--seconds", "2");
  expect(tuned.err).toMatch(/tuning 1\//);
  expect(tuned.code).toBe(0);
  expect(tuned.out).toMatch(/default ms +tuned ms +ratio/);
  expect(tuned.out).not.toMatch(/wrong/);
  const [file = ""] = await readdir(join(cli.folder, "cache", "cnnc", "tuned"));
  expect(file).toMatch(/^webassembly-simd-on-1-thread-[0-9a-f]{8}\.json$/);

  expect((await run("train", "small.cnn", "--out", "first")).code).toBe(0);
  const recorded = JSON.parse(await readFile(join(cli.folder, "first", "run.json"), "utf8")) as { schedules: object };
  // Without the cache, from the record.
  await writeFile(join(cli.folder, "cache", "cnnc", "tuned", file), "{");
  expect((await run("train", "small.cnn", "--out", "again", "--schedules", "first")).code).toBe(0);
  expect((await weights("again")).equals(await weights("first"))).toBe(true);
  const again = JSON.parse(await readFile(join(cli.folder, "again", "run.json"), "utf8")) as { schedules: object };
  expect(again.schedules).toEqual(recorded.schedules);

  const broken = await run("train", "small.cnn", "--out", "broken");
  expect(broken.code).toBe(0);
  expect(broken.err).toMatch(/warning: .*is ignored: it is no JSON/);
}, 120_000);

test("contradicting options and unreadable schedules end with a way out", async () => {
  const both = await run("train", "small.cnn", "--tune", "--no-tuned");
  expect([both.code, both.err]).toEqual([2, expect.stringContaining("contradict")]);
  const missing = await run("train", "small.cnn", "--schedules", "nowhere");
  expect([missing.code, missing.err]).toEqual([3, expect.stringContaining("run folder")]);
});
