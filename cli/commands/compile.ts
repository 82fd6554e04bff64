/**
 * `cnnc compile`: kernels and plan as files.
 *
 * In: the options. Out: a call of cli/compileProgram.ts, which is loaded only when it runs.
 */
import { type Command, Option } from "commander";
import type { Perform } from "../context.ts";
import { addOptions, type ModelFlags } from "../options.ts";

export const targetNames = ["wgsl", "wasm"] as const;
export type TargetName = (typeof targetNames)[number];

export interface CompileFlags extends ModelFlags {
  readonly out: string;
  readonly target: TargetName;
  readonly batch?: number;
}

export function defineCompile(program: Command, perform: (work: Perform) => Promise<void>): void {
  const command = program
    .command("compile")
    .summary("write plan.json and the kernels")
    .description("Writes the execution plan and one readable file a kernel. Needs no device.")
    .argument("<file>", ".cnn file")
    .requiredOption("-o, --out <folder>", "folder to write to")
    .addOption(new Option("--target <target>", "WebGPU or WebAssembly").choices(targetNames).default("wgsl"));
  addOptions(command, ["model", "set", "batch", "fuse"]).action((file: string, flags: CompileFlags) =>
    perform(async (context) => (await import("../compileProgram.ts")).compileProgram(file, flags, context)),
  );
}
