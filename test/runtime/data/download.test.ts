/** Downloads over a network with faults: what arrives is whole or absent, and nothing that arrived is lost. */
import { chmod, mkdir, readdir, readFile, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { type DownloadOptions, withDownload } from "../../../runtime/data/download.ts";
import { answer, batchBytes, type Handler, serve, sourceOf, temporaryFolder } from "./dataSupport.ts";

const bytes = batchBytes(1, 100);
const half = bytes.length / 2;

interface Attempt {
  readonly path: string;
  readonly run: (options?: DownloadOptions) => Promise<Buffer>;
}

/** The download of `bytes` from `url`, read while it is there. */
async function attempt(url: string, content: Uint8Array = bytes): Promise<Attempt> {
  const path = join(await temporaryFolder(), "cache", "file.bin");
  return {
    path,
    run: (options = {}) =>
      withDownload(sourceOf(url, content), path, { pause: 1, ...options }, (file) => readFile(file)),
  };
}

function filesBeside(path: string): Promise<string[]> {
  return readdir(dirname(path));
}

test("whole, with progress, and nothing is left", async () => {
  const { url } = await serve((request, response) => answer(bytes, request, response));
  const { path, run } = await attempt(url);
  const seen: [number, number][] = [];
  const got = await run({ onProgress: (done, total) => void seen.push([done, total]) });
  expect(got.equals(bytes)).toBe(true);
  expect(seen.at(-1)).toEqual([bytes.length, bytes.length]);
  expect(seen.map(([done]) => done)).toEqual(seen.map(([done]) => done).sort((a, b) => a - b));
  expect(await filesBeside(path)).toEqual([]);
});

test("a connection that is cut is taken up where it ended, again and again", async () => {
  const { url, ranges } = await serve((request, response) => answer(bytes, request, response, bytes.length / 4));
  const { run } = await attempt(url);
  expect((await run()).equals(bytes)).toBe(true);
  const starts = ranges.map((range) => Number(/\d+/.exec(range ?? "0")?.[0]));
  expect(starts.length).toBeGreaterThanOrEqual(4);
  expect(starts).toEqual([...starts].sort((a, b) => a - b));
  expect(starts[1]).toBeGreaterThan(0);
});

test("what arrived is kept for the next attempt when the server goes away", async () => {
  const { url, ranges } = await serve((request, response, index) => {
    if (index === 0) answer(bytes, request, response, half);
    else if (index <= 3) response.destroy();
    else answer(bytes, request, response);
  });
  const { path, run } = await attempt(url);
  await expect(run()).rejects.toMatchObject({
    kind: "data",
    message: `${url} cannot be downloaded: the connection was cut`,
    remedy: expect.stringContaining("it goes on where it stopped"),
  });
  expect(await filesBeside(path)).toEqual(["file.bin.part"]);
  const { size } = await stat(`${path}.part`);
  expect(size).toBeGreaterThan(0);
  expect((await run()).equals(bytes)).toBe(true);
  expect(ranges.at(-1)).toBe(`bytes=${size}-`);
  expect(await filesBeside(path)).toEqual([]);
});

test("a server without ranges sends everything again", async () => {
  const { url } = await serve((request, response, index) => {
    delete request.headers.range;
    answer(bytes, request, response, index === 0 ? half : Infinity);
  });
  const { run } = await attempt(url);
  expect((await run()).equals(bytes)).toBe(true);
});

test("a server that always cuts at the same place is given up", async () => {
  const { url, ranges } = await serve((request, response) => {
    delete request.headers.range;
    answer(bytes, request, response, 1000);
  });
  const { run } = await attempt(url);
  await expect(run()).rejects.toMatchObject({ kind: "data" });
  expect(ranges.length).toBeLessThanOrEqual(8);
});

test.each<[string, Handler]>([
  [
    "refuses the range",
    (request, response) => {
      if (request.headers.range === undefined) answer(bytes, request, response);
      else response.writeHead(416).end();
    },
  ],
  [
    "sends another range",
    (request, response) => {
      if (request.headers.range === undefined) answer(bytes, request, response);
      else
        response
          .writeHead(206, { "content-range": `bytes 5-${bytes.length - 1}/${bytes.length}` })
          .end(bytes.subarray(5));
    },
  ],
])("a server that %s: from the start", async (_, handler) => {
  const { url } = await serve(handler);
  const { path, run } = await attempt(url);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.part`, bytes.subarray(0, 100));
  expect((await run()).equals(bytes)).toBe(true);
});

test("a part of something else is thrown away and fetched anew", async () => {
  const { url, ranges } = await serve((request, response) => answer(bytes, request, response));
  for (const length of [100, bytes.length, bytes.length + 7]) {
    const { path, run } = await attempt(url);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.part`, Buffer.alloc(length, 1));
    expect((await run()).equals(bytes)).toBe(true);
    expect(ranges.at(-1)).toBeUndefined();
  }
});

