/**
 * Warnings about layers that have no error: what a model does in vain, or not as it was meant.
 *
 * In: the layers of a model and the words of their options. Out: warnings. What holds: a rule looks at one layer and at
 * the layers that it reads; each is an entry of a table.
 */
import type { CheckedLayer, Span } from "./checkedProgram.ts";
import type { Report } from "./diagnostic.ts";
import type { Walk } from "./walk.ts";

/** What a rule may ask of a model. */
interface Around {
  /** The layers that a layer reads. */
  readonly inputsOf: (layer: CheckedLayer) => readonly CheckedLayer[];
  /** The words of an option of a layer, if it is given; "" for those of the layer. */
  readonly words: (layer: CheckedLayer, option: string) => Span | undefined;
}

type Rule = (layer: CheckedLayer, around: Around) => Report | undefined;

/** A bias that batch normalisation takes off again; said only where somebody asked for one. */
const biasBeforeNormalisation: Rule = (layer, { inputsOf, words }) => {
  const [before] = layer.kind === "batchNorm" ? inputsOf(layer) : [];
  const span = before && words(before, "bias");
  const hasBias = before?.parameters.some(({ name }) => name === "bias") ?? false;
  if (span === undefined || !hasBias) return undefined;
  return {
    code: "CNN252",
    message: "a bias before `bn` has no effect",
    span,
    label: "`bn` takes the mean off, and the bias with it",
    help: "write `bias off`",
    edits: [{ span, replacement: "bias off" }],
  };
};

const dropoutBeforeNormalisation: Rule = (layer, { inputsOf, words }) => {
  let [before] = layer.kind === "batchNorm" ? inputsOf(layer) : [];
  // An activation does not mend the variance.
  while (before?.kind === "activation") [before] = inputsOf(before);
  const span = before?.kind === "dropout" ? words(before, "") : undefined;
  if (span === undefined) return undefined;
  return {
    code: "CNN254",
    message: "a dropout before `bn`",
    span,
    label: "its variance in training is not that in use, and the running variance fits training only",
    help: "put it behind the last `bn`",
  };
};

const rules: readonly Rule[] = [biasBeforeNormalisation, dropoutBeforeNormalisation];

/** Reports what is odd about the layers of a model. */
export function warnOfLayers({ layers, words, session }: Walk): void {
  const spans = new Map(session.sources.files.map(({ file, base }) => [file, base]));
  const around: Around = {
    inputsOf: ({ inputs }) => inputs.flatMap((id) => layers[id] ?? []),
    words: ({ id, span, file }, option) => {
      const base = spans.get(file) ?? 0;
      return option === "" ? { start: span.start + base, end: span.end + base } : words.get(id)?.get(option);
    },
  };
  for (const layer of layers) {
    for (const rule of rules) {
      const found = rule(layer, around);
      if (found !== undefined) session.report(found);
    }
  }
}
