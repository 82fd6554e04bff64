/** A stream that stands for a terminal, or for a file. */
import { PassThrough } from "node:stream";

export interface Screen {
  readonly stream: NodeJS.WriteStream;
  readonly text: () => string;
}

/** Keeps what is written; with columns it is a terminal. */
export function screen(columns?: number): Screen {
  const stream = new PassThrough();
  let text = "";
  stream.setEncoding("utf8").on("data", (part: string) => (text += part));
  const escape = (code: string) => () => void stream.write(`\u001b[${code}`);
  const terminal =
    columns === undefined
      ? {}
      : { isTTY: true, columns, cursorTo: escape("G"), moveCursor: escape("A"), clearLine: escape("2K") };
  return { stream: Object.assign(stream, terminal) as unknown as NodeJS.WriteStream, text: () => text };
}
