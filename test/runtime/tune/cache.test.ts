/** Winners in the cache folder: for whom they are, that nobody loses any, and files that are no such files. */
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Schedule } from "../../../compiler/schedule/schedule.ts";
import { prepareTuned, readTuned, tunedPath, type TunedFor, writeTuned } from "../../../runtime/tune/cache.ts";
import { temporaryFolder } from "../data/dataSupport.ts";

const schedule = (lanes: number): Schedule => ({
  lanes,
  grid: [{ axis: "d0", step: 1 }],
  threads: [],
  loops: [{ axis: "r0", step: 2, unrolled: true }],
  stage: [{ operand: "input", depth: 1 }],
  order: "narrowInnermost",
  broadcast: false,
});

const of: TunedFor = {
  device: { kind: "gpu", name: "Some GPU (Vulkan)", driver: "driver 1.2", software: false },
  cnnc: "0.1.0",
};
const write = (
  cache: string,
  found: Record<string, Schedule>,
  looked = Object.keys(found),
  who = of,
): Promise<string> => writeTuned(cache, who, { looked, schedules: new Map(Object.entries(found)) });
const read = async (cache: string, who = of): Promise<object> =>
  Object.fromEntries((await readTuned(cache, who)).schedules);

test("what is written is read, to the last word; nothing lies about", async () => {
  const cache = join(await temporaryFolder(), "deep", "cache");
  expect(await readTuned(cache, of)).toEqual({ schedules: new Map() });
  const path = await write(cache, { a: schedule(1), b: schedule(4) });
  expect(await read(cache)).toEqual({ a: schedule(1), b: schedule(4) });
  expect(path).toMatch(/some-gpu-vulkan-[0-9a-f]{8}\.json$/);
  expect(await readdir(dirname(path))).toHaveLength(1);
  expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({ cnnc: "0.1.0", device: of.device });
});

test("kernels that were measured again have the new choice, or none; others keep theirs", async () => {
  const cache = await temporaryFolder();
  await write(cache, { a: schedule(1), b: schedule(1), c: schedule(1) });
  await write(cache, { a: schedule(8) }, ["a", "b"]);
  expect(await read(cache)).toEqual({ a: schedule(8), c: schedule(1) });
});

describe("winners are for one", () => {
  test.each<[string, TunedFor]>([
    ["adapter", { ...of, device: { ...of.device, name: "Other GPU" } }],
    ["driver", { ...of, device: { ...of.device, driver: "driver 1.3" } }],
    ["kind of device", { ...of, device: { ...of.device, kind: "cpu" } }],
    ["version of the compiler", { ...of, cnnc: "0.2.0" }],
  ])("%s", async (_, other) => {
    const cache = await temporaryFolder();
    await write(cache, { a: schedule(1) });
    expect(await read(cache, other)).toEqual({});
    await write(cache, { a: schedule(2) }, ["a"], other);
    expect(await read(cache)).toEqual({ a: schedule(1) });
    expect(await read(cache, other)).toEqual({ a: schedule(2) });
    // The file of another, under this one's name.
    await cp(tunedPath(cache, other), tunedPath(cache, of));
    expect(await readTuned(cache, of)).toEqual({
      schedules: new Map(),
      warning: `${tunedPath(cache, of)} is ignored: it is for another device, driver or version of cnnc`,
    });
  });
});

test("many who write at the same time lose nothing", async () => {
  const cache = await temporaryFolder();
  const names = Array.from({ length: 16 }, (_, i) => `kernel ${i}`);
  await Promise.all(names.map((name, i) => write(cache, { [name]: schedule(i + 1) })));
  expect(await read(cache)).toEqual(Object.fromEntries(names.map((name, i) => [name, schedule(i + 1)])));
});

describe("a file that is none", () => {
  test.each([
    ["", "it is no JSON"],
    ['{"cnnc":"0.1.0","schedules":{"a":', "it is no JSON"],
    ["\u0000\u0001\u0002", "it is no JSON"],
    ["null", "it holds no schedules"],
    ["[]", "it holds no schedules"],
    ['{"schedules":[]}', "it holds no schedules"],
    ['{"schedules":{}}', "it is for another device, driver or version of cnnc"],
  ])("%j is ignored with a warning, and kept aside when another takes its place", async (text, reason) => {
    const cache = await temporaryFolder();
    const path = tunedPath(cache, of);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    const warning = `${path} is ignored: ${reason}`;
    expect(await readTuned(cache, of)).toEqual({ schedules: new Map(), warning });
    await write(cache, { a: schedule(1) });
    expect(await readTuned(cache, of)).toEqual({ schedules: new Map([["a", schedule(1)]]) });
    expect(await readFile(`${path}.ignored`, "utf8")).toBe(text);
  });

  test("entries that are no schedules are left out, the others are used", async () => {
    const cache = await temporaryFolder();
    const path = await write(cache, { a: schedule(1), b: schedule(2) });
    const content = JSON.parse(await readFile(path, "utf8")) as { schedules: Record<string, unknown> };
    content.schedules["b"] = { lanes: "two" };
    await writeFile(path, JSON.stringify(content));
    expect(await read(cache)).toEqual({ a: schedule(1) });
  });

  test("a folder in its place makes room", async () => {
    const cache = await temporaryFolder();
    await mkdir(tunedPath(cache, of), { recursive: true });
    expect(await readTuned(cache, of)).toMatchObject({ warning: expect.stringContaining("it is a folder") });
    await write(cache, { a: schedule(1) });
    expect(await read(cache)).toEqual({ a: schedule(1) });
  });
});

test("a cache that cannot be written is told before anything is measured", async () => {
  const cache = await temporaryFolder();
  await prepareTuned(cache, of);
  expect(await readdir(join(cache, "tuned"))).toEqual([]);
  await writeFile(join(cache, "file"), "");
  for (const attempt of [prepareTuned(join(cache, "file"), of), write(join(cache, "file"), { a: schedule(1) })])
    await expect(attempt).rejects.toMatchObject({
      name: "RuntimeFailure",
      kind: "files",
      message: expect.stringContaining("cannot be written: a part of the path is a file"),
      remedy: expect.stringContaining("XDG_CACHE_HOME"),
    });
});
