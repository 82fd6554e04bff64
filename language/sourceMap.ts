/**
 * The files of one program, laid one behind the other.
 *
 * In: texts with their names. Out: for any span of the syntax tree, the file it lies in and its offsets there. What holds:
 * spans of different files do not overlap, and those of the first file are offsets into its text, so that a program of
 * one file never meets the difference.
 */
import type { Span } from "./checkedProgram.ts";
import { sourceText, type SourceText } from "./sourceText.ts";

export interface SourceFile {
  /** As it is named in messages. */
  readonly file: string;
  readonly source: SourceText;
  /** What the offsets of its spans begin with. */
  readonly base: number;
}

/** A span within its file. */
export interface Located {
  readonly file: string;
  readonly span: Span;
}

export interface SourceMap {
  readonly files: readonly SourceFile[];
  readonly add: (file: string, text: string) => SourceFile;
  readonly fileAt: (offset: number) => SourceFile;
  readonly locate: (span: Span) => Located;
}

/** A map of one file, to which others are added as they are read. */
export function createSourceMap(file: string, text: string): SourceMap {
  const files: SourceFile[] = [];
  const add = (name: string, content: string): SourceFile => {
    const last = files.at(-1);
    // A span may be empty and stand behind the last character.
    const base = last === undefined ? 0 : last.base + last.source.text.length + 1;
    const added = { file: name, source: sourceText(content), base };
    files.push(added);
    return added;
  };
  const first = add(file, text);
  const fileAt = (offset: number): SourceFile => files.findLast(({ base }) => base <= offset) ?? first;
  const locate = (span: Span): Located => {
    const { file: name, base } = fileAt(span.start);
    return { file: name, span: { start: span.start - base, end: span.end - base } };
  };
  return { files, add, fileAt, locate };
}
