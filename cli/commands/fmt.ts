/**
 * `cnnc fmt`: programs in their canonical form.
 *
 * In: files, or a program on standard input. Out: the files rewritten, or the program on standard output. What holds: a
 * file that does not parse, or cannot be written whole, stays as it was; it loads the language alone.
 */
import { constants } from "node:fs";
import { access, chmod, realpath, stat } from "node:fs/promises";
import type { Command } from "commander";
import { formatText, renderDiagnostics } from "../../language/index.ts";
import { reasonOf, RuntimeFailure } from "../../runtime/errors.ts";
import { diskWriter, writeAtomically } from "../../runtime/files/atomic.ts";
import { type CommandContext, exitCode, paletteFor, type Perform } from "../context.ts";
import { maximumSourceBytes, readSource } from "../readSource.ts";
import { reportProblem } from "../reportProblem.ts";
import { UserError } from "../userError.ts";

interface Flags {
  readonly check?: boolean;
}

const INPUT = "-";

const help = `
A file that does not parse is left as it is, with what is wrong; mistakes beyond that do not matter.

Exit codes: 0 fine, 1 a program does not parse, or with --check is not canonical, 2 wrong usage, 3 a file
cannot be written.

Examples:
  cnnc fmt nets/*.cnn
  cnnc fmt --check nets/*.cnn
  cnnc fmt < draft.cnn > net.cnn`;

export function defineFmt(program: Command, perform: (work: Perform) => Promise<void>): void {
  program
    .command("fmt")
    .summary("write programs in their canonical form")
    .description(
      "Rewrites programs in their canonical form: blanks, indentation, line ends. Meaning and comments stay.",
    )
    .argument("[files...]", ".cnn files, or - for standard input")
    .option("--check", "change nothing; list what would change and end with exit code 1")
    .addHelpText("after", help)
    .action((files: string[], flags: Flags) => perform((context) => format(files, flags, context)));
}

async function format(files: readonly string[], flags: Flags, context: CommandContext): Promise<number> {
  const isInput = files.length === 0 || files.includes(INPUT);
  if (isInput && files.length > 1) throw new UserError("`-` stands alone", "Name files, or `-` for standard input.");
  if (isInput) return formatInput(files.length === 0, flags, context);
  let code: number = exitCode.fine;
  for (const file of files) {
    try {
      code = Math.max(code, await formatFile(file, flags, context));
    } catch (problem) {
      // The other files are formatted all the same.
      code = Math.max(code, reportProblem(problem, context));
    }
  }
  return code;
}

async function formatFile(path: string, { check }: Flags, context: CommandContext): Promise<number> {
  const source = await readSource(path);
  const text = formatted(source, path, context);
  if (text === undefined) return exitCode.program;
  if (text === source) return exitCode.fine;
  if (!check) await replace(path, text);
  context.out.write(check ? `${path}\n` : `formatted ${path}\n`);
  return check ? exitCode.program : exitCode.fine;
}

async function formatInput(isAssumed: boolean, { check }: Flags, context: CommandContext): Promise<number> {
  if (isAssumed && process.stdin.isTTY)
    throw new UserError("there is nothing to format", "Name .cnn files, or give a program on standard input.");
  const name = "<stdin>";
  const source = await readInput();
  const text = formatted(source, name, context);
  if (text === undefined) return exitCode.program;
  if (!check) context.out.write(text);
  if (!check || text === source) return exitCode.fine;
  context.out.write(`${name}\n`);
  return exitCode.program;
}

/** The canonical text; where the program does not parse, undefined after saying why. */
function formatted(source: string, name: string, { err, environment }: CommandContext): string | undefined {
  const { text, diagnostics } = formatText(source, name);
  err.write(renderDiagnostics(diagnostics, source, name, { color: paletteFor(err, environment) }));
  return text;
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maximumSourceBytes)
      throw new UserError("standard input is too long to be a program", "Give it a .cnn file.");
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

/** Puts a text in the place of a file; links, and who may read and write it, stay. */
async function replace(path: string, text: string): Promise<void> {
  try {
    const real = await realpath(path);
    await access(real, constants.W_OK);
    const { mode } = await stat(real);
    await writeAtomically(real, text, {
      write: async (place, content) => {
        await diskWriter.write(place, content);
        await chmod(place, mode & 0o7777);
      },
    });
  } catch (problem) {
    const reason = problem instanceof RuntimeFailure ? reasonOf(problem.cause) : reasonOf(problem);
    const remedy = "It is as it was. Make room, or give yourself the right to write there.";
    throw new RuntimeFailure("files", `${path} cannot be written: ${reason}`, remedy, { cause: problem });
  }
}
