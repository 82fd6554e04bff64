/** What is said when the loss is no number. */
import { expect, test } from "vitest";
import { lossFailure } from "../../../runtime/train/lossFailure.ts";
import { memoryState, smallModel } from "./trainSupport.ts";

const { model, recipe } = smallModel();
const folder = { path: "runs/small" };

test("names the step, the first layer with a bad weight, its line, and what to do", async () => {
  const state = memoryState(model);
  state.values.get("fc1.weight")?.fill(Number.NaN, 100, 101);
  state.values.get("fc2.bias")?.fill(Infinity);
  const failure = await lossFailure({ model, recipe, state, folder, epoch: 1, step: 17 });
  expect(failure.kind).toBe("training");
  expect(failure.message).toBe(
    "the loss is not a finite number from step 17 (epoch 1) on; the first layer with weights that are not finite is fc1 (line 5): `fc1.weight`",
  );
  expect(failure.remedy).toContain("Lower the learning rate (now 0.05)");
  // In the first epoch nothing has been saved.
  expect(failure.remedy).not.toContain("last.safetensors");
});

test("running statistics are named as such; later epochs know of the saved weights", async () => {
  const state = memoryState(model);
  state.values.get("bn1.running_var")?.fill(-Infinity);
  const failure = await lossFailure({ model, recipe, state, folder, epoch: 3, step: 90 });
  expect(failure.message).toContain("the first layer with running statistics that are not finite is bn1 (line 3)");
  expect(failure.remedy).toContain("The weights after epoch 2 are in runs/small/last.safetensors.");
});

test("finite weights: it is the loss", async () => {
  const state = memoryState(model);
  const { message } = await lossFailure({ model, recipe, state, folder, epoch: 1, step: 1 });
  expect(message).toContain("all weights are still finite");
});
