/**
 * `cnnc check`: the table of feature maps and parameters, and what is wrong.
 *
 * What holds: it loads the language alone, neither compiler nor devices, so that an editor can call it at every key.
 */
import { type Command, Option } from "commander";
import {
  checkReport,
  type CheckReport,
  type CheckResult,
  renderDiagnostics,
  renderGithub,
  renderTable,
  sarifLog,
} from "../../language/index.ts";
import { checkFile, type CheckFlags } from "../checkFile.ts";
import { type CommandContext, exitCode, paletteFor, type Perform } from "../context.ts";
import { createInterruption } from "../interruption.ts";
import { reportProblem } from "../reportProblem.ts";
import { addOptions } from "../options.ts";
import { version } from "../version.ts";
import { watchFiles } from "../watchFiles.ts";

const json = (value: unknown): string => (value === undefined ? "" : `${JSON.stringify(value, null, 2)}\n`);

/** What other programs read is printed when all files are checked; text is printed file by file. */
const machineFormats = {
  /** One file gives an object, several an array of such objects. */
  json: (reports: readonly CheckReport[], fileCount: number) => json(fileCount === 1 ? reports[0] : reports),
  github: renderGithub,
  sarif: (reports: readonly CheckReport[]) => json(sarifLog(reports, version())),
} as const satisfies Record<string, (reports: readonly CheckReport[], fileCount: number) => string>;

interface Flags extends CheckFlags {
  readonly format: "text" | keyof typeof machineFormats;
  readonly watch?: boolean;
}

const help = `
Formats:
  text    tables and diagnostics
  json    an object for one file: file, models, diagnostics; an array of them for several
  github  annotations of GitHub Actions
  sarif   SARIF 2.1.0, for code scanning

Exit codes: 0 fine, 1 a program has errors, 2 a file cannot be read or the usage is wrong.

Examples:
  cnnc check examples/lenet.cnn
  cnnc check --watch nets/*.cnn
  cnnc check --format sarif nets/*.cnn > cnnc.sarif`;

export function defineCheck(program: Command, perform: (work: Perform) => Promise<void>): void {
  const command = program
    .command("check")
    .summary("check programs; show feature maps and parameters")
    .description(
      "Checks programs and shows a table of their feature maps and parameters. Exit code 1 if there are errors.",
    )
    .argument("<files...>", ".cnn files")
    .addOption(
      new Option("--format <format>", "how to print").choices(["text", ...Object.keys(machineFormats)]).default("text"),
    )
    .option("--watch", "check again whenever a file changes, until Ctrl-C");
  addOptions(command, ["set"])
    .addHelpText("after", help)
    .action((files: string[], flags: Flags) =>
      perform((context) => (flags.watch ? watch(files, flags, context) : checkAndPrint(files, flags, context))),
    );
}

async function checkAndPrint(files: readonly string[], flags: Flags, context: CommandContext): Promise<number> {
  return (await checkAll(files, flags, context)).code;
}

interface Outcome {
  readonly code: number;
  /** The files that could be read. */
  readonly results: readonly CheckResult[];
}

async function checkAll(files: readonly string[], flags: Flags, context: CommandContext): Promise<Outcome> {
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
  if (format !== "text") context.out.write(machineFormats[format](results.map(checkReport), files.length));
  return { code, results };
}

function printText(result: CheckResult, isLater: boolean, { out, err, environment }: CommandContext): void {
  const table = renderTable(result, { color: paletteFor(out, environment) });
  if (table !== "") out.write(`${isLater ? "\n" : ""}${table}`);
  const { diagnostics, source, sources, file } = result;
  const text = renderDiagnostics(diagnostics, source, file, { color: paletteFor(err, environment), sources });
  if (text !== "") err.write(`${table === "" ? "" : "\n"}${text}`);
}

/** Erases the screen and what has scrolled out of it, and goes to its first line (ECMA-48, xterm). */
const CLEAR = "\u001b[2J\u001b[3J\u001b[H";

/** Checks again and again; ending it is no failure, whatever the last check found. */
async function watch(files: readonly string[], flags: Flags, context: CommandContext): Promise<number> {
  const { out, err, environment } = context;
  const { signal, listen, stop } = createInterruption(() => undefined);
  const round = async (): Promise<string[]> => {
    if (out.isTTY) out.write(CLEAR);
    const { results } = await checkAll(files, flags, context);
    const paths = [...new Set([...files, ...results.flatMap(({ sources }) => [...sources.keys()])])];
    const what = paths.length === 1 ? "1 file" : `${paths.length} files`;
    err.write(paletteFor(err, environment).faint(`\nwatching ${what}; Ctrl-C ends\n`));
    return paths;
  };
  listen();
  try {
    await watchFiles(files, round, signal);
  } finally {
    await stop();
  }
  return exitCode.fine;
}
