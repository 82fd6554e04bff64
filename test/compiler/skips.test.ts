/** Taps of a convolution that lie in the padding: left out by the loops, where that saves something. */
import { expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";
import type { Condition, Statement } from "../../compiler/nest/loopNest.ts";
import { checkText } from "../../language/index.ts";
import { targets } from "../support/targets.ts";

/** Tests around statements that accumulate, in the kernels whose names contain a word. */
function testsIn(layers: string, word: string): Condition[] {
  const text = `model M {\ninput 3@32x32\n${layers}\nfc 10\n}\ntrain {\ndata cifar10\nbatch 16\n}`;
  const { program, diagnostics } = checkText(text, "skips.cnn");
  const [model] = program?.models ?? [];
  if (!model || !program?.recipe) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  const options = { counts: { train: 32, test: 16 }, target: targets.wasm, separate: true, share: false };
  const { programs } = compile(model, program.recipe, options);
  const dispatches = programs.find(({ name }) => name === "trainStep")?.dispatches ?? [];
  const chosen = dispatches.filter(({ name }) => name.endsWith(word));
  expect(chosen.length).toBeGreaterThan(0);
  return chosen.flatMap(({ lowered }) => testsOf(lowered.nest.body));
}

function testsOf(body: readonly Statement[]): Condition[] {
  return body.flatMap((statement): Condition[] => {
    if (statement.kind === "if") return [statement.condition, ...testsOf(statement.body)];
    return statement.kind === "loop" ? testsOf(statement.body) : [];
  });
}

test("the input's gradient of a convolution without padding meets the gradient's own rows and columns alone", () => {
  const found = testsIn("conv 4@5x5\npool max 4\nconv 8@5x5", "conv2 (line 5): input gradient");
  // Seven rows have five taps each; of these 35, fifteen are on one of the gradient's three rows. So it is with columns.
  const ownThree: unknown = expect.objectContaining({ kind: "inRange", minimum: 0, maximum: 2 });
  expect(found).toEqual([ownThree, ownThree]);
});

test("padding as wide as the map is left out, all of it: tiles have one row there", () => {
  const [found] = testsIn("pool max 4\nconv 4@15x1 pad 7x0", "conv1 (line 4)");
  expect(found).toMatchObject({ kind: "inRange", minimum: 0, maximum: 7 });
});

test("there is no test where nearly every turn adds something", () => {
  expect(testsIn("conv 4@5x5 pad 2", "conv1 (line 3)")).toEqual([]);
});
