/**
 * What `cnnc explain FILE` does: compiles, and prints a stage.
 */
import { compile } from "../compiler/compile.ts";
import { explainStage } from "../compiler/explain.ts";
import { dataCounts } from "./dataCounts.ts";
import type { ExplainFlags } from "./commands/explain.ts";
import { type CommandContext, exitCode } from "./context.ts";
import { loadProgram } from "./loadProgram.ts";
import { defaultTargets } from "./targets.ts";
import { UserError } from "./userError.ts";

export async function explainProgram(file: string, flags: ExplainFlags, context: CommandContext): Promise<number> {
  const stage = flags.stage ?? "kernels";
  if (stage === "wgsl" && flags.target === "wasm")
    throw new UserError(
      "the stage `wgsl` is of the target `wgsl`",
      "For WebAssembly, `--stage schedule` shows the loop nests.",
    );
  const loaded = await loadProgram(file, flags, context);
  if (!loaded) return exitCode.program;
  const { model, recipe } = loaded;
  const target = defaultTargets[flags.target ?? "wgsl"];
  const compilation = compile(model, recipe, { counts: dataCounts[recipe.data.name], target, fuse: flags.fuse });
  context.out.write(explainStage(compilation, stage));
  return exitCode.fine;
}
