/**
 * `use`: the blocks of other files.
 *
 * In: the declarations of the checked file, and a function that reads a file. Out: the blocks that each file may use.
 * What holds: nothing is read but paths within the folder of the file that uses them; each file is read and parsed once;
 * a circle is reported; language/ does no I/O itself.
 */
import type { Span } from "./checkedProgram.ts";
import { blockSignature } from "./checkBlock.ts";
import { isLayer } from "./checkLayer.ts";
import type { Reporter } from "./diagnostic.ts";
import { isMerge } from "./merges.ts";
import { parse } from "./parse.ts";
import type { BlockDeclaration, Declaration, Identifier, UseDeclaration } from "./syntaxTree.ts";
import type { Block, Blocks, Session } from "./walk.ts";

/**
 * Gives the text of a file, or undefined if there is none that may be read. The path is that of the checked file with its
 * last part replaced, `/` between its parts and no `..` in it that was not there. A reader on a file system makes sure
 * that links do not lead out of the folder.
 */
export type ReadFile = (path: string) => string | undefined;

const MAXIMUM_FILES = 100;
/** Of a block or a model. */
export const MAXIMUM_PARAMETERS = 100;

interface Loading {
  readonly session: Session;
  readonly read: ReadFile | undefined;
  /** The blocks of each file that has been read, by its path. */
  readonly loaded: Map<string, readonly BlockDeclaration[] | undefined>;
  readonly visible: Map<string, Map<string, Block>>;
  /** The files that are being read, the checked one first. */
  readonly open: string[];
}

/** The blocks that the checked file may use: its own, and those of the files that it uses. */
export function visibleBlocks(
  declarations: readonly Declaration[],
  file: string,
  read: ReadFile | undefined,
  session: Session,
): Blocks {
  const loading: Loading = { session, read, loaded: new Map(), visible: new Map(), open: [] };
  return openFile(declarations, normalised(file), loading);
}

function openFile(declarations: readonly Declaration[], path: string, loading: Loading): Map<string, Block> {
  const { session, visible, open, loaded } = loading;
  const blocks = new Map<string, Block>();
  visible.set(path, blocks);
  open.push(path);
  const own = declarations
    .filter((declaration) => declaration.kind === "block")
    .map((block) => bounded(block, session));
  for (const declaration of own) {
    declare(
      blocks,
      { declaration, signature: blockSignature(declaration), visible: blocks },
      declaration.name.span,
      session.report,
    );
  }
  loaded.set(path, own);
  for (const use of declarations) {
    if (use.kind !== "use") continue;
    const other = resolve(use, path, loading);
    for (const declaration of (other === undefined ? undefined : loaded.get(other)) ?? []) {
      const block = visible.get(other ?? "")?.get(declaration.name.text);
      if (block?.declaration === declaration) declare(blocks, block, use.path.span, session.report);
    }
  }
  open.pop();
  return blocks;
}

/** The block, without parameters that are too many: they have been reported, and must not cost time at each use. */
function bounded(block: BlockDeclaration, { report }: Session): BlockDeclaration {
  const { parameters } = block;
  checkParameterNames(
    parameters.map(({ name }) => name),
    report,
  );
  return parameters.length > MAXIMUM_PARAMETERS
    ? { ...block, parameters: parameters.slice(0, MAXIMUM_PARAMETERS) }
    : block;
}

/** Adds a block; `span` is where it comes from: its own name, or the `use` that brings it. */
function declare(blocks: Map<string, Block>, block: Block, span: Span, report: Reporter): void {
  const { name } = block.declaration;
  const earlier = blocks.get(name.text);
  if (earlier?.declaration === block.declaration) return;
  if (isReserved(name.text)) return reportReserved(name, report);
  if (earlier === undefined) return void blocks.set(name.text, block);
  report({
    code: "CNN105",
    message: `there are two blocks \`${name.text}\``,
    span,
    help: "give one of them another name",
    notes: [{ message: "the first one", span: earlier.declaration.name.span }],
  });
}

const STRUCTURE: ReadonlySet<string> = new Set(["input", "branch", "skip"]);

