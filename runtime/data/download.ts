/**
 * Downloads a file: resumed where it was cut off, checked before anyone gets it.
 *
 * In: an address with size and checksum, a path. Out: the file, for the time of one function. What holds: what is handed
 * out is whole; every process writes a part of its own (`path.PID-NUMBER.part`), so several may download at once; a part
 * that is left over (`path.part`) is taken up by the next attempt.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isFileProblem, reasonOf, RuntimeFailure } from "../errors.ts";
import { openAddress } from "./openAddress.ts";
import { takeUpPart } from "./parts.ts";
import { makeFolder } from "../files/makeFolder.ts";

export interface Source {
  readonly url: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface DownloadOptions {
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
  /** Milliseconds without a byte after which the connection counts as dead. */
  readonly stallAfter?: number;
  /** Milliseconds before a connection that was cut is opened again. */
  readonly pause?: number;
}

const networkRemedy =
  "Check the connection and try again (it goes on where it stopped), or give --data a folder or archive.";

let partNumber = 0;

/**
 * Downloads to a file beside `path`, hands it to `use`, removes it. If anything fails, what arrived is kept for the next
 * attempt. Throws a `RuntimeFailure` of kind "data", and what `use` throws.
 */
export async function withDownload<Result>(
  source: Source,
  path: string,
  options: DownloadOptions,
  use: (file: string) => Promise<Result>,
): Promise<Result> {
  const part = `${path}.${process.pid}-${partNumber++}.part`;
  try {
    await makeFolder(dirname(path));
    await takeUpPart(path, part);
    await fetchWhole(source, part, options);
    const result = await use(part);
    await rm(part, { force: true });
    return result;
  } catch (problem) {
    if ((await sizeOf(part)) > 0) await rename(part, `${path}.part`).catch(() => undefined);
    else await rm(part, { force: true }).catch(() => undefined);
    throw downloadFailure(source, path, problem);
  }
}

function downloadFailure(source: Source, path: string, problem: unknown): RuntimeFailure {
  if (problem instanceof RuntimeFailure) return problem;
  if (!isFileProblem(problem))
    return new RuntimeFailure("data", `${source.url} cannot be downloaded: ${reasonOf(problem)}`, networkRemedy, {
      cause: problem,
    });
  return new RuntimeFailure(
    "data",
    `${source.url} cannot be saved in ${dirname(path)}: ${reasonOf(problem)}`,
    "Free some space or make the folder writable; or name another in XDG_CACHE_HOME; or give --data a folder or archive.",
    { cause: problem },
  );
}

/** Attempts in a row that get no further than those before, once something has arrived. */
const mostFruitless = 3;

/** Fetches until the file is whole: again after a cut, as long as attempts get further. */
async function fetchWhole(source: Source, part: string, options: DownloadOptions): Promise<void> {
  let furthest = await sizeOf(part);
  // Without any connection there is no second attempt: nobody waits for what stands in for the data.
  let fruitless = mostFruitless;
  for (;;) {
    const before = await sizeOf(part);
    try {
      if (before < source.bytes) await fetchRest(source, part, options);
      const size = await sizeOf(part);
      if (size < source.bytes) throw new Error(`the connection ended after ${size} of ${source.bytes} bytes`);
    } catch (problem) {
      const after = await sizeOf(part);
      const isFinal = problem instanceof RuntimeFailure || isFileProblem(problem) || options.signal?.aborted === true;
      fruitless = after > furthest ? 0 : fruitless + 1;
      if (isFinal || fruitless >= mostFruitless) throw problem;
      furthest = Math.max(furthest, after);
      await sleep(options.pause ?? 1000, undefined, options.signal ? { signal: options.signal } : {});
      continue;
    }
    const found = await sha256Of(part);
    if (found === source.sha256) return;
    await rm(part, { force: true });
    // What an earlier attempt left may have been wrong; a file in one piece from the server was not.
    if (before === 0)
      throw new RuntimeFailure(
        "data",
        `what ${source.url} sends is not the file that is expected: it has the SHA-256 checksum ${found}, not ${source.sha256}`,
        "Something between here and the server may alter downloads: try another network, or give --data a folder or archive.",
      );
    furthest = 0;
  }
}

/** Fetches what is missing of `part`; a server that does not resume sends everything again. */
async function fetchRest(source: Source, part: string, options: DownloadOptions): Promise<void> {
  const stall = watchForStall(options.stallAfter ?? 8000);
  const signal = options.signal ? AbortSignal.any([stall.signal, options.signal]) : stall.signal;
  const file = await open(part, "a");
  try {
    const { size } = await file.stat();
    const { body, start } = await openAddress(source.url, { start: size, total: source.bytes, signal });
    if (start === 0) await file.truncate();
    let done = start;
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      stall.stillAlive();
      done += chunk.length;
      if (done > source.bytes) throw notTheFile(source);
      await file.appendFile(chunk);
      options.onProgress?.(done, source.bytes);
    }
  } catch (problem) {
    if (options.signal?.aborted) throw new Error("it was stopped", { cause: problem });
    throw stall.signal.aborted ? stall.signal.reason : problem;
  } finally {
    stall.stop();
    await file.close();
  }
}

function notTheFile({ url, bytes }: Source): RuntimeFailure {
  return new RuntimeFailure(
    "data",
    `${url} sends another file than is expected: more than ${bytes} bytes`,
    "Try another network, or give --data a folder or archive.",
  );
}

function watchForStall(milliseconds: number): { signal: AbortSignal; stillAlive: () => void; stop: () => void } {
  const controller = new AbortController();
  const seconds = milliseconds / 1000;
  const timer = setTimeout(() => controller.abort(new Error(`nothing arrived for ${seconds} s`)), milliseconds);
  return { signal: controller.signal, stillAlive: () => void timer.refresh(), stop: () => clearTimeout(timer) };
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
