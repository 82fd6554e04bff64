/**
 * Runs this command line again in a new process with other environment variables: the dynamic linker reads some of them
 * only when a process starts.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { exitCode } from "./context.ts";

/** The exit code of the other process. Ctrl-C reaches it by the terminal; this process only waits. */
export function restart(variables: Record<string, string>): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, ...variables },
  });
  const ignore = (): void => {};
  // A signal to this process alone (a supervisor's, say) is passed on; a terminal sends Ctrl-C to both by itself.
  const pass = (): void => void child.kill("SIGTERM");
  process.on("SIGINT", ignore);
  process.on("SIGTERM", pass);
  return new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) =>
      resolve(code ?? (signal === null ? exitCode.bug : 128 + (constants.signals[signal] ?? 0))),
    );
  }).finally(() => {
    process.off("SIGINT", ignore);
    process.off("SIGTERM", pass);
  });
}
