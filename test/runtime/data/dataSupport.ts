/** Small data sets in CIFAR-10's layout, archives (hostile ones too), and a server with faults. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { onTestFinished } from "vitest";
import { pcg3d } from "../../../compiler/nest/random.ts";
import type { Source } from "../../../runtime/data/download.ts";

export const recordsAFile = 12;
export const recordBytes = 3073;
export const fileNames = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`).concat("test_batch.bin");

/** Records with labels 0 to 9 in turn and noise as pictures, so that archives do not shrink. */
export function batchBytes(file: number, records = recordsAFile): Buffer {
  const bytes = Buffer.alloc(records * recordBytes);
  for (let i = 0; i < bytes.length; i++) bytes[i] = pcg3d(file, i, 1)[0] >>> 24;
  for (let record = 0; record < records; record++) bytes[record * recordBytes] = (record + file) % 10;
  return bytes;
}

export function batches(): Map<string, Buffer> {
  return new Map(fileNames.map((name, i) => [name, batchBytes(i)]));
}

/** An empty folder that is removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "cnnc-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function writeBatches(folder: string, files: ReadonlyMap<string, Uint8Array> = batches()): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
}

export interface TarEntry {
  readonly name: string;
  readonly bytes?: Uint8Array;
  /** ustar's type flag: "0" a file, "1" a hard link, "2" a symbolic link, "5" a folder. */
  readonly type?: "0" | "1" | "2" | "5";
  readonly link?: string;
}

/** A tar archive as the bytes say (POSIX ustar), whatever the names are. */
export function tarBytes(entries: readonly TarEntry[]): Buffer {
  const blocks = entries.flatMap(({ name, bytes = new Uint8Array(), type = "0", link = "" }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0, 100);
    header.write("0000644\0", 100);
    header.write("0000000\0", 108);
    header.write("0000000\0", 116);
    header.write(`${bytes.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write("00000000000\0", 136);
    header.write("        ", 148);
    header.write(type, 156);
    header.write(link, 157, 100);
    header.write("ustar\u000000", 257);
    const sum = header.reduce((a, b) => a + b, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

export function cifarEntries(files: ReadonlyMap<string, Uint8Array> = batches()): TarEntry[] {
  return [
    { name: "cifar-10-batches-bin/", type: "5" },
    ...[...files].map(([name, bytes]) => ({ name: `cifar-10-batches-bin/${name}`, bytes })),
    { name: "cifar-10-batches-bin/readme.html", bytes: Buffer.from("<html>") },
  ];
}

export function archiveBytes(entries: readonly TarEntry[] = cifarEntries()): Buffer {
  return gzipSync(tarBytes(entries), { level: 1 });
}

export type Handler = (request: IncomingMessage, response: ServerResponse, index: number) => void;

export interface FaultyServer {
  readonly url: string;
  /** The Range header of each request. */
  readonly ranges: (string | undefined)[];
}

/** A server on this machine; `handler` is told how many requests came before. */
export async function serve(handler: Handler): Promise<FaultyServer> {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    handler(request, response, ranges.length - 1);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/cifar.tar.gz`, ranges };
}

/** Answers as a server with ranges does, but cuts the connection after `most` bytes of this answer. */
export function answer(bytes: Uint8Array, request: IncomingMessage, response: ServerResponse, most = Infinity): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const rest = bytes.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, {
    "content-length": rest.length,
    ...(start > 0 ? { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}),
  });
  if (most >= rest.length) response.end(rest);
  else response.write(rest.subarray(0, most), () => setTimeout(() => response.destroy(), 20));
}

export function sourceOf(url: string, bytes: Uint8Array): Source {
  return { url, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}
