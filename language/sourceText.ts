/**
 * Places in a source text.
 *
 * In: the text of a file. Out: lines, and the line and column of an offset. What holds: a line ends at `\n`, `\r\n` or
 * `\r`; lines and columns count from 1, columns in code points, as editors and other compilers count them.
 */

export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface SourceText {
  readonly text: string;
  readonly lineCount: number;
  /** The text of a line, without its end; empty outside the file. */
  line(number: number): string;
  /** The offset at which a line begins. */
  lineStart(number: number): number;
  /** The line of an offset; takes no time for the length of the line. */
  lineAt(offset: number): number;
  position(offset: number): Position;
}

/** Indexes the lines of a text once; each question is then a binary search. */
export function sourceText(text: string): SourceText {
  const starts = [0];
  for (const end of text.matchAll(/\r\n|\n|\r/g)) starts.push(end.index + end[0].length);

  const lineStart = (number: number): number => starts[number - 1] ?? text.length;
  const line = (number: number): string => text.slice(lineStart(number), lineStart(number + 1)).replace(/[\r\n]+$/, "");
  const lineAt = (offset: number): number => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
  const position = (offset: number): Position => {
    const within = Math.max(0, Math.min(offset, text.length));
    const found = lineAt(within);
    return { line: found, column: codePoints(text.slice(lineStart(found), within)) + 1 };
  };
  return { text, lineCount: starts.length, line, lineStart, lineAt, position };
}

/** Length in code points. */
function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
