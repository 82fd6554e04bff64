/**
 * `cnnc explain`: what the compiler makes of a program at each stage, and what a diagnostic means.
 */
import { type Command, Option } from "commander";
import { explainDiagnostic } from "../../language/index.ts";
import { type CommandContext, exitCode, paletteFor, type Perform } from "../context.ts";
import type { CheckFlags } from "../checkFile.ts";
import { UserError } from "../userError.ts";
import { setOption, setting } from "../values.ts";
import { targetNames, type TargetName } from "./compile.ts";

/** The stages in their order; compiler/explain.ts prints each. */
export const stageNames = ["graph", "gradients", "kernels", "schedule", "wgsl", "plan"] as const;
export type StageName = (typeof stageNames)[number];

export interface ExplainFlags extends CheckFlags {
  readonly stage?: StageName;
  readonly target?: TargetName;
  readonly model?: string;
  readonly fuse: boolean;
}

export function defineExplain(program: Command, perform: (work: Perform) => Promise<void>): void {
  program
    .command("explain")
    .summary("show what the compiler makes of a program, or what a diagnostic means")
    .description("Shows a stage of the compilation, or explains the code of a diagnostic.")
    .argument("<file-or-code>", ".cnn file, or a code such as CNN204")
    .addOption(new Option("--stage <stage>", "what to show (default: kernels)").choices(stageNames))
    .addOption(new Option("--target <target>", "WebGPU or WebAssembly (default: wgsl)").choices(targetNames))
    .option("--model <name>", "which model, where the file has several")
    .option(setOption.flags, setOption.description, setting, {})
    .option("--no-fuse", "a kernel for every operator")
    .action((what: string, flags: ExplainFlags) => perform((context) => explain(what, flags, context)));
}

async function explain(what: string, flags: ExplainFlags, context: CommandContext): Promise<number> {
  if (!/^[a-z]{2,4}\d+$/i.test(what))
    return (await import("../explainProgram.ts")).explainProgram(what, flags, context);
  const { out, environment } = context;
  const text = explainDiagnostic(what, { color: paletteFor(out, environment) });
  if (text === undefined)
    throw new UserError(
      `there is no diagnostic ${what}`,
      "Codes stand in square brackets in messages: `error[CNN204]`.",
    );
  out.write(text);
  return exitCode.fine;
}