function isReserved(word: string): boolean {
  return STRUCTURE.has(word) || isLayer(word) || isMerge(word);
}

function reportReserved({ text, span }: Identifier, report: Reporter): void {
  report({
    code: "CNN110",
    message: `\`${text}\` is a word of the language`,
    span,
    label: "a block needs a name of its own",
    help: `for instance \`${text}_block\``,
    edits: [{ span, replacement: `${text}_block` }],
  });
}

/** Reports parameters of one name, and too many of them. */
export function checkParameterNames(names: readonly Identifier[], report: Reporter): void {
  const extra = names[MAXIMUM_PARAMETERS];
  if (extra !== undefined) {
    const help = `at most ${MAXIMUM_PARAMETERS} are allowed`;
    report({
      code: "CNN213",
      message: "too many parameters",
      span: extra.span,
      label: `parameter ${MAXIMUM_PARAMETERS + 1}`,
      help,
    });
  }
  const seen = new Map<string, Identifier>();
  for (const name of names) {
    const earlier = seen.get(name.text);
    seen.set(name.text, earlier ?? name);
    if (earlier === undefined) continue;
    report({
      code: "CNN105",
      message: `there are two parameters \`${name.text}\``,
      span: name.span,
      help: "give one of them another name",
      notes: [{ message: "the first one", span: earlier.span }],
    });
  }
}

// ---- paths ------------------------------------------------------------------------------------------------------------

/** The path of a used file, whose blocks are then in `loaded`; undefined after a report. */
function resolve(use: UseDeclaration, from: string, loading: Loading): string | undefined {
  const { session, loaded, open } = loading;
  const { text, span } = use.path;
  const { report } = session;
  const inside = withinFolder(text);
  if (inside === undefined) return reportOutside(text, span, report);
  const path = `${folderOf(from)}${inside}`;
  if (open.includes(path)) return reportCircle([...open.slice(open.indexOf(path)), path], span, report);
  if (loaded.has(path)) return path;
  const content = loaded.size > MAXIMUM_FILES ? undefined : loading.read?.(path);
  if (content === undefined) {
    loaded.set(path, undefined);
    const tooMany = loaded.size > MAXIMUM_FILES;
    return reportUnread(path, span, tooMany ? `more than ${MAXIMUM_FILES} files are used` : "", report);
  }
  const { base } = session.sources.add(path, content);
  openFile(parse(content, report, base).declarations, path, loading);
  return path;
}

/** The path without `.` and `..`; undefined if it leads out of the folder, or is none. */
function withinFolder(text: string): string | undefined {
  // oxlint-disable-next-line no-control-regex
  if (text === "" || /[\\:\u0000-\u001f]/.test(text) || text.startsWith("/") || text.endsWith("/")) return undefined;
  const parts: string[] = [];
  for (const part of text.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return undefined;
    } else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.length === 0 ? undefined : parts.join("/");
}

function normalised(file: string): string {
  return file.replaceAll("\\", "/").replace(/^(\.\/+)+/, "");
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

function reportOutside(text: string, span: Span, report: Reporter): undefined {
  const leadsOut = text.includes("..") || text.startsWith("/");
  return report({
    code: "CNN108",
    message: leadsOut ? "the used file lies outside of the folder" : "this is no path of a file",
    span,
    label: leadsOut ? "a file uses files of its own folder and of those in it" : "parts are separated by `/`",
    help: 'for instance `use "blocks.cnn"`',
  });
}

function reportCircle(circle: readonly string[], span: Span, report: Reporter): undefined {
  return report({
    code: "CNN109",
    message: circle.length === 2 ? "the file uses itself" : "files use one another in a circle",
    span,
    label: circle.map((path) => path.slice(path.lastIndexOf("/") + 1)).join(" -> "),
    help: "put the blocks that both need into a third file",
  });
}

function reportUnread(path: string, span: Span, label: string, report: Reporter): undefined {
  return report({
    code: "CNN107",
    message: `\`${path}\` cannot be used`,
    span,
    label: label === "" ? "there is no such file, or it may not be read" : label,
    help: "the path begins in the folder of this file",
  });
}
