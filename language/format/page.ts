/**
 * Lines of output.
 *
 * In: words, comments and line ends, one after the other. Out: the text. What holds: no line ends in blanks; comments
 * behind neighbouring lines of one depth stand under one another.
 */

/** Columns of a line; only what cannot be broken is wider. Comments do not count. */
export const WIDTH = 120;

interface OutputLine {
  readonly indent: number;
  readonly code: string;
  readonly comment: string | undefined;
}

export interface Page {
  /** Words on the line that is being written. */
  write(words: string): void;
  /** A comment behind the words of the line, or on it alone; the line ends with it. */
  comment(text: string): void;
  /** Ends the line, if there is something on it; the next one begins at a column. */
  line(indent: number): void;
  /** A line with nothing on it. */
  blank(): void;
  /** Columns of the line so far, its indentation among them. */
  column(): number;
  /** Where the line begins. */
  indent(): number;
  text(): string;
}

export function createPage(): Page {
  const lines: OutputLine[] = [];
  let indent = 0;
  let code = "";
  const end = (comment?: string): void => {
    if (code !== "" || comment !== undefined) lines.push({ indent, code, comment });
    code = "";
  };
  return {
    write: (words) => {
      code += words;
    },
    comment: end,
    line: (next) => {
      end();
      indent = next;
    },
    blank: () => {
      end();
      lines.push({ indent: 0, code: "", comment: undefined });
    },
    column: () => indent + code.length,
    indent: () => indent,
    text: () => {
      end();
      return aligned(lines)
        .map((line) => `${line}\n`)
        .join("");
    },
  };
}

/** The lines as text, run by run of neighbours with comments. */
function aligned(lines: readonly OutputLine[]): string[] {
  const result: string[] = [];
  let run: OutputLine[] = [];
  const flush = (): void => {
    const column = run.reduce((widest, { indent, code }) => Math.max(widest, indent + code.length), 0) + 2;
    for (const { indent, code, comment } of run)
      result.push((" ".repeat(indent) + code).padEnd(column) + (comment ?? ""));
    run = [];
  };
  for (const line of lines) {
    if (run.at(-1)?.indent !== line.indent) flush();
    if (line.comment !== undefined && line.code !== "") {
      run.push(line);
      continue;
    }
    flush();
    const words = line.code + (line.comment ?? "");
    result.push(words === "" ? "" : " ".repeat(line.indent) + words);
  }
  flush();
  return result;
}
