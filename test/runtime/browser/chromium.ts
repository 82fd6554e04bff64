/**
 * A page in Chromium, without a window: a server that hands out the package's bundle, the examples and a page, and hears of
 * what the page found.
 */
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { text } from "node:stream/consumers";
import { root } from "../../../scripts/bundle.mjs";

const places = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Undefined, with the reason printed, where there is none. */
export function findChromium(): string | undefined {
  const found = process.env["CNNC_CHROMIUM"] ?? places.find((place) => existsSync(place));
  if (found === undefined)
    console.warn("Tests in a browser are skipped: there is no Chromium (CNNC_CHROMIUM may name one)");
  return found;
}

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

const types: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript" };

export interface Visit {
  readonly chromium: string;
  /** What `scripts/bundle.mjs` has made. */
  readonly dist: string;
  /** Of the page. */
  readonly path: string;
  /** A module of the page, run after its own; it posts JSON to /found. */
  readonly script: string;
  /** Whether the page is cross-origin isolated. */
  readonly isolated: boolean;
}

/** What the page has posted; rejects after a minute. */
export async function visit(given: Visit): Promise<unknown> {
  const profile = await mkdtemp(join(tmpdir(), "cnnc-chromium-"));
  const heard = new EventEmitter();
  const server = serve(given, (found) => void heard.emit("found", found)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}${given.path}`;
  // A group of its own, to be ended as a whole.
  const options = { stdio: "ignore", detached: true } as const;
  const browser = spawn(given.chromium, [...flags, `--user-data-dir=${profile}`, url], options);
  const gone = once(browser, "close");
  const ended = gone.then(() => Promise.reject(new Error("Chromium ended by itself")));
  try {
    const found = once(heard, "found", { signal: AbortSignal.timeout(60_000) }) as Promise<unknown[]>;
    return (await Promise.race([found, ended]))[0];
  } finally {
    if (browser.pid !== undefined) process.kill(-browser.pid, "SIGKILL");
    await gone;
    server.closeAllConnections();
    server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

const importMap = { imports: { cnnc: "/dist/index.js", "cnnc/browser": "/dist/runtime/browser/index.js" } };
const emptyPage = `<!doctype html><script type="importmap">${JSON.stringify(importMap)}</script>`;

function serve({ dist, path, script, isolated }: Visit, found: (what: unknown) => void): Server {
  const fileOf = (asked: string): string =>
    asked.startsWith("/dist/") ? join(dist, asked.slice("/dist".length)) : join(root, asked);
  const contentOf = async (asked: string): Promise<string | Buffer> => {
    if (asked === "/script.js") return script;
    if (asked !== path) return readFile(fileOf(asked));
    const page = existsSync(fileOf(path)) ? await readFile(fileOf(path), "utf8") : emptyPage;
    return `${page}<script type="module" src="/script.js"></script>`;
  };
  return createServer((request, response) => {
    const asked = normalize(new URL(request.url ?? "/", "http://localhost").pathname);
    const answer = async (): Promise<void> => {
      if (asked === "/found") {
        found(JSON.parse(await text(request)));
        response.end();
        return;
      }
      const content = await contentOf(asked);
      const type = types[extname(asked)] ?? "text/plain";
      response.writeHead(200, { "Content-Type": type, ...(isolated ? isolation : {}) }).end(content);
    };
    answer().catch(() => response.writeHead(404).end());
  });
}
