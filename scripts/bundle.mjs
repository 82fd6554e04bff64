/**
 * The JavaScript of the package: sources bundled into few files, because starting costs time for every file.
 *
 * In: a folder to write to. Out: entry points and the chunks that they share. What holds: `cnnc check` loads its own
 * chunk, the language and the parser; everything else is behind dynamic imports.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** What is bundled, since every command needs it; other dependencies stay packages of their own. */
const bundled = new Set(["chevrotain", "commander"]);

const entryPoints = ["cli/main.ts", "index.ts", "compiler/index.ts", "runtime/index.ts", "runtime/browser/index.ts"];

/** The folders whose sources decide what a program compiles to. */
const compilerFolders = ["language", "compiler", "runtime"];

/** A number that changes with any source of the compiler or with what it depends on. */
function sourceNumber() {
  const hash = createHash("sha256").update(readFileSync(join(root, "package-lock.json")));
  for (const folder of compilerFolders)
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).toSorted())
      if (name.endsWith(".ts")) hash.update(name).update(readFileSync(join(root, folder, name)));
  return hash.digest("hex").slice(0, 16);
}

/** @param {string} outdir */
export async function bundle(outdir) {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const { dependencies } = /** @type {{ dependencies: Record<string, string> }} */ (JSON.parse(text));
  await build({
    absWorkingDir: root,
    entryPoints,
    outdir,
    outbase: root,
    entryNames: "[dir]/[name]",
    chunkNames: "chunks/[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: Object.keys(dependencies).filter((name) => !bundled.has(name)),
    // commander is CommonJS and requires Node's own modules. An import of them would keep every file from browsers.
    banner: { js: "const require = globalThis.process?.getBuiltinModule;" },
    define: { CNNC_BUILD: JSON.stringify(sourceNumber()) },
    logLevel: "warning",
  });
}
