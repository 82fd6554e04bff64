/** Where the lanes of WebAssembly lie, by what the shapes of a convolution ask for. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cutAxes } from "../../compiler/lower/axes.ts";
import { isLegal } from "../../compiler/lower/legalSchedule.ts";
import { shareInside } from "../../compiler/nest/inside.ts";
import { add, index, multiply, variable } from "../../compiler/nest/integer.ts";
import { backendFor } from "../../compiler/schedule/backends.ts";
import type { Schedule } from "../../compiler/schedule/schedule.ts";
import type { Target } from "../../compiler/target.ts";
import { targets } from "../support/targets.ts";
import { subjectsOf } from "../support/tuningSubjects.ts";

const programOf = (layers: string, batch = 64): string =>
  `model M {\ninput 3@32x32\n${layers}\nfc 10\n}\ntrain {\ndata shapes\nbatch ${batch}\n}`;

/** The default schedules of a training step on the CPU, by kernel. */
function schedulesOf(layers: string, batch = 64, target: Target = targets.wasm): Map<string, Schedule> {
  return new Map(
    subjectsOf(programOf(layers, batch), target).map(({ name, kernel, tensors, chunks }) => [
      name,
      backendFor(target).schedule(kernel, tensors, target, chunks),
    ]),
  );
}

describe("LeNet's second convolution, with ten columns and sixteen channels", () => {
  const found = schedulesOf("conv 6@5x5 -> bn -> relu -> pool max 2\nconv 16@5x5 -> bn -> relu -> pool max 2");

  test("lies along its channels, for which the filters are copied with channels side by side", () => {
    expect(found.get("conv2 (line 4)")).toMatchObject({
      vector: "d1",
      stage: [{ operand: "weight", depth: 0, innermost: 0 }],
    });
  });

  test("goes back to the input along the channels that it adds up, one place after another", () => {
    const { vector, stage = [], loops = [] } = found.get("conv2 (line 4): input gradient") ?? {};
    expect(vector).toBe("r0");
    expect(stage.map(({ operand, innermost }) => `${operand} along ${innermost}`).toSorted()).toEqual([
      "gradient along 1",
      "weight along 0",
    ]);
    // Of the padding, the wider part of what rows and columns go through, nothing is left.
    for (const axis of ["d2", "d3", "r1", "r2"]) expect(loops).toContainEqual({ axis, step: 1 });
  });

  test("the first one lies along its columns, which are whole vectors already", () => {
    expect(found.get("conv1 (line 3)")).toMatchObject({ vector: "d3", stage: [] });
  });
});

describe("where an engine joins vectors", () => {
  const target = targets["an engine that joins vectors"];
  const layers = "conv 6@5x5 -> bn -> relu -> pool max 2\nconv 16@5x5 -> bn -> relu -> pool max 2\nconv 64@3x3 -> bn";
  const found = schedulesOf(layers, 64, target);
  /** Elements of a tile along its lanes, and in all. */
  const tileOf = (name: string, of: Target): { along: number; elements: number } => {
    const subject = subjectsOf(programOf(layers), of).find((candidate) => candidate.name === name);
    if (!subject) throw new Error(`there is no ${name}`);
    const { kernel, tensors, chunks } = subject;
    const schedule = backendFor(of).schedule(kernel, tensors, of, chunks);
    const { tile, domain } = cutAxes(kernel, schedule);
    return {
      along: tile.get(schedule.vector ?? "") ?? 1,
      elements: domain.reduce((product, axis) => product * (tile.get(axis) ?? 1), 1),
    };
  };

  test.each(["conv1 (line 3)", "conv2 (line 4)", "conv3 (line 5)"])("tiles of %s have pairs of vectors", (name) => {
    const joined = tileOf(name, target);
    expect(joined.along).toBeGreaterThanOrEqual(8);
    expect(joined.elements).toBeGreaterThanOrEqual(1.5 * tileOf(name, targets.wasm).elements);
  });

  test("sums that are stored far apart go through scratch, those that are stored as vectors do not", () => {
    expect(found.get("conv2 (line 4)")).toMatchObject({ vector: "d1", sumsInScratch: true });
    expect(found.get("conv1 (line 3)")?.sumsInScratch).toBeUndefined();
    expect([...schedulesOf(layers).values()].some(({ sumsInScratch }) => sumsInScratch)).toBe(false);
  });
});

test("what holds a sum of its own kernel is not staged: it is there when all is over", () => {
  const layers = "conv 6@5x5 -> tanh -> pool avg 2\nconv 6@1x1 groups 6 -> tanh\nconv 16@5x5";
  const subject = subjectsOf(programOf(layers), targets.wasm).find(({ name }) =>
    /conv3.*: input gradient \+/.test(name),
  );
  if (!subject) throw new Error("nothing follows the gradient in its kernel");
  const { kernel, tensors, chunks } = subject;
  const schedule = backendFor(targets.wasm).schedule(kernel, tensors, targets.wasm, chunks);
  const legal = { ...subject, target: targets.wasm };
  // The gradient of the grouped convolution reads the sum as its gradient; the third one's operands are staged as ever.
  const staged = (operand: string): boolean => isLegal({ ...schedule, stage: [{ operand, depth: 0 }] }, legal);
  expect(["gradient", "weight", "gradient2"].map(staged)).toEqual([true, true, false]);
});

test("sums that a comparison follows are not joined from lanes, one by one", () => {
  const name = "conv3 (line 5): input gradient";
  const [plain, compared] = ["-> tanh", "-> relu6"].map((activation) => {
    const layers = `conv 16@5x5 stride 5 ${activation}\nconv 30@2x2 ${activation}\nconv 128@2x2`;
    return [...schedulesOf(layers, 8)].filter(([of]) => of.startsWith(name)).map(([, { vector }]) => vector);
  });
  expect(plain).toContain("r0");
  expect(compared).not.toContain("r0");
});

test("an index lies inside of a range as often as counting says", () => {
  const small = fc.integer({ min: -3, max: 3 });
  const extent = fc.integer({ min: 1, max: 9 });
  const property = fc.property(small, small, small, extent, extent, small, extent, (a, b, c, m, n, low, length) => {
    const of = add(add(multiply(index(variable("x", m)), a), multiply(index(variable("y", n)), b)), c);
    const high = low + length - 1;
    let inside = 0;
    for (let x = 0; x < m; x++)
      for (let y = 0; y < n; y++) {
        const value = a * x + b * y + c;
        if (value >= low && value <= high) inside++;
      }
    expect(shareInside(of, low, high)).toBeCloseTo(inside / (m * n), 12);
  });
  fc.assert(property, { numRuns: 300, seed: 7 });
});
