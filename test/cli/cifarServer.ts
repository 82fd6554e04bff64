/**
 * Stands in for CIFAR-10's site: a server of this machine, and a preloaded module that leads the command line to it.
 *
 * In: how to answer. Out: the environment to start a process with.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface CifarServer {
  /** `forever` sends some bytes and then waits; `cut` closes the connection before any. */
  answer: "missing" | "forever" | "cut";
  readonly environment: { readonly NODE_OPTIONS: string };
  close(): void;
}

const archiveBytes = 170_052_171;

/** Replaces `https.get` for modules that import it; the port is in a file, since it is known later than the path. */
const preload = (portFile: string): string => `
const { readFileSync } = require("node:fs");
const http = require("node:http");
require("node:https").get = (_, options, then) =>
  http.get("http://127.0.0.1:" + readFileSync(${JSON.stringify(portFile)}, "utf8"), options, then);
require("node:module").syncBuiltinESMExports();
`;

export function cifarServer(): CifarServer {
  const folder = mkdtempSync(join(tmpdir(), "cnnc-server-"));
  const [portFile, module] = [join(folder, "port"), join(folder, "preload.cjs")];
  writeFileSync(module, preload(portFile));
  const server = createServer((request, response) => {
    if (stand.answer === "missing") response.writeHead(404).end();
    else if (stand.answer === "cut") request.socket.destroy();
    else {
      response.writeHead(200, { "content-length": archiveBytes });
      response.write(Buffer.alloc(20_000_000));
    }
  });
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    writeFileSync(portFile, String(typeof address === "object" ? address?.port : ""));
  });
  const stand: CifarServer = {
    answer: "missing",
    environment: { NODE_OPTIONS: `--require=${module}` },
    close: () => {
      server.closeAllConnections();
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return stand;
}