test("a wrong checksum: refused, not kept", async () => {
  const altered = Buffer.from(bytes);
  altered[5] = 1 + (altered[5] ?? 0);
  const { url } = await serve((request, response) => answer(altered, request, response));
  const { path, run } = await attempt(url);
  await expect(run()).rejects.toMatchObject({ kind: "data", message: expect.stringContaining("checksum") });
  expect(await filesBeside(path)).toEqual([]);
});

test("a file of another size is not even fetched; an endless one is left", async () => {
  const page = await serve((_, response) => response.end("<html>Please log in</html>"));
  const login = await attempt(page.url);
  await expect(login.run()).rejects.toThrow(`of 26 bytes instead of ${bytes.length}`);
  const endless = await serve((_, response) => {
    response.writeHead(200);
    const more = (): void => void response.write(bytes, (problem) => (problem ? undefined : more()));
    more();
  });
  await expect((await attempt(endless.url)).run()).rejects.toThrow("more than");
});

test.each([404, 403, 500, 503])("a server that answers %i", async (status) => {
  const { url, ranges } = await serve((_, response) => response.writeHead(status).end());
  const { path, run } = await attempt(url);
  await expect(run()).rejects.toMatchObject({
    kind: "data",
    message: expect.stringContaining(`${url} cannot be downloaded: the server answers ${status}`),
    remedy: expect.stringContaining("--data"),
  });
  expect(ranges).toHaveLength(1);
  expect(await filesBeside(path)).toEqual([]);
});

test("redirects are followed, circles are not", async () => {
  const { url } = await serve((request, response) => {
    if (request.url === "/there") answer(bytes, request, response);
    else response.writeHead(302, { location: "/there" }).end();
  });
  expect((await (await attempt(url)).run()).equals(bytes)).toBe(true);
  const circle = await serve((_, response) => response.writeHead(302, { location: "/again" }).end());
  await expect((await attempt(circle.url)).run()).rejects.toThrow("redirects in circles");
});

test("bytes arrive as they are stored, whatever the server calls their encoding", async () => {
  const { url } = await serve((_, response) => {
    response.writeHead(200, { "content-encoding": "x-gzip", "content-length": bytes.length }).end(bytes);
  });
  expect((await (await attempt(url)).run()).equals(bytes)).toBe(true);
});

test("nobody listens, or the name is unknown", async () => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  for (const host of ["127.0.0.1", "localhost"])
    await expect((await attempt(`http://${host}:${port}/x`)).run()).rejects.toMatchObject({
      kind: "data",
      message: `http://${host}:${port}/x cannot be downloaded: the server refuses the connection`,
    });
  await expect((await attempt("http://no-such-host.invalid/x")).run()).rejects.toThrow("cannot be looked up");
});

test("a server that stalls: before the answer, or in the middle of it", async () => {
  const silent = await serve(() => {});
  await expect((await attempt(silent.url)).run({ stallAfter: 100 })).rejects.toMatchObject({
    kind: "data",
    message: `${silent.url} cannot be downloaded: nothing arrived for 0.1 s`,
  });
  const { url } = await serve((request, response, index) => {
    if (index === 0) response.writeHead(200, { "content-length": bytes.length }).write(bytes.subarray(0, half));
    else answer(bytes, request, response);
  });
  const { run } = await attempt(url);
  expect((await run({ stallAfter: 200 })).equals(bytes)).toBe(true);
});

