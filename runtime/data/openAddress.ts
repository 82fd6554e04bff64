/**
 * Opens an address from a byte on.
 *
 * In: an address, the first byte wanted. Out: the stream of the bytes as they are stored, and the byte it begins at: 0
 * where the server does not resume. (`fetch` would unpack what a server labels as `Content-Encoding: gzip`, as some do
 * for every .tar.gz.)
 */
import type { IncomingMessage } from "node:http";
import { RuntimeFailure } from "../errors.ts";

export interface Request {
  readonly start: number;
  /** Bytes of the whole file; a server that announces another number is not believed. */
  readonly total: number;
  readonly signal: AbortSignal;
}

const mostRedirects = 5;

/** Throws a `RuntimeFailure` of kind "data" for what the server answers, other errors for what happens on the way. */
export async function openAddress(url: string, request: Request): Promise<{ body: IncomingMessage; start: number }> {
  const response = await follow(url, request);
  const { statusCode: status, headers } = response;
  const announced = /^bytes (\d+)-/.exec(headers["content-range"] ?? "")?.[1];
  const start = status === 206 ? Number(announced) : 0;
  const cannotResume = status === 416 || (status === 206 && start !== request.start);
  if (cannotResume && request.start > 0) {
    response.destroy();
    return openAddress(url, { ...request, start: 0 });
  }
  const length = headers["content-length"];
  const problem =
    status !== 200 && !(status === 206 && request.start > 0)
      ? `the server answers ${status} ${response.statusMessage}`
      : length !== undefined && start + Number(length) !== request.total
        ? `the server has another file there, of ${start + Number(length)} bytes instead of ${request.total}`
        : undefined;
  if (problem === undefined) return { body: response, start };
  response.destroy();
  throw new RuntimeFailure(
    "data",
    `${url} cannot be downloaded: ${problem}`,
    "Download CIFAR-10's binary version with a browser and give --data the archive.",
  );
}

/** The answer after redirects. */
async function follow(url: string, request: Request): Promise<IncomingMessage> {
  let address = new URL(url);
  for (let i = 0; i <= mostRedirects; i++) {
    const response = await ask(address, request);
    const { location } = response.headers;
    const isRedirect = response.statusCode !== undefined && [301, 302, 303, 307, 308].includes(response.statusCode);
    if (!isRedirect || location === undefined) return response;
    response.destroy();
    address = new URL(location, address);
  }
  throw new Error("the server redirects in circles");
}

async function ask(address: URL, { start, signal }: Request): Promise<IncomingMessage> {
  // Loaded by those who download.
  const { get } = await (address.protocol === "https:" ? import("node:https") : import("node:http"));
  const headers = { "user-agent": "cnnc", ...(start > 0 ? { range: `bytes=${start}-` } : {}) };
  return new Promise((resolve, reject) => {
    get(address, { agent: false, headers, signal }, resolve).on("error", reject);
  });
}
