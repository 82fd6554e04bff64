import { expect, test } from "vitest";
import { didYouMean, nearest } from "../../language/suggest.ts";

const words = ["stride", "pad", "relu", "relu6", "momentum", "on", "x"];

test.each([
  ["strid", "stride"],
  ["stirde", "stride"],
  ["STRIDE", "stride"],
  ["rleu", "relu"],
  ["padding", "pad"],
  ["mom", "momentum"],
  ["of", "on"],
  ["kernel", undefined],
  ["y", undefined],
  ["pa", "pad"],
  ["", undefined],
  ["s".repeat(1000), undefined],
])("`%s` may mean %s", (word, wanted) => {
  expect(nearest(word, words)).toBe(wanted);
});

test("the nearest of several, and no word for itself", () => {
  expect(nearest("relu7", words)).toBe("relu");
  expect(nearest("relu", ["relu"])).toBeUndefined();
  expect(didYouMean("rleu", words)).toBe("did you mean `relu`?");
  expect(didYouMean("kernel", words)).toBeUndefined();
});
