#!/usr/bin/env node
/**
 * The executable `cnnc`.
 *
 * What holds: the process ends by itself when all is written and closed, so that no output is cut off.
 */
import { prepareForCompiling } from "./engine.ts";
import { run } from "./program.ts";

prepareForCompiling();

// A reader that closes early (`cnnc check … | head`) is no failure.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (problem: NodeJS.ErrnoException) => {
    if (problem.code !== "EPIPE") throw problem;
    process.exit(0);
  });

process.exitCode = await run({
  out: process.stdout,
  err: process.stderr,
  environment: process.env,
  arguments: process.argv.slice(2),
});
