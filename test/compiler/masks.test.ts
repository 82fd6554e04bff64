/** Tests of a relu's value as tests of what it was given: the same values, and only where that is at hand. */
import { describe, expect, it } from "vitest";
import { createGraphBuilder } from "../../compiler/graph/builder.ts";
import { type Graph, nodeAt } from "../../compiler/graph/graph.ts";
import {
  argument,
  choose,
  type Formula,
  larger,
  number,
  plus,
  smaller,
  times,
} from "../../compiler/operators/formula.ts";
import { evaluateGraph } from "../../compiler/reference/evaluate.ts";
import { maskRule } from "../../compiler/rewrite/masks.ts";
import { rewriteGraph } from "../../compiler/rewrite/rewriteGraph.ts";
import { origin } from "../support/graphCase.ts";
import { values } from "../support/operatorSample.ts";

const shape = [2, 3, 4, 5];
const scaleShape = [1, 3, 1, 1];
const states = Object.fromEntries(
  [["x", shape] as const, ["other", shape] as const, ["scale", scaleShape] as const, ["gradient", shape] as const].map(
    ([name, of], seed) => [name, values(of, seed).data],
  ),
);

const [y, g] = [argument(0), argument(1)];
const relu = larger(argument(0), number(0));
const mask = choose("greater", y, number(0), g, number(0));
const plain = { given: times(argument(0), argument(1)), second: "scale", relu, mask, isReadLater: true } as const;

interface Case {
  /** What the relu is given, of `x` and the second state. */
  readonly given: Formula;
  readonly second: "scale" | "other";
  readonly relu: Formula;
  readonly mask: Formula;
  /** Whether something reads `x` after the mask. */
  readonly isReadLater: boolean;
}

function graphOf(of: Case): { readonly graph: Graph; readonly value: number; readonly masked: number } {
  const builder = createGraphBuilder("run");
  const state = (name: "x" | "scale" | "other" | "gradient"): number =>
    builder.state({ name, shape: name === "scale" ? scaleShape : shape, type: "f32" });
  const map = (formula: Formula, inputs: readonly number[]): number => builder.add("map", { formula }, inputs, origin);
  const [x, gradient] = [state("x"), state("gradient")];
  const value = map(of.relu, [map(of.given, [x, state(of.second)])]);
  const masked = map(of.mask, [value, gradient]);
  builder.update({ name: "masked", shape, type: "f32" }, masked);
  if (of.isReadLater) builder.update({ name: "later", shape, type: "f32" }, map(times(y, g), [x, masked]));
  return { graph: builder.finish(), value, masked };
}

describe("the mask of a relu", () => {
  it.each<[string, Case, boolean]>([
    ["is a test of what the relu was given", plain, true],
    ["twice in a formula as well", { ...plain, mask: plus(mask, choose("greater", y, number(0), g, g)) }, true],
    ["not where that would have to be kept for it", { ...plain, isReadLater: false }, false],
    [
      "not where two maps would have to be read",
      { ...plain, given: plus(argument(0), argument(1)), second: "other" },
      false,
    ],
    ["not where the value itself is needed", { ...plain, mask: plus(mask, y) }, false],
    ["not by another test", { ...plain, mask: choose("less", y, number(1), g, number(0)) }, false],
    [
      "not by a test against another number",
      { ...plain, mask: choose("greater", y, number(0.5), g, number(0)) },
      false,
    ],
    ["not of another function", { ...plain, relu: smaller(argument(0), number(0)) }, false],
  ])("%s", (_, of, isReplaced) => {
    const { graph, value, masked } = graphOf(of);
    const other = rewriteGraph(graph, maskRule);
    // The rule adds no node: numbers stay.
    expect(nodeAt(other, masked).inputs.includes(value)).toBe(!isReplaced);
    expect(nodeAt(other, masked).origin).toEqual(nodeAt(graph, masked).origin);
    expect(evaluateGraph(other, states).get(masked)).toEqual(evaluateGraph(graph, states).get(masked));
  });
});
