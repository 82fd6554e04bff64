import { describe, expect, test } from "vitest";
import {
  checkText,
  describeDiagnostic,
  diagnosticCatalogue,
  explainDiagnostic,
  formatText,
} from "../../language/index.ts";
import type { DiagnosticDescription } from "../../language/index.ts";

const entries = Object.entries<DiagnosticDescription>(diagnosticCatalogue);

const examples = entries.map(([code, description]) => ({ code, ...description }));

/** A hundred errors come before the one that counts the others. */
const besides: Readonly<Record<string, string[]>> = { CNN006: Array.from({ length: 100 }, () => "CNN201") };

describe.each(examples)("$code", ({ code, severity, wrong, right, set }) => {
  test("the failing example gives this code and no other", () => {
    const { diagnostics, program } = checkText(wrong, "example.cnn", set && { set: set.wrong });
    expect(diagnostics.map((diagnostic) => diagnostic.code)).toEqual([...(besides[code] ?? []), code]);
    expect(diagnostics.at(-1)?.severity).toBe(severity);
    expect(program === undefined).toBe(severity === "error");
  });

  test("its mend gives nothing", () => {
    const { diagnostics, program } = checkText(right, "example.cnn", set && { set: set.right });
    expect(diagnostics).toEqual([]);
    expect(program).toBeDefined();
  });

  test("it can be explained", () => {
    const page = explainDiagnostic(code.toLowerCase()) ?? "";
    // In its head and in its example.
    expect(page.split(`${severity}[${code}]: `).length).toBe(3);
    expect(page).toContain("\nMended");
  });
});

test("every mended example of a program is canonical", () => {
  for (const { right } of examples) expect(formatText(right, "example.cnn").text).toBe(right);
});

test("an unknown code has no description", () => {
  expect(describeDiagnostic("CNN999")).toBeUndefined();
  expect(describeDiagnostic("toString")).toBeUndefined();
  expect(explainDiagnostic("")).toBeUndefined();
});

test("a whole explanation", () => {
  expect(explainDiagnostic("CNN202")).toBe(`error[CNN202]: unknown option

The layer has no option of this name.

For example

error[CNN202]: \`conv\` has no option \`strid\`
  --> example.cnn:3:14
   |
 2 |   input 3@32x32
 3 |   conv 6@5x5 strid 2 pad 2
   |              ^^^^^
   |
   = help: did you mean \`stride\`?

1 error

Mended

  model Example {
    input 3@32x32
    conv 6@5x5 stride 2 pad 2
    fc 10
  }
`);
});
