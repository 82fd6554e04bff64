import { describe, expect, test } from "vitest";
import { checkText, describeDiagnostic, diagnosticCatalogue, explainDiagnostic } from "../../language/index.ts";
import type { DiagnosticDescription } from "../../language/index.ts";

const entries = Object.entries<DiagnosticDescription>(diagnosticCatalogue);

const examples = entries.flatMap(([code, { severity, wrong, right }]) =>
  wrong === undefined || right === undefined ? [] : [{ code, severity, wrong, right }],
);

describe.each(examples)("$code", ({ code, severity, wrong, right }) => {
  test("the failing example gives this code and no other", () => {
    const { diagnostics, program } = checkText(wrong, "example.cnn");
    expect(diagnostics.map((diagnostic) => diagnostic.code)).toEqual([code]);
    expect(diagnostics[0]?.severity).toBe(severity);
    expect(program === undefined).toBe(severity === "error");
  });

  test("its mend gives nothing", () => {
    const { diagnostics, program } = checkText(right, "example.cnn");
    expect(diagnostics).toEqual([]);
    expect(program).toBeDefined();
  });

  test("it can be explained", () => {
    expect(explainDiagnostic(code.toLowerCase())).toContain(`${severity}[${code}]`);
  });
});

test("only the codes that need a hundred errors or a command line have no example", () => {
  const withExample = new Set(examples.map(({ code }) => code));
  expect(entries.map(([code]) => code).filter((code) => !withExample.has(code))).toEqual(["CNN006", "CNN226"]);
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
