/** Flags of V8: only those that its version has. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { isForThisVersion, v8Version } from "../../runtime/v8Flags.ts";

test("are for versions, ends included", () => {
  expect(isForThisVersion({ flag: "--any" })).toBe(true);
  expect(isForThisVersion({ flag: "--any", since: v8Version, until: v8Version })).toBe(true);
  expect(isForThisVersion({ flag: "--any", since: v8Version + 1 })).toBe(false);
  expect(isForThisVersion({ flag: "--any", until: v8Version - 1 })).toBe(false);
});

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

test("are all known to this version, which would complain of others", () => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [main, "doctor"], { encoding: "utf8" });
  expect(status).toBe(0);
  expect(stdout).toMatch(/ {2}vectors {8}(128|256) bits/);
  expect(stderr).not.toContain("flag");
});
