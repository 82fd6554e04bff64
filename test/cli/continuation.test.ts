import { expect, test } from "vitest";
import { continuation } from "../../cli/continuation.ts";

test("old values of the given options are dropped, in each of their spellings", () => {
  const options = { "--weights": "runs/a/last.safetensors", "--epochs": "3", "--out": "runs/a-continued" };
  const rest = "--weights runs/a/last.safetensors --epochs 3 --out runs/a-continued";
  expect(continuation(["train", "a.cnn", "--epochs", "10", "--seed", "1"], options)).toBe(
    `npx cnnc train a.cnn --seed 1 ${rest}`,
  );
  expect(continuation(["train", "--out=x", "-o", "y", "a b.cnn", "--weights", "w"], options)).toBe(
    `npx cnnc train 'a b.cnn' ${rest}`,
  );
});
