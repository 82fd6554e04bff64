/** Where the benchmark lies: its programs run from `bench/build`, so that packages of `bench/node_modules` are found; tests from here. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = new URL(".", import.meta.url);

export const benchFolder = fileURLToPath(existsSync(new URL("workloads", here)) ? here : new URL("..", here));
