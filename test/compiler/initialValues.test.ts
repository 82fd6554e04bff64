/** How parameters start, evaluated from the graph: what `init` and `weights` of the language promise. */
import { expect, test } from "vitest";
import { lowerModel } from "../../compiler/model/lowerModel.ts";
import { size } from "../../compiler/graph/graph.ts";
import { evaluateGraph } from "../../compiler/reference/evaluate.ts";
import { checkText } from "../../language/index.ts";

/** The first values of all parameters, by path. */
function startOf(lines: string, seed = 1): Map<string, number[]> {
  const text = `model M {\n input 3@32x32\n ${lines}\n ${lines.includes("fc") ? "" : "pool avg global"}\n fc 10\n}\ntrain { data shapes\n batch 2 }`;
  const { program, diagnostics } = checkText(text, "start.cnn");
  expect(diagnostics).toEqual([]);
  const [model] = program?.models ?? [];
  const recipe = program?.recipe;
  if (model === undefined || recipe === undefined) throw new Error("no program");
  const { graphs, parameters } = lowerModel({ model, recipe, counts: { train: 4, test: 4 } });
  const graph = graphs.find(({ name }) => name === "initialise");
  if (graph === undefined) throw new Error("no program initialise");
  const values = evaluateGraph(graph, { "control.seed": [seed], "control.zero": [0] });
  const flat = values.get(graph.updates.find(({ state }) => state.name === "parameters")?.value ?? -1);
  if (flat === undefined) throw new Error("no parameters");
  return new Map(
    parameters.map(({ parameter: { path, shape }, offset }) => [
      path,
      Array.from({ length: size(shape) }, (_, i) => flat[offset + i] ?? Number.NaN),
    ]),
  );
}

function momentsOf(values: readonly number[]): { mean: number; deviation: number; kurtosis: number } {
  const moment = (power: number, about: number): number =>
    values.reduce((sum, value) => sum + (value - about) ** power, 0) / values.length;
  const mean = moment(1, 0);
  const variance = moment(2, mean);
  return { mean, deviation: Math.sqrt(variance), kurtosis: moment(4, mean) / variance ** 2 };
}

test.each([
  ["conv 64@5x5 init he", Math.sqrt(2 / 75), 3],
  ["conv 64@5x5 init he_out", Math.sqrt(2 / 1600), 3],
  ["conv 64@5x5 init 0.5", 0.5, 3],
  ["conv 64@5x5 init xavier", Math.sqrt(2 / (75 + 1600)), 1.8],
  ["conv 64@5x5", Math.sqrt(1 / (3 * 75)), 1.8],
])("%s: deviation %d, kurtosis %d", (line, deviation, kurtosis) => {
  const values = startOf(line).get("conv1.weight") ?? [];
  const found = momentsOf(values);
  expect(values).toHaveLength(4800);
  expect(Math.abs(found.mean)).toBeLessThan(0.05 * deviation);
  expect(Math.abs(found.deviation / deviation - 1)).toBeLessThan(0.05);
  expect(Math.abs(found.kurtosis - kurtosis)).toBeLessThan(0.3);
});

test("another seed gives other values, the same one the same", () => {
  expect(startOf("conv 8@3x3 init he", 1)).toEqual(startOf("conv 8@3x3 init he", 1));
  expect(startOf("conv 8@3x3 init he", 1).get("conv1.weight")).not.toEqual(
    startOf("conv 8@3x3 init he", 2).get("conv1.weight"),
  );
});

test("weights of a convolution: the same for all maps and channels, or one matrix for each map", () => {
  expect(startOf("conv 2@2x3 weights [1 2 3; 4 5 6]").get("conv1.weight")).toEqual(
    Array.from({ length: 6 }, () => [1, 2, 3, 4, 5, 6]).flat(),
  );
  const two = startOf("conv 2@1x2 weights [1 -1], [0.5 7]").get("conv1.weight");
  expect(two).toEqual([1, -1, 1, -1, 1, -1, 0.5, 7, 0.5, 7, 0.5, 7]);
});

test("weights of a fully connected layer: rows are outputs", () => {
  const start = startOf("pool avg global -> conv 2@1x1 weights [3] -> fc 2 weights [1 2; 4 5]");
  expect(start.get("fc1.weight")).toEqual([1, 2, 4, 5]);
});
