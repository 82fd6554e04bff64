/** Where the benchmark lies. It runs from `bench/build`, so that packages of `bench/node_modules` are found. */
import { fileURLToPath } from "node:url";

export const benchFolder = fileURLToPath(new URL("..", import.meta.url));