test("a signal stops it at once and keeps what arrived", async () => {
  const { url } = await serve((_, response) => {
    response.writeHead(200, { "content-length": bytes.length }).write(bytes.subarray(0, half));
  });
  const { path, run } = await attempt(url);
  const controller = new AbortController();
  const running = run({ signal: controller.signal, onProgress: () => setTimeout(() => controller.abort(), 20) });
  await expect(running).rejects.toMatchObject({ kind: "data", message: expect.stringContaining("it was stopped") });
  expect((await stat(`${path}.part`)).size).toBeGreaterThan(0);
  await expect(run({ signal: AbortSignal.abort() })).rejects.toMatchObject({ kind: "data" });
});

test("many at the same time do not disturb each other", async () => {
  const { url } = await serve((request, response) => answer(bytes, request, response, bytes.length / 3));
  const { path, run } = await attempt(url);
  for (const got of await Promise.all([run(), run(), run(), run()])) expect(got.equals(bytes)).toBe(true);
  expect(await filesBeside(path)).toEqual([]);
});

test("a part of a process that died is taken up, one of a living process is not", async () => {
  const { url, ranges } = await serve((request, response) => answer(bytes, request, response));
  const { path, run } = await attempt(url);
  await mkdir(dirname(path), { recursive: true });
  // No process has so high a number (Linux: at most 2^22).
  const [dead, living] = [`${path}.99999999-0.part`, `${path}.${process.pid}-999.part`];
  for (const part of [dead, living]) await writeFile(part, bytes.subarray(0, half));
  expect((await run()).equals(bytes)).toBe(true);
  // Written just now: perhaps by a process that cannot be seen from here.
  expect(ranges).toEqual([undefined]);
  const past = new Date(Date.now() - 60_000);
  for (const part of [dead, living]) await utimes(part, past, past);
  expect((await run()).equals(bytes)).toBe(true);
  expect(ranges).toEqual([undefined, `bytes=${half}-`]);
  expect(await filesBeside(path)).toEqual([`file.bin.${process.pid}-999.part`]);
});

test("what fails after the download keeps the file: the next attempt need not fetch it", async () => {
  const { url, ranges } = await serve((request, response) => answer(bytes, request, response));
  const { path, run } = await attempt(url);
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  await expect(withDownload(sourceOf(url, bytes), path, {}, () => Promise.reject(full))).rejects.toMatchObject({
    kind: "data",
    message: `${url} cannot be saved in ${dirname(path)}: the disk is full`,
    remedy: expect.stringContaining("XDG_CACHE_HOME"),
  });
  expect((await run()).equals(bytes)).toBe(true);
  expect(ranges).toHaveLength(1);
});

test("a cache folder that cannot be made", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "taken"), "a file");
  const { url } = await serve((request, response) => answer(bytes, request, response));
  const path = join(folder, "taken", "file.bin");
  await expect(withDownload(sourceOf(url, bytes), path, {}, readFile)).rejects.toMatchObject({
    kind: "data",
    message: expect.stringContaining(`cannot be saved in ${join(folder, "taken")}`),
    remedy: expect.stringContaining("XDG_CACHE_HOME"),
  });
});

// Root may write anywhere.
test.skipIf(process.getuid?.() === 0)("a cache folder that is read-only", async () => {
  const folder = await temporaryFolder();
  await chmod(folder, 0o500);
  const { url } = await serve((request, response) => answer(bytes, request, response));
  await expect(withDownload(sourceOf(url, bytes), join(folder, "file.bin"), {}, readFile)).rejects.toThrow(
    "permission denied",
  );
});

test("a part that shrank is resumed from what is there", async () => {
  const { url } = await serve((request, response) => answer(bytes, request, response));
  const { path, run } = await attempt(url);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.part`, bytes);
  await truncate(`${path}.part`, 10);
  expect((await run()).equals(bytes)).toBe(true);
});
