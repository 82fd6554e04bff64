/**
 * Loaded before `cnnc train` by firstStep.mjs: tells when each mark of ours is set, and ends the process at the last one.
 *
 * Out, to the standard error output: a line of JSON with milliseconds since the Unix epoch by mark.
 */
"use strict";
const { writeSync } = require("node:fs");

const prefix = "cnnc: ";
const last = process.env["CNNC_MARK"] ?? "first step";
/** @type {Record<string, number>} */
const times = { "Node started": performance.timeOrigin + performance.now() };
const mark = performance.mark.bind(performance);

performance.mark = (name, options) => {
  if (name.startsWith(prefix)) {
    times[name.slice(prefix.length)] = performance.timeOrigin + performance.now();
    if (name === `${prefix}${last}`) {
      writeSync(2, `${JSON.stringify({ times })}\n`);
      process.exit(0);
    }
  }
  return mark(name, options);
};
