/**
 * `cnnc check`: the table of feature maps and parameters, and what is wrong.
 *
 * What holds: it loads the language alone, neither compiler nor devices, so that an editor can call it at every key.
 */
import { type Command, Option } from "commander";
import { checkReport, type CheckResult, renderDiagnostics, renderTable } from "../../language/index.ts";
import { type CommandContext, exitCode, paletteFor, type Perform } from "../context.ts";
import { checkFile, type CheckFlags } from "../checkFile.ts";
import { reportProblem } from "../reportProblem.ts";
import { setOption, setting } from "../values.ts";

interface Flags extends CheckFlags {
  readonly format: "text" | "json";
}

export function defineCheck(program: Command, perform: (work: Perform) => Promise<void>): void {
  program
    .command("check")
    .summary("check programs; show feature maps and parameters")
    .description(
      "Checks programs and shows a table of their feature maps and parameters. Exit code 1 if there are errors.",
    )
    .argument("<files...>", ".cnn files")
    .addOption(new Option("--format <format>", "how to print").choices(["text", "json"]).default("text"))
    .option(setOption.flags, setOption.description, setting, {})
    .action((files: string[], flags: Flags) => perform((context) => check(files, flags, context)));
}

async function check(files: readonly string[], flags: Flags, context: CommandContext): Promise<number> {
  const { format } = flags;
  const results: CheckResult[] = [];
  let code: number = exitCode.fine;
  for (const file of files) {
    try {
      const result = await checkFile(file, flags);
      results.push(result);
      if (!result.program) code = Math.max(code, exitCode.program);
      if (format === "text") printText(result, results.length > 1, context);
    } catch (problem) {
      // The other files are checked all the same.
      code = Math.max(code, reportProblem(problem, context));
    }
  }
  if (format === "json") {
    const reports = results.map(checkReport);
    const [first] = reports;
    // One file gives an object, several an array of such objects.
    const value = files.length === 1 ? first : reports;
    if (value !== undefined) context.out.write(`${JSON.stringify(value, null, 2)}\n`);
  }
  return code;
}

function printText(result: CheckResult, isLater: boolean, { out, err, environment }: CommandContext): void {
  const table = renderTable(result, { color: paletteFor(out, environment) });
  if (table !== "") out.write(`${isLater ? "\n" : ""}${table}`);
  const { diagnostics, source, sources, file } = result;
  const text = renderDiagnostics(diagnostics, source, file, { color: paletteFor(err, environment), sources });
  if (text !== "") err.write(`${table === "" ? "" : "\n"}${text}`);
}
