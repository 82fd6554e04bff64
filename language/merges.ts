/**
 * The layers that merge branches: `add`, `mul` and `concat`.
 *
 * In: nothing, it is a table. Out: entries that the checker and the reference page read. What holds: an entry's `output`
 * is the merged shape, or says why there is none; channels, height and width are compared one by one.
 */
import { shapeText, type LayerKind, type Shape } from "./checkedProgram.ts";

export interface MergeEntry {
  readonly words: "add" | "mul" | "concat";
  readonly kind: Extract<LayerKind, "add" | "mul" | "concat">;
  readonly doc: string;
  readonly example: string;
  readonly output: (branches: readonly Shape[]) => Shape | { readonly misfit: string };
}

type Side = "channels" | "height" | "width";

const SIDES: readonly Side[] = ["channels", "height", "width"];

/** The side that all have, those of 1 being spread; undefined if two differ. */
function spread(branches: readonly Shape[], side: Side): number | undefined {
  const most = branches.reduce((largest, shape) => Math.max(largest, shape[side]), 1);
  return branches.every((shape) => shape[side] === most || shape[side] === 1) ? most : undefined;
}

function differing(branches: readonly Shape[], sides: readonly Side[]): { misfit: string } {
  const shapes = [...new Set(branches.map(shapeText))].join(" and ");
  const words = sides.length === 1 ? sides.join("") : `${sides.slice(0, -1).join(", ")} and ${sides.at(-1)}`;
  return { misfit: `${shapes} differ in ${words}` };
}

function elementwise(branches: readonly Shape[]): ReturnType<MergeEntry["output"]> {
  const wrong = SIDES.filter((side) => spread(branches, side) === undefined);
  if (wrong.length > 0) return differing(branches, wrong);
  const [channels = 1, height = 1, width = 1] = SIDES.map((side) => spread(branches, side));
  return { channels, height, width, flat: branches.every(({ flat }) => flat) };
}

function joined(branches: readonly Shape[]): ReturnType<MergeEntry["output"]> {
  const [first] = branches;
  if (first === undefined) return { misfit: "there are no branches" };
  if (branches.some(({ flat }) => flat !== first.flat)) {
    return { misfit: `${[...new Set(branches.map(shapeText))].join(" and ")}: maps and a vector` };
  }
  const wrong = (["height", "width"] as const).filter((side) => branches.some((shape) => shape[side] !== first[side]));
  if (wrong.length > 0) return differing(branches, wrong);
  return { ...first, channels: branches.reduce((sum, { channels }) => sum + channels, 0) };
}

/** Every merge, in the order of the reference page. */
export const mergeCatalogue: readonly MergeEntry[] = [
  {
    words: "add",
    kind: "add",
    doc: "The sum of its branches; a `C@1x1`, a `1@HxW` or a vector is spread over the others.",
    example: "add { branch { conv 16@3x3 pad same -> bn } skip }",
    output: elementwise,
  },
  {
    words: "mul",
    kind: "mul",
    doc: "The product of its branches, spread as those of `add`.",
    example: "mul { branch { pool avg global -> conv 16@1x1 -> sigmoid } skip }",
    output: elementwise,
  },
  {
    words: "concat",
    kind: "concat",
    doc: "The channels of its branches, one branch after the other.",
    example: "concat { branch { conv 8@1x1 } branch { conv 8@3x3 pad same } skip }",
    output: joined,
  },
];

export const mergeWords: readonly string[] = mergeCatalogue.map(({ words }) => words);

/** The entry of a word. */
export function findMerge(word: string): MergeEntry | undefined {
  return mergeCatalogue.find(({ words }) => words === word);
}

export function isMerge(word: string): boolean {
  return findMerge(word) !== undefined;
}
