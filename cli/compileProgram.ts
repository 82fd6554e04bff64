/**
 * What `cnnc compile` does.
 *
 * In: a file and options. Out: a folder with plan.json, a readable file for each kernel and, for WebAssembly, the module.
 * What holds: plan.json is written last, so that a plan never names a kernel that is not there.
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { compile } from "../compiler/compile.ts";
import type { ExecutionPlan } from "../compiler/plan/plan.ts";
import { dataCounts } from "./dataCounts.ts";
import { fileFailure, writeAtomically } from "../runtime/files/atomic.ts";
import type { CompileFlags } from "./commands/compile.ts";
import { type CommandContext, exitCode } from "./context.ts";
import { loadProgram } from "./loadProgram.ts";
import { defaultTargets } from "./targets.ts";
import { makeFolder } from "../runtime/files/makeFolder.ts";

/** Readable loop nests end in `.txt`: the kernels of WebAssembly are in one module. */
const endings = { wgsl: ".wgsl", wasm: ".txt" } as const;

export async function compileProgram(file: string, flags: CompileFlags, context: CommandContext): Promise<number> {
  const loaded = await loadProgram(file, flags, context);
  if (!loaded) return exitCode.program;
  const { model, recipe } = loaded;
  const { plan } = compile(
    model,
    { ...recipe, batch: flags.batch ?? recipe.batch },
    { counts: dataCounts[recipe.data.name], target: defaultTargets[flags.target], fuse: flags.fuse, share: false },
  );
  await makeFolder(flags.out).catch((problem: unknown) => {
    throw fileFailure(flags.out, problem);
  });
  await writePlan(flags.out, plan);
  const bytes = plan.buffers.reduce((sum, buffer) => sum + buffer.bytes, 0);
  const dispatches = plan.programs["trainStep"]?.length ?? 0;
  context.out.write(
    `${flags.out}: plan.json and ${plan.kernels.length} kernels for ${plan.target}; ` +
      `a training step has ${dispatches} dispatches; ${Math.ceil(bytes / 2 ** 20).toLocaleString("en")} MiB with the data set\n`,
  );
  return exitCode.fine;
}

/** `compile` has one module. */
const moduleName = (i: number): string => (i === 0 ? "module.wasm" : `module-${i}.wasm`);

/** The plan as JSON: `source` of a kernel and modules become names of files beside it. */
function planDescription(plan: ExecutionPlan): object {
  const { wasm, ...rest } = plan;
  return {
    ...rest,
    kernels: plan.kernels.map(({ file, ...kernel }) => ({ ...kernel, source: `${file}${endings[plan.target]}` })),
    ...(wasm ? { wasm: { ...wasm, modules: wasm.modules.map((_, i) => moduleName(i)) } } : {}),
  };
}

async function writePlan(folder: string, plan: ExecutionPlan): Promise<void> {
  const earlier = await kernelsOfEarlierPlan(folder);
  const written = new Set<string>();
  for (const { file, source } of plan.kernels) {
    const name = `${file}${endings[plan.target]}`;
    written.add(name);
    await writeAtomically(join(folder, name), source);
  }
  for (const [i, bytes] of (plan.wasm?.modules ?? []).entries())
    await writeAtomically(join(folder, moduleName(i)), bytes);
  await writeAtomically(join(folder, "plan.json"), `${JSON.stringify(planDescription(plan), null, 1)}\n`);
  // Kernels that the plan no longer has would only mislead.
  for (const name of earlier) if (!written.has(name)) await rm(join(folder, name), { force: true });
}

/** Files that an earlier `cnnc compile` left in the folder; nothing else is ever removed. */
async function kernelsOfEarlierPlan(folder: string): Promise<string[]> {
  try {
    const text = await readFile(join(folder, "plan.json"), "utf8");
    const found = text.matchAll(/"source": "(\d+-[a-z0-9-]*\.(?:wgsl|txt))"/g);
    return [...found].flatMap(([, name]) => (name === undefined ? [] : [name]));
  } catch {
    return [];
  }
}
