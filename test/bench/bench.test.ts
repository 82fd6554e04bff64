/**
 * The benchmark's parts that decide what is compared and how: no timings, no other stacks.
 */
import { describe, expect, it, test } from "vitest";
import { openStack, StackFailure } from "../../bench/stackClient.ts";
import { mark } from "../../bench/protocol.ts";
import { neededEnd, runLayers } from "../../bench/stacks/stack.ts";
import { transposed } from "../../bench/stacks/taskData.ts";
import { difference, median, ratios } from "../../bench/statistics.ts";
import { textTable } from "../../bench/table.ts";
import { loadWorkload } from "../../bench/workloads.ts";

describe("statistics", () => {
  it("medians of odd and even counts", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it("ratios are of times in the same round", () => {
    // Both are twice as slow in the second round: their ratio is not.
    expect(ratios([2, 4], [1, 2, 9])).toEqual({ median: 2, smallest: 2, largest: 2 });
    expect(ratios([2], [])).toBeUndefined();
  });

  it("differences are parts of the largest value; what is not finite differs", () => {
    expect(difference([1, -3.5], [1, -4])).toBe(0.125);
    expect(difference([1, 2], [1, 2, 7])).toBe(0);
    expect(difference([NaN], [1])).toBe(Infinity);
    expect(difference([], [1])).toBe(Infinity);
  });
});

test("axes are put in another order", () => {
  const shape = [2, 3, 4] as const;
  const data = Float32Array.from({ length: 24 }, (_, i) => i);
  const found = transposed(data, shape, [2, 0, 1]);
  for (let a = 0; a < 2; a++)
    for (let b = 0; b < 3; b++)
      for (let c = 0; c < 4; c++) expect(found[(c * 2 + a) * 3 + b]).toBe(data[(a * 3 + b) * 4 + c]);
});

test("a window of stride 2 on an even map needs padding in front alone", () => {
  expect(neededEnd(32, 16, 3, 2, 1)).toBe(0);
  expect(neededEnd(32, 32, 3, 1, 1)).toBe(1);
  expect(neededEnd(32, 28, 5, 1, 0)).toBe(0);
});

describe("workloads", () => {
  it("are the networks that they are named after", () => {
    expect(loadWorkload("lenet").model.totals.parameters).toBe(62_050);
    expect(loadWorkload("resnet20").model.totals.parameters).toBe(272_474);
    const convolutions = loadWorkload("conv3").model.layers.filter(({ kind }) => kind === "conv");
    expect(convolutions.map(({ outputShape }) => outputShape.channels)).toEqual([32, 32, 64, 64, 128]);
  });

  it("are trained alike, at the batch that is asked for", () => {
    for (const name of ["lenet", "conv3", "resnet20"] as const) {
      const { recipe } = loadWorkload(name);
      expect(recipe.optimizer).toMatchObject({ kind: "adam", learningRate: 0.01 });
      expect(recipe.batch).toBe(64);
      expect(loadWorkload(name, 1).recipe.batch).toBe(1);
    }
  });
});

describe("adapters", () => {
  const { model } = loadWorkload("resnet20");

  it("are given every input of a layer, branches included", () => {
    const all = ["conv", "batchNorm", "activation", "averagePool", "fc"] as const;
    const count = (_: unknown, [input = NaN]: readonly number[]): number => input + 1;
    const table = Object.fromEntries(all.map((kind) => [kind, count]));
    const { output } = runLayers(model, 0, { ...table, add: (_, inputs) => Math.max(...inputs) });
    // The longest way: a stem of three, nine blocks of two convolutions with all that is between, pool and fc.
    expect(output).toBe(3 + 9 * 6 + 2);
  });

  it("say which layer they do not have", () => {
    expect(() => runLayers(model, 0, { conv: () => 0 })).toThrow(/it has nothing for bn.*\(line \d+\)/);
  });
});

describe("a stack's process", () => {
  const command = (script: string) => ({
    file: process.execPath,
    arguments: ["--input-type=module", "--eval", script],
    environment: {},
  });
  const says = (reply: object): string =>
    `process.stdout.write(${JSON.stringify(`${mark}${JSON.stringify(reply)}\n`)});`;

  it("answers requests, whatever else it prints", async () => {
    const ran = { kind: "ran", milliseconds: 1, values: [2.5] };
    const script = `console.log("a banner");${says({ kind: "opened" })}process.stdin.once("data", () => {${says(ran)}});`;
    const stack = await openStack(command(script));
    expect(await stack.run(0, 1)).toEqual(ran);
    await stack.close();
  });

  it("that refuses gives its reason", async () => {
    const opening = openStack(command(says({ kind: "failed", reason: "it has no branches" })));
    await expect(opening).rejects.toThrow(new StackFailure("it has no branches"));
  });

  it("that dies gives the error that it printed", async () => {
    await expect(openStack(command('throw new Error("no backend")'))).rejects.toThrow(/no backend/);
  });

  it("that cannot start says so", async () => {
    const missing = { ...command(""), file: "/no/such/python" };
    await expect(openStack(missing)).rejects.toThrow(/no\/such\/python/);
  });
});

test("columns of a table line up", () => {
  const text = textTable(["a", "b"], [["long", "1"], ["x", "22"]]); // prettier-ignore
  expect(text.split("\n")).toEqual(["a      b", "--------", "long   1", "x     22"]);
});
