/**
 * `cnnc doctor`: what this machine computes on, and what would make it faster.
 */
import type { Command } from "commander";
import type { Perform } from "../context.ts";

export function defineDoctor(program: Command, perform: (work: Perform) => Promise<void>): void {
  program
    .command("doctor")
    .summary("show devices, limits, and what to install for a faster one")
    .description("Shows which devices this machine has, what they can do, and what to install for a faster one.")
    .action(() => perform(async (context) => (await import("../examine.ts")).examine(context)));
}
