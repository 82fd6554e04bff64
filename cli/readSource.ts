/**
 * Reads a `.cnn` file.
 *
 * In: the path as given. Out: its text, decoded leniently (the checker reports what is no text); or a `UserError`. What holds: of
 * a file that has no end, or is no program by its size, only a beginning is read, and that is too long for the checker.
 */
import { constants } from "node:fs";
import { type FileHandle, open, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nearest } from "../language/suggest.ts";
import { reasonOf } from "../runtime/errors.ts";
import { UserError } from "./userError.ts";

/** What is read of a file. A program has at most a million characters: what has so many bytes is longer in any encoding. */
export const maximumSourceBytes = 4 * 2 ** 20;
const CHUNK_BYTES = 2 ** 18;
/** Between two looks at a pipe that has nothing yet. */
const WAIT_MILLISECONDS = 20;

/** The text of the file. Bytes that are not UTF-8 become U+FFFD; a byte order mark is dropped. */
export async function readSource(path: string): Promise<string> {
  try {
    // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const status = await file.stat();
      if (status.isDirectory()) throw await folderError(path);
      return new TextDecoder().decode(await readBeginning(file));
    } finally {
      await file.close();
    }
  } catch (problem) {
    throw problem instanceof UserError ? problem : await readError(path, problem);
  }
}

/** The file's bytes, as many as `maximumSourceBytes` of them. */
async function readBeginning(file: FileHandle): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let length = 0; length < maximumSourceBytes;) {
    const chunk = await readChunk(file, Math.min(CHUNK_BYTES, maximumSourceBytes - length));
    if (chunk.length === 0) break;
    chunks.push(chunk);
    length += chunk.length;
  }
  return Buffer.concat(chunks);
}

/** The next bytes, none at the end of the file. Waits for a pipe that somebody is going to write to. */
async function readChunk(file: FileHandle, size: number): Promise<Buffer> {
  for (;;) {
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(size), 0, size);
      return buffer.subarray(0, bytesRead);
    } catch (problem) {
      if (!(problem instanceof Error) || !("code" in problem) || problem.code !== "EAGAIN") throw problem;
      await sleep(WAIT_MILLISECONDS);
    }
  }
}

async function readError(path: string, problem: unknown): Promise<UserError> {
  const code = problem instanceof Error && "code" in problem ? String(problem.code) : "";
  if (code === "ENOENT" || code === "ENOTDIR")
    return new UserError(`there is no file \`${path}\``, await similarFile(path));
  if (code === "EISDIR") return folderError(path);
  if (code === "EACCES" || code === "EPERM")
    return new UserError(`\`${path}\` may not be read`, `Give yourself the right to: \`chmod u+r ${path}\`.`);
  return new UserError(`\`${path}\` cannot be read: ${reasonOf(problem)}`, "Name a readable .cnn file.");
}

async function programsIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name.endsWith(".cnn")).sort();
}

async function folderError(path: string): Promise<UserError> {
  const [first] = await programsIn(path);
  const remedy =
    first === undefined ? "Name a .cnn file." : `Name a file in it: \`${join(path, first)}\`, for example.`;
  return new UserError(`\`${path}\` is a folder, not a file`, remedy);
}

async function similarFile(path: string): Promise<string> {
  const folder = dirname(path);
  const names = await programsIn(folder);
  const name = basename(path);
  const found = names.includes(`${name}.cnn`) ? `${name}.cnn` : nearest(name, names);
  if (found !== undefined) return `Did you mean \`${join(folder, found)}\`?`;
  const [first] = names;
  return first === undefined ? "Name a .cnn file." : `There is \`${join(folder, first)}\`, for example.`;
}
