/**
 * What `npm start` and `npm test` do first: packages, if they are missing or others than package-lock.json says, and a
 * build. Uses nothing but Node.js and npm.
 */
import { execSync, execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`cnnc needs Node.js 20.19 or later; this is ${process.version}.\n`);
  process.exit(1);
}

/**
 * The packages of a lock file by their folders.
 * @param {string} path
 */
function packagesOf(path) {
  /** @typedef {Record<string, { version?: string, optional?: boolean }>} Packages */
  return /** @type {{ packages: Packages }} */ (JSON.parse(readFileSync(`${root}${path}`, "utf8"))).packages;
}

/** Whether node_modules has what package-lock.json asks for; optional packages may be missing (other platforms'). */
function isInstalled() {
  const installed = "node_modules/.package-lock.json";
  if (!existsSync(`${root}${installed}`)) return false;
  const present = packagesOf(installed);
  return Object.entries(packagesOf("package-lock.json")).every(([path, { version, optional }]) => {
    if (path === "") return true;
    const found = present[path];
    return found ? found.version === version : optional === true;
  });
}

/** @param {string} what */
const run = (what) => {
  process.stderr.write(`${what}\n`);
  execSync(what, { cwd: root, stdio: ["ignore", 2, 2] });
};

try {
  if (!isInstalled()) run("npm ci --no-audit --no-fund");
  process.stderr.write("building\n");
  execFileSync(process.execPath, [`${root}scripts/build.mjs`], { cwd: root, stdio: ["ignore", 2, 2] });
} catch {
  // The command has said why.
  process.exitCode = 1;
}
