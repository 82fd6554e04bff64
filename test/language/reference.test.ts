import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  checkText,
  layerCatalogue,
  mergeCatalogue,
  recipeCatalogue,
  renderReference,
  renderTable,
} from "../../language/index.ts";

const path = new URL("../../language/README.md", import.meta.url);
const BEGIN = "<!-- prettier-ignore-start -->\n";
const END = "<!-- prettier-ignore-end -->\n";

test("README.md contains the reference made from the catalogues", () => {
  const page = readFileSync(path, "utf8");
  const before = page.slice(0, page.indexOf(BEGIN) + BEGIN.length);
  const after = page.slice(page.indexOf(END));
  const wanted = `${before}\n${renderReference()}\n${after}`;
  if (process.env["UPDATE_REFERENCE"] === "1") writeFileSync(path, wanted);
  expect(readFileSync(path, "utf8")).toBe(wanted);
});

test("the programs of README.md check, and the table is the one that is printed", () => {
  const [, lenet = "", table = "", ...others] = readFileSync(path, "utf8")
    .split(/```\n/)
    .filter((_, i) => i % 2 === 1 || i === 0);
  const result = checkText(lenet, "lenet.cnn");
  expect(result.diagnostics).toEqual([]);
  expect(renderTable(result)).toBe(table);
  const programs = others.filter((text) => !text.startsWith("error["));
  expect(programs.length).toBe(4);
  for (const program of programs) expect(checkText(program, "program.cnn").diagnostics).toEqual([]);
});

test.each([...layerCatalogue, ...mergeCatalogue].map((entry) => [entry.example]))(
  "the example `%s` of the reference checks",
  (example) => {
    const { diagnostics } = checkText(`model M {\n  input 16@32x32\n  ${example}\n}\n`, "example.cnn");
    expect(diagnostics).toEqual([]);
  },
);

test.each(recipeCatalogue.map((entry) => [entry.example]))("the example `%s` of the reference checks", (example) => {
  const data = example.startsWith("data") ? "" : "data cifar10\n  ";
  const source = `model M {\n  input 3@32x32\n  fc 10\n}\ntrain {\n  ${data}${example}\n}\n`;
  expect(checkText(source, "example.cnn").diagnostics).toEqual([]);
});
