/**
 * Finding the entry of a catalogue that a call means.
 *
 * In: a call and a catalogue (of layers, or of a recipe's lines). Out: its entry, or undefined after a report. What
 * holds: an entry's words are up to three (`conv`, `pool max`, `pool avg to`), and the first word says whether a second is needed.
 */
import type { Span } from "./checkedProgram.ts";
import type { Reporter } from "./diagnostic.ts";
import { laterKinds } from "./laterWords.ts";
import { bareName, type Signature } from "./signature.ts";
import { meant } from "./suggest.ts";
import type { Call } from "./syntaxTree.ts";

export interface Catalogue<E extends Signature> {
  /** First words, each once. */
  readonly words: readonly string[];
  /** The entries of a first word, by the words behind it (`""` if the entry has none). */
  readonly byWord: ReadonlyMap<string, ReadonlyMap<string, E>>;
}

export function indexCatalogue<E extends Signature>(entries: readonly E[]): Catalogue<E> {
  const byWord = new Map<string, Map<string, E>>();
  for (const entry of entries) {
    const [first = "", ...others] = entry.words.split(" ");
    byWord.set(first, (byWord.get(first) ?? new Map<string, E>()).set(others.join(" "), entry));
  }
  return { words: [...byWord.keys()], byWord };
}

/** The entry of a call whose first word is in the catalogue; reports a second word that is missing or wrong. */
export function findEntry<E extends Signature>(catalogue: Catalogue<E>, call: Call, report: Reporter): E | undefined {
  const kinds = catalogue.byWord.get(call.name.text);
  const second = bareName(call.groups[0]);
  const longer = kinds?.get(`${second} ${bareName(call.groups[1])}`);
  const found = longer ?? kinds?.get("") ?? (second === undefined ? undefined : kinds?.get(second));
  return found ?? reportKind(call, second, [...(kinds?.keys() ?? [])], report);
}

function reportKind(call: Call, second: string | undefined, kinds: readonly string[], report: Reporter): undefined {
  const word = call.name.text;
  const choices = kinds.map((kind) => `\`${word} ${kind}\``).join(" or ");
  if (second === undefined) {
    return report({
      code: "CNN203",
      message: `\`${word}\` needs its kind`,
      span: call.name.span,
      label: `expected ${kinds.map((kind) => `\`${kind}\``).join(" or ")} behind this`,
      help: `write ${choices}`,
    });
  }
  const span: Span = call.groups[0]?.span ?? call.span;
  const later = laterKinds.get(`${word} ${second}`);
  if (later !== undefined) return reportLater(`${word} ${second}`, span, later, report);
  return report({
    code: "CNN206",
    message: `there is no \`${word} ${second}\``,
    span,
    ...(meant(second, kinds, span) ?? { help: `write ${choices}` }),
  });
}

/** Reports a word that the language will have. */
export function reportLater(words: string, span: Span, help: string, report: Reporter): undefined {
  return report({ code: "CNN104", message: `\`${words}\` is not in this version of the language yet`, span, help });
}
