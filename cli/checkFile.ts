/**
 * Checks a `.cnn` file with the files it uses.
 *
 * In: a path and values for the parameters of its models. Out: what the language makes of it. What holds: files that are
 * used lie in the folder of the file, links included.
 */
import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { dirname, sep } from "node:path";
import { checkText, type CheckResult } from "../language/index.ts";
import { maximumSourceBytes, readSource } from "./readSource.ts";

export interface CheckFlags {
  /** `--set`: by the parameter's name, in the language's words. */
  readonly set: Readonly<Record<string, string>>;
}

/** Throws a `UserError` where the file cannot be read. */
export async function checkFile(path: string, { set }: CheckFlags): Promise<CheckResult> {
  const source = await readSource(path);
  return checkText(source, path, { set, readFile: readerBeside(path) });
}

/** Reads used files: regular ones inside the folder of `path`, no more of them than of the file itself. */
function readerBeside(path: string): (used: string) => string | undefined {
  return (used) => {
    try {
      const folder = realpathSync(dirname(path));
      const real = realpathSync(used);
      const isInside = real.startsWith(folder.endsWith(sep) ? folder : folder + sep);
      return isInside && statSync(real).isFile() ? new TextDecoder().decode(readBeginning(real)) : undefined;
    } catch {
      // The checker says which file is missing, and where it is used.
      return undefined;
    }
  };
}

function readBeginning(path: string): Buffer {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(Math.min(fstatSync(file).size, maximumSourceBytes));
    return bytes.subarray(0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}
