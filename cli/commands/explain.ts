/**
 * `cnnc explain`: what the compiler makes of a program at each stage, and what a diagnostic means.
 */
import { type Command, Option } from "commander";
import type { Stage } from "../../compiler/explain.ts";
import { explainDiagnostic } from "../../language/index.ts";
import { type CommandContext, exitCode, paletteFor, type Perform } from "../context.ts";
import { addOptions, type ModelFlags } from "../options.ts";
import { UserError } from "../userError.ts";
import { targetNames, type TargetName } from "./compile.ts";

/** The stages in their order; compiler/explain.ts prints each. */
export const stageNames = [
  "graph",
  "gradients",
  "kernels",
  "schedule",
  "nest",
  "wgsl",
  "plan",
] as const satisfies readonly Stage[];

export interface ExplainFlags extends ModelFlags {
  readonly stage?: Stage;
  readonly kernel?: string;
  readonly target?: TargetName;
}

const help = `
Stages, from the program to the device:
  graph      the model as operators
  gradients  a training step: forward, loss, gradients, optimizer
  kernels    what each kernel computes, reads and writes
  schedule   how its axes are spread over workgroups, lanes, loops and registers
  nest       its loops, before they are printed
  wgsl       its source for WebGPU
  plan       memory and the order of the dispatches

Examples:
  cnnc explain examples/lenet.cnn --stage kernels
  cnnc explain examples/lenet.cnn --stage wgsl --kernel pool1
  cnnc explain examples/lenet.cnn --stage nest --kernel 9 --target wasm
  cnnc explain CNN204`;

export function defineExplain(program: Command, perform: (work: Perform) => Promise<void>): void {
  const command = program
    .command("explain")
    .summary("show what the compiler makes of a program, or what a diagnostic means")
    .description("Shows a stage of the compilation, or explains the code of a diagnostic.")
    .argument("<file-or-code>", ".cnn file, or a code such as CNN204")
    .addOption(new Option("--stage <stage>", "what to show (default: kernels)").choices(stageNames))
    .option(
      "--kernel <which>",
      "of kernels, schedule, nest and wgsl: one by its number, or those with a word in their name",
    )
    .addOption(new Option("--target <target>", "WebGPU or WebAssembly (default: wgsl)").choices(targetNames));
  addOptions(command, ["model", "set", "fuse"])
    .addHelpText("after", help)
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
