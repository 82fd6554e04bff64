/**
 * What `cnnc explain FILE` does: compiles, and prints a stage.
 */
import { compile } from "../compiler/compile.ts";
import { explainStage, hasKernels, type Stage } from "../compiler/explain.ts";
import { dataCounts } from "./dataCounts.ts";
import type { ExplainFlags } from "./commands/explain.ts";
import { type CommandContext, exitCode } from "./context.ts";
import { loadProgram } from "./loadProgram.ts";
import { defaultTargets } from "./targets.ts";
import { UserError } from "./userError.ts";

export async function explainProgram(file: string, flags: ExplainFlags, context: CommandContext): Promise<number> {
  const { stage = "kernels", kernel, target = "wgsl", fuse } = flags;
  checkFlags(stage, flags);
  const loaded = await loadProgram(file, flags, context);
  if (!loaded) return exitCode.program;
  const { model, recipe } = loaded;
  const counts = dataCounts[recipe.data.name];
  const compilation = compile(model, recipe, { counts, target: defaultTargets[target], fuse, share: false });
  const text = explainStage(compilation, stage, kernel);
  if (text === "")
    throw new UserError(
      `no kernel ${/^\d+$/.test(kernel ?? "") ? "has the number" : "has a name with"} \`${kernel}\``,
      "`--stage kernels` lists them all, with numbers and names.",
    );
  context.out.write(text);
  return exitCode.fine;
}

/** Options that would do nothing are mistakes. */
function checkFlags(stage: Stage, { target, kernel }: ExplainFlags): void {
  if (stage === "wgsl" && target === "wasm")
    throw new UserError(
      "the stage `wgsl` is of the target `wgsl`",
      "For WebAssembly, `--stage nest` shows the loops of each kernel.",
    );
  if (kernel !== undefined && !hasKernels(stage))
    throw new UserError(`the stage \`${stage}\` is shown whole`, "Leave --kernel out, or take `--stage kernels`.");
}
