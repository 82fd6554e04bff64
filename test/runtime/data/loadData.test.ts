/** Which data a user gets: cache, download, the generated set, or an error. */
import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { build } from "esbuild";
import { loadData, type LoadOptions, type LoadProgress } from "../../../runtime/data/loadData.ts";
import { defaultCacheFolder } from "../../../runtime/files/cacheFolder.ts";
import {
  archiveBytes,
  answer,
  batches,
  fileNames,
  recordsAFile,
  serve,
  sourceOf,
  temporaryFolder,
} from "./dataSupport.ts";

const archive = archiveBytes();

async function emptyCache(url: string): Promise<LoadOptions & { cacheFolder: string }> {
  return { cacheFolder: join(await temporaryFolder(), "cnnc"), source: sourceOf(url, archive), recordsAFile, pause: 1 };
}

test("downloaded once, then from the cache, which holds the files and nothing else", async () => {
  const { url, ranges } = await serve((request, response) => answer(archive, request, response));
  const options = await emptyCache(url);
  const seen: LoadProgress[] = [];
  const { data, notice } = await loadData("cifar10", { ...options, onProgress: (progress) => seen.push(progress) });
  expect(notice).toBeUndefined();
  expect([data.name, data.train.count, data.test.count]).toEqual(["cifar10", 5 * recordsAFile, recordsAFile]);
  expect(seen.at(-1)).toEqual({ what: "CIFAR-10", done: archive.length, total: archive.length });
  expect(await readdir(options.cacheFolder)).toEqual(["cifar-10-batches-bin"]);
  const folder = join(options.cacheFolder, "cifar-10-batches-bin");
  expect((await readdir(folder)).sort()).toEqual([...fileNames].sort());
  for (const [name, bytes] of batches()) expect((await readFile(join(folder, name))).equals(bytes)).toBe(true);
  expect((await loadData("cifar10", options)).data.train).toEqual(data.train);
  expect(ranges).toHaveLength(1);
});

test("what cannot be had: an error, or the generated set with the reason", async () => {
  const { url } = await serve((_, response) => response.writeHead(404).end());
  const options = await emptyCache(url);
  await expect(loadData("cifar10", options)).rejects.toMatchObject({ kind: "data" });
  const { data, notice } = await loadData("cifar10", { ...options, fallback: true });
  expect(data.name).toBe("shapes");
  expect(notice).toContain(`${url} cannot be downloaded: the server answers 404 Not Found`);
  expect(notice).toContain('Training on the generated set "shapes" instead');
  expect(notice).toContain("--data");
});

test("nothing stands in for a path that is wrong, for damaged files, or after a stop", async () => {
  const { url } = await serve((request, response) => answer(archive, request, response));
  const options = { ...(await emptyCache(url)), fallback: true };
  await expect(loadData("cifar10", { ...options, path: "/nonexistent" })).rejects.toMatchObject({ kind: "data" });
  await expect(loadData("cifar10", { ...options, signal: AbortSignal.abort() })).rejects.toMatchObject({
    kind: "data",
  });
  await loadData("cifar10", options);
  const folder = join(options.cacheFolder, "cifar-10-batches-bin");
  await truncate(join(folder, "data_batch_4.bin"), 99);
  await expect(loadData("cifar10", options)).rejects.toMatchObject({
    kind: "data",
    message: expect.stringContaining(`${join(folder, "data_batch_4.bin")} is cut off`),
    remedy: `Delete the folder ${folder} and start again: CIFAR-10 is then downloaded anew.`,
  });
  await rm(folder, { recursive: true });
  expect((await loadData("cifar10", options)).data.name).toBe("cifar10");
});

test("what is in the way in the cache makes room; leftovers of killed processes go", async () => {
  const { url } = await serve((request, response) => answer(archive, request, response));
  const options = await emptyCache(url);
  await mkdir(join(options.cacheFolder, "cifar-10-batches-bin", "half"), { recursive: true });
  await writeFile(join(options.cacheFolder, "cifar-10-batches-bin", "test_batch.bin"), "x");
  expect((await loadData("cifar10", options)).data.train.count).toBe(5 * recordsAFile);
  expect(await readdir(options.cacheFolder)).toEqual(["cifar-10-batches-bin"]);
});

test("several loads at the same time in one process", async () => {
  const { url } = await serve((request, response) => answer(archive, request, response, 100_000));
  const options = await emptyCache(url);
  const loads = await Promise.all([1, 2, 3].map(() => loadData("cifar10", options)));
  for (const { data } of loads) expect(data.train).toEqual(loads[0]?.data.train);
  expect(await readdir(options.cacheFolder)).toEqual(["cifar-10-batches-bin"]);
});

test("two processes download at the same time, and a killed one leaves nothing that is wrong", async () => {
  const { url } = await serve((request, response) => answer(archive, request, response, 60_000));
  const options = await emptyCache(url);
  const folder = await temporaryFolder();
  const script = join(folder, "load.mjs");
  await build({
    stdin: {
      contents: `import { loadData } from "./runtime/data/loadData.ts";
        const { data } = await loadData("cifar10", JSON.parse(process.argv[2]));
        console.log(data.train.labels.join(""));`,
      resolveDir: join(import.meta.dirname, "../../.."),
    },
    outfile: script,
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "silent",
  });
  const start = (killAfter?: number): Promise<string> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [script, JSON.stringify(options)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let out = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
      child.on("close", () => resolve(out.trim()));
      if (killAfter !== undefined) setTimeout(() => child.kill("SIGKILL"), killAfter);
    });
  const [first, second] = await Promise.all([start(), start(), start(150)]);
  const { data } = await loadData("cifar10", options);
  expect(first).toBe(data.train.labels.join(""));
  expect(second).toBe(first);
});

test("the cache follows XDG", () => {
  const before = process.env["XDG_CACHE_HOME"];
  try {
    process.env["XDG_CACHE_HOME"] = "/somewhere";
    expect(defaultCacheFolder()).toBe("/somewhere/cnnc");
    for (const ignored of ["", "relative"]) {
      process.env["XDG_CACHE_HOME"] = ignored;
      expect(defaultCacheFolder()).toMatch(/\.cache\/cnnc$/);
    }
  } finally {
    if (before === undefined) delete process.env["XDG_CACHE_HOME"];
    else process.env["XDG_CACHE_HOME"] = before;
  }
});
