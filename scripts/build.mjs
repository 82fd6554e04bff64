/**
 * `npm run build`: dist/ from the sources, JavaScript by esbuild and declarations by tsc.
 *
 * What holds: dist/ is replaced at the end, so that a failed build leaves the earlier one as it was.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bundle, root } from "./bundle.mjs";

const fresh = join(root, "build", `dist-${process.pid}`);
const final = join(root, "dist");

try {
  await bundle(fresh);
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  execFileSync(process.execPath, [compiler, "-p", join(root, "tsconfig.build.json"), "--outDir", fresh], {
    stdio: "inherit",
  });
  chmodSync(join(fresh, "cli", "main.js"), 0o755);
  const old = `${fresh}-old`;
  if (existsSync(final)) renameSync(final, old);
  renameSync(fresh, final);
  rmSync(old, { recursive: true, force: true });
} catch (problem) {
  rmSync(fresh, { recursive: true, force: true });
  // esbuild and tsc have already said what is wrong.
  process.stderr.write(
    `the build failed: ${problem instanceof Error ? problem.message.split("\n")[0] : String(problem)}\n`,
  );
  process.exitCode = 1;
}
