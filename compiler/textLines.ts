/** Text for people in lines of limited length. */

/** Words in lines of at most `width` columns, each beginning with `head`, the later ones with `further`. */
export function wrapped(words: readonly string[], width: number, head: string, further = head): string {
  const lines: string[] = [];
  let line = head;
  let isEmpty = true;
  for (const word of words) {
    if (!isEmpty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = further;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line].join("\n");
}
