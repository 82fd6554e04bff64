/**
 * The command line that goes on after an interruption.
 *
 * In: the arguments of the run, and options that take other values now. Out: a command to paste into a shell; it begins
 * with npx, which finds cnnc in a project, in a checkout, and where it is installed for all.
 */
const shortNames: Readonly<Record<string, string>> = { "-o": "--out" };

/** `cnnc train a.cnn --seed 1 --weights …`: the old values of the given options are dropped. */
export function continuation(args: readonly string[], options: Readonly<Record<string, string>>): string {
  const kept: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? "";
    const [head = "", ...values] = word.split("=");
    const name = shortNames[head] ?? head;
    if (!(name in options)) kept.push(word);
    else if (values.length === 0) i++;
  }
  const added = Object.entries(options).flat();
  return ["npx", "cnnc", ...kept, ...added].map(quoted).join(" ");
}

/** A word for a POSIX shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
