/** What `cnnc check` prints for other programs: SARIF, held to its schema, and annotations of GitHub Actions. */
import { readFileSync } from "node:fs";
import Ajv from "ajv-draft-04";
import addFormats from "ajv-formats";
import { describe, expect, test } from "vitest";
import {
  checkReport,
  checkText,
  diagnosticCatalogue,
  renderGithub,
  sarifLog,
  type CheckReport,
  type DiagnosticDescription,
} from "../../language/index.ts";

const schema = JSON.parse(readFileSync(new URL("sarif/sarif-2.1.0.schema.json", import.meta.url), "utf8")) as Record<
  string,
  unknown
>;
const ajv = new Ajv.default({ allErrors: true, strict: false, unicodeRegExp: false });
addFormats.default(ajv);
const validate = ajv.compile(schema);

const reportOf = (text: string, file = "example.cnn"): CheckReport => checkReport(checkText(text, file));

/** The log as a reader gets it; it fits the schema. */
function logOf(...reports: CheckReport[]): Log {
  const log = JSON.parse(JSON.stringify(sarifLog(reports, "1.2.3"))) as Log;
  validate(log);
  expect(validate.errors ?? []).toEqual([]);
  return log;
}

interface Location {
  readonly physicalLocation: { readonly artifactLocation: { readonly uri: string }; readonly region: unknown };
}

interface Log {
  readonly version: string;
  readonly runs: readonly {
    readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string }[] } };
    readonly results: readonly {
      readonly ruleId: string;
      readonly ruleIndex: number;
      readonly level: string;
      readonly message: { readonly text: string };
      readonly locations: readonly Location[];
      readonly relatedLocations?: readonly Location[];
      readonly fixes?: readonly unknown[];
    }[];
  }[];
}

const inModel = (line: string): string => `model Example {\n  input 3@32x32\n  ${line}\n  fc 10\n}\n`;

describe("SARIF", () => {
  test("the schema is one that refuses", () => {
    expect(validate({ version: "2.1.0" })).toBe(false);
    expect(validate({ version: "2.1.0", runs: [{ tool: { driver: {} } }] })).toBe(false);
  });

  test("a file without diagnostics gives a run without results", () => {
    const [run] = logOf(reportOf(inModel("relu"))).runs;
    expect(run?.results).toEqual([]);
  });

  test("a misspelt word: rule, place and mend", () => {
    const [run] = logOf(reportOf(inModel("conv 6@5x5 strid 2"))).runs;
    expect(run?.tool.driver.rules.map(({ id }) => id)).toEqual(["CNN202"]);
    const region = { startLine: 3, startColumn: 14, endLine: 3, endColumn: 19 };
    expect(run?.results).toEqual([
      {
        ruleId: "CNN202",
        ruleIndex: 0,
        level: "error",
        message: { text: "`conv` has no option `strid`\nhelp: did you mean `stride`?" },
        locations: [{ physicalLocation: { artifactLocation: { uri: "example.cnn" }, region } }],
        fixes: [
          {
            description: { text: "did you mean `stride`?" },
            artifactChanges: [
              {
                artifactLocation: { uri: "example.cnn" },
                replacements: [{ deletedRegion: region, insertedContent: { text: "stride" } }],
              },
            ],
          },
        ],
      },
    ]);
  });

  test("a mistake in a block has the uses that led there as related places", () => {
    const text = `block b {\n  conv 6@9x9\n}\n\n${inModel("pool max 8 -> b").replace("32x32", "64x64")}`;
    const [result] = logOf(reportOf(text)).runs[0]?.results ?? [];
    expect(result).toMatchObject({ ruleId: "CNN204", relatedLocations: [{ message: {}, physicalLocation: {} }] });
  });

  test("several files share one run, and each rule is described once", () => {
    const reports = [reportOf(inModel("rleu"), "a.cnn"), reportOf(inModel("bn ep 1 -> tahn"), "b.cnn")];
    const [run] = logOf(...reports).runs;
    expect(run?.tool.driver.rules.map(({ id }) => id)).toEqual(["CNN201", "CNN202"]);
    const places = run?.results.map(({ ruleIndex, locations: [place] }) => [
      ruleIndex,
      place?.physicalLocation.artifactLocation.uri,
    ]);
    expect(places).toEqual([
      [0, "a.cnn"],
      [1, "b.cnn"],
      [0, "b.cnn"],
    ]);
  });

  test.each([
    ["nets/a b#.cnn", "nets/a%20b%23.cnn"],
    ["../ünet.cnn", "../%C3%BCnet.cnn"],
    ["/nets/a.cnn", "file:///nets/a.cnn"],
    ["C:\\nets\\a.cnn", "file:///C:/nets/a.cnn"],
    ["\\\\host\\nets\\a.cnn", "file://host/nets/a.cnn"],
    ["\ud800.cnn", "%EF%BF%BD.cnn"],
  ])("the path %j is the URI %s", (path, uri) => {
    const [result] = logOf(reportOf(inModel("rleu"), path)).runs[0]?.results ?? [];
    expect(result?.locations[0]?.physicalLocation.artifactLocation.uri).toBe(uri);
  });

  test("the examples of all codes fit the schema", () => {
    const entries = Object.entries<DiagnosticDescription>(diagnosticCatalogue);
    const reports = entries.map(([, { wrong, set }]) =>
      checkReport(checkText(wrong, "example.cnn", set && { set: set.wrong })),
    );
    const { tool, results } = logOf(...reports).runs[0] ?? { tool: undefined, results: [] };
    expect(tool?.driver.rules.map(({ id }) => id)).toEqual(entries.map(([code]) => code));
    expect(new Set(results.map(({ ruleId }) => ruleId)).size).toBe(entries.length);
  });
});

describe("GitHub Actions", () => {
  test("one command a diagnostic", () => {
    expect(renderGithub([reportOf(inModel("conv 6@5x5 strid 2"), "a.cnn"), reportOf(inModel("relu"))])).toBe(
      "::error file=a.cnn,line=3,endLine=3,col=14,endColumn=19,title=CNN202%3A `conv` has no option `strid`" +
        "::`conv` has no option `strid`%0Ahelp: did you mean `stride`?\n",
    );
  });

  test("nothing that a file's name or a message holds ends a command or a property", () => {
    const lines = renderGithub([reportOf(inModel('conv 50%@5x5 "a,b:\\r::error::"'), "a,b:c\n::error::%.cnn")]).split(
      "\n",
    );
    for (const line of lines.slice(0, -1))
      expect(line).toMatch(/^::(error|warning) file=a%2Cb%3Ac%0A%3A%3Aerror%3A%3A%25\.cnn,/);
    expect(lines.at(-1)).toBe("");
  });

  test("warnings are warnings", () => {
    expect(renderGithub([reportOf(inModel("conv 6@5x5 bias on -> bn"))])).toMatch(/^::warning file=/);
  });
});
