/**
 * Downloads a file to a path: resumed where it was cut off, checked before it is given its name.
 *
 * What holds: a file at the final path is whole and has the right checksum; a part beside it (`.part`) may be resumed.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { RuntimeFailure } from "../errors.ts";

export interface Source {
  readonly url: string;
  readonly bytes: number;
  readonly md5: string;
}

export interface DownloadOptions {
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
  /** Milliseconds without a byte after which the connection counts as dead. */
  readonly stallAfter?: number;
}

const remedy = "Check the connection and try again (it goes on where it stopped), or give --data a folder or archive.";

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function md5Of(path: string): Promise<string> {
  const hash = createHash("md5");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}

function failure(source: Source, problem: unknown): RuntimeFailure {
  if (problem instanceof RuntimeFailure) return problem;
  const cause = problem instanceof Error && problem.cause instanceof Error ? problem.cause : problem;
  const text = cause instanceof Error ? cause.message : String(cause);
  return new RuntimeFailure("data", `${source.url} can't be downloaded: ${text}`, remedy, { cause: problem });
}

/** Fetches what is missing of `part`; a server that does not resume sends everything again. */
async function fetchRest(source: Source, part: string, options: DownloadOptions): Promise<void> {
  const have = await sizeOf(part);
  const dead = new AbortController();
  const stallAfter = options.stallAfter ?? 8000;
  let timer = setTimeout(() => dead.abort(new Error("no answer")), stallAfter);
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => dead.abort(new Error("the connection stalled")), stallAfter);
  };
  try {
    const signal = options.signal ? AbortSignal.any([dead.signal, options.signal]) : dead.signal;
    const headers = have > 0 ? { Range: `bytes=${have}-` } : {};
    const response = await fetch(source.url, { headers, signal });
    if (!response.ok || !response.body) throw new Error(`the server answers ${response.status} ${response.statusText}`);
    const isResumed = response.status === 206;
    let done = isResumed ? have : 0;
    const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
    body.on("data", (chunk: Uint8Array) => {
      alive();
      done += chunk.length;
      options.onProgress?.(done, source.bytes);
    });
    await pipeline(body, createWriteStream(part, { flags: isResumed ? "a" : "w" }), { signal });
  } finally {
    clearTimeout(timer);
  }
}

/** Throws a `RuntimeFailure` of kind "data"; what arrived so far is kept for the next attempt. */
export async function download(source: Source, path: string, options: DownloadOptions = {}): Promise<void> {
  const part = `${path}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    if ((await sizeOf(part)) < source.bytes) await fetchRest(source, part, options);
    const size = await sizeOf(part);
    if (size < source.bytes) throw new Error(`only ${size} of ${source.bytes} bytes arrived`);
    const md5 = await md5Of(part);
    if (size !== source.bytes || md5 !== source.md5) {
      await rm(part, { force: true });
      throw new Error(`the file has checksum ${md5}, not ${source.md5}; it was thrown away`);
    }
    await rename(part, path);
  } catch (problem) {
    throw failure(source, problem);
  }
}
