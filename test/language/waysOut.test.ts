/** What is written as in another language is shown as it is to be written here, in the user's own words. */
import { expect, test } from "vitest";
import { checkText } from "../../language/index.ts";

const text = (line: string): string =>
  `block unit(width, activation = relu) {\nconv width@3x3 pad same -> bn -> activation\n}
model M {\ninput 3@8x8\n${line}\nfc 10\n}`;

test.each([
  ["unit(8)", "arguments are written without parentheses: `unit 8`", "unit 8"],
  ["unit(8, tanh)", "arguments are written without parentheses: `unit 8, tanh`", "unit 8, tanh"],
  [
    "unit(width = 8, activation = tanh)",
    "arguments are written without parentheses: `unit width 8 activation tanh`",
    "unit width 8 activation tanh",
  ],
  ["unit width=8", "options are written without `=`: `width 8`", "unit width 8"],
  ["relu()", "arguments are written without parentheses: `relu`", "relu"],
  ["fc(12)", "arguments are written without parentheses: `fc 12`", "fc 12"],
  ["unit(2 * 4)", "arguments are written without parentheses: `unit …`", "unit 2 * 4"],
  ["unit(8", "arguments are written without parentheses: `unit …`", "unit 8"],
  // Which of a layer's words are meant is not known.
  ["conv(8, 3)", "arguments are written without parentheses: `conv 6@5x5`", "conv 8@3x3"],
])("%s", (line, help, mended) => {
  expect(checkText(text(line), "net.cnn").diagnostics).toMatchObject([{ code: "CNN101", help }]);
  expect(checkText(text(mended), "net.cnn").diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
});

test.each(["conv 8@3X3", "conv 8@3y3", "conv 8@3 x3", "conv 8@3 k3", "pool max 2y2"])("%s: a size", (line) => {
  const help = "a size is written with a small x and without blanks: `3x3`";
  expect(checkText(text(line), "net.cnn").diagnostics).toMatchObject([{ code: "CNN202", help }]);
});
