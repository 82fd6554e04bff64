/**
 * Kernels that differ in names only share a pipeline: layers of one shape, thirty times in a deep network.
 *
 * In: WGSL as the printer writes it. Out: the same without comments, its declared names numbered in order. What holds:
 * two texts become one only if one is the other with its names changed.
 */
import type { RunnableKernel } from "../../../compiler/plan/plan.ts";

const declaration = /\b(?:let\s+|var\s+|var<[^>]*>\s*)([A-Za-z_]\w*)/g;
/** Not a component (`.x`), and not an address space or a type (`var<workgroup>`), which may be called like a variable. */
const identifier = /(?<![.\w<])[A-Za-z_]\w*/g;

const known = new WeakMap<RunnableKernel, string>();

/** The text of a kernel, worked out once. */
export function sharedTextOf(kernel: RunnableKernel): string {
  const text = known.get(kernel) ?? sharedText(kernel.source);
  known.set(kernel, text);
  return text;
}

/** Equal layers differ in comments only, and a kernel comes twice: when it is printed, and in its plan. */
const renamed = new Map<string, string>();
const mostRenamed = 500;

export function sharedText(source: string): string {
  const text = source.replace(/\/\/.*$/gm, "").replace(/\n\s*\n/g, "\n");
  const found = renamed.get(text) ?? withNumbers(text);
  if (renamed.size >= mostRenamed) renamed.clear();
  renamed.set(text, found);
  return found;
}

function withNumbers(text: string): string {
  const names = new Map<string, string>();
  for (const [, name = ""] of text.matchAll(declaration)) if (!names.has(name)) names.set(name, `v${names.size}`);
  // A name that is not declared here (a built-in, a function, a parameter) could be one of the new ones.
  for (const [word] of text.matchAll(identifier)) if (/^v\d+$/.test(word) && !names.has(word)) return text;
  return text.replace(identifier, (word) => names.get(word) ?? word);
}
