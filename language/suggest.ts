/**
 * "Did you mean".
 *
 * In: a word and the words that would be right. Out: the nearest, if it is near enough to be a slip of the hand.
 */
import type { Span } from "./checkedProgram.ts";
import type { Edit } from "./diagnostic.ts";

/** Nobody has so many names at one place; a file made to take time might. */
const MAXIMUM_CANDIDATES = 1000;

/** The nearest candidate within a third of the word's length (at least one slip), else one that it begins or lengthens. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > 40) return undefined;
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  let count = 0;
  for (const candidate of candidates) {
    if (++count > MAXIMUM_CANDIDATES) break;
    if (candidate === word || Math.abs(candidate.length - word.length) > limit) continue;
    const distance = slips(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  // A one-letter word is one slip from every other one: that suggests nothing.
  if (best !== undefined && bestDistance < Math.max(word.length, best.length)) return best;
  return abbreviation(word, candidates);
}

/** `did you mean \`x\`?`, or undefined. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const found = nearest(word, candidates);
  return found === undefined ? undefined : `did you mean \`${found}\`?`;
}

/** The help and the mend of a misspelt word, or undefined. */
export function meant(
  word: string,
  candidates: Iterable<string>,
  span: Span,
): { readonly help: string; readonly edits: readonly Edit[] } | undefined {
  const found = nearest(word, candidates);
  return found === undefined
    ? undefined
    : { help: `did you mean \`${found}\`?`, edits: [{ span, replacement: found }] };
}

/** `padding` for `pad`, `mom` for `momentum`. */
function abbreviation(word: string, candidates: Iterable<string>): string | undefined {
  const lower = word.toLowerCase();
  let count = 0;
  for (const candidate of candidates) {
    if (++count > MAXIMUM_CANDIDATES) break;
    const [short, long] = lower.length < candidate.length ? [lower, candidate] : [candidate, lower];
    if (short.length >= 3 && short.length < long.length && long.startsWith(short)) return candidate;
  }
  return undefined;
}

/** Damerau-Levenshtein distance (optimal string alignment): letters added, lost, changed, or two neighbours swapped. */
function slips(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(changed, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) least = Math.min(least, (beforeLast[j - 2] ?? 0) + 1);
      row.push(least);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
