/**
 * Programs with their expected diagnostics written above the lines they are about:
 * `# severity[code] \`words\`: message`. A program gives exactly what is written in it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { checkText } from "../../language/index.ts";

const folder = new URL("programs/", import.meta.url);
const EXPECTATION = /^\s*# (error|warning)\[(CNN\d{3})\] `(.*?)`: (.*)$/;

function expectations(text: string): string[] {
  const lines = text.split("\n");
  const expected: string[] = [];
  let waiting: string[] = [];
  for (const [index, line] of lines.entries()) {
    const match = EXPECTATION.exec(line);
    if (match !== null) waiting.push(`${match[1]}[${match[2]}] \`${match[3]}\`: ${match[4]}`);
    else {
      expected.push(...waiting.map((text) => `${index + 1}: ${text}`));
      waiting = [];
    }
  }
  return expected;
}

test.each(readdirSync(folder))("%s", (name) => {
  const text = readFileSync(new URL(name, folder), "utf8");
  const found = checkText(text, name).diagnostics.map(({ severity, code, message, span }) => {
    const line = text.slice(0, span.start).split("\n").length;
    return `${line}: ${severity}[${code}] \`${text.slice(span.start, span.end)}\`: ${message}`;
  });
  const wanted = expectations(text);
  expect(wanted.length).toBeGreaterThan(0);
  expect(found.toSorted()).toEqual(wanted.toSorted());
});
