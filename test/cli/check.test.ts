/** `cnnc check`, `cnnc explain CODE` and the command line itself, as a user meets them. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { CheckReport } from "../../language/index.ts";
import { root } from "../../scripts/bundle.mjs";
import { smallProgram, useCli } from "./cliSupport.ts";

const cli = useCli();
const lenet = join(root, "examples", "lenet.cnn");

test("check prints the table of LeNet", async () => {
  const { code, out, err } = await cli.run(["check", lenet]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  for (const text of ["456", "2,416", "48,120", "10,164", "62,050"]) expect(out).toContain(text);
});

test("check --format json has the promised keys and numbers", async () => {
  const { code, out } = await cli.run(["check", lenet, "--format", "json"]);
  expect(code).toBe(0);
  const report = JSON.parse(out) as CheckReport;
  expect(Object.keys(report)).toEqual(["file", "models", "diagnostics"]);
  const [model] = report.models;
  expect(model?.name).toBe("LeNet");
  expect(model?.totals.parameters).toBe(62_050);
  expect(model?.layers.map(({ parameters }) => parameters).filter((count) => count > 0)).toEqual([
    456, 12, 2416, 32, 48_120, 10_164, 850,
  ]);
  expect(model?.layers[0]).toEqual({
    layer: "conv 6@5x5",
    line: 4,
    output: "6@28x28",
    parameters: 456,
    multiplyAdds: 352_800,
  });
});

test("an error has its place, its code and exit code 1; JSON has it too", async () => {
  const file = join(cli.folder, "narrow.cnn");
  await writeFile(file, smallProgram.replace("fc 10", "fc 9"));
  const text = await cli.run(["check", "narrow.cnn"]);
  expect(text.code).toBe(1);
  expect(text.err).toContain("narrow.cnn:4:");
  const json = await cli.run(["check", "narrow.cnn", "--format", "json"]);
  expect(json.code).toBe(1);
  const report = JSON.parse(json.out) as CheckReport;
  expect(report.diagnostics[0]).toMatchObject({ severity: "error", line: 4 });
});

test("an unknown layer is answered with the nearest word", async () => {
  await writeFile(join(cli.folder, "typo.cnn"), smallProgram.replace("relu", "rleu"));
  const { code, err } = await cli.run(["check", "typo.cnn"]);
  expect(code).toBe(1);
  expect(err).toContain("relu");
});

test("of several files each is checked, also beside one that is missing; JSON is an array", async () => {
  await writeFile(join(cli.folder, "good.cnn"), smallProgram);
  const { code, out, err } = await cli.run(["check", "missing.cnn", "good.cnn", "--format", "json"]);
  expect(code).toBe(2);
  expect(err).toContain("there is no file `missing.cnn`");
  expect((JSON.parse(out) as CheckReport[]).map(({ file }) => file)).toEqual(["good.cnn"]);
});

test("no such file: says so, and names a similar one", async () => {
  await writeFile(join(cli.folder, "lenet.cnn"), smallProgram);
  const { code, err, out } = await cli.run(["check", "lent.cnn"]);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toBe("error: there is no file `lent.cnn`\n  help: Did you mean `lenet.cnn`?\n");
});

test("a folder is not a file", async () => {
  await mkdir(join(cli.folder, "nets"), { recursive: true });
  await writeFile(join(cli.folder, "nets", "a.cnn"), smallProgram);
  const { code, err } = await cli.run(["check", "nets"]);
  expect(code).toBe(2);
  expect(err).toBe("error: `nets` is a folder, not a file\n  help: Name a file in it: `nets/a.cnn`, for example.\n");
});

test("an empty file", async () => {
  await writeFile(join(cli.folder, "empty.cnn"), "");
  const { code, err } = await cli.run(["check", "empty.cnn"]);
  expect(code).toBe(1);
  expect(err).toContain("the file is empty");
});

test("binary rubbish gives diagnostics without control characters, and no stack trace", async () => {
  const bytes = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919 + (i >> 3)) & 255);
  await writeFile(join(cli.folder, "rubbish.cnn"), bytes);
  const { code, err } = await cli.run(["check", "rubbish.cnn"]);
  expect(code).toBe(1);
  expect(err).toContain("rubbish.cnn:");
  expect(err).not.toMatch(/(?!\n)\p{Cc}|bug of cnnc/u);
});

test("a line of ten megabytes, also in a used file, and a file without an end are diagnosed", async () => {
  await writeFile(join(cli.folder, "line.cnn"), `model M { input 3@3x3\n${"relu -> ".repeat(1_300_000)}relu }`);
  await writeFile(join(cli.folder, "uses.cnn"), `use "line.cnn"\n${smallProgram}`);
  for (const file of ["line.cnn", "uses.cnn", ...(process.platform === "linux" ? ["/dev/zero"] : [])]) {
    const { code, out } = await cli.run(["check", file, "--format", "json"]);
    expect(code).toBe(1);
    const [diagnostic] = (JSON.parse(out) as CheckReport).diagnostics;
    expect(diagnostic).toMatchObject({ code: "CNN001", label: "it has more than 1,000,000 characters" });
  }
  expect(await cli.run(["fmt", "line.cnn"])).toMatchObject({ code: 1, out: "" });
});

test.each([
  { args: [], text: "Usage: cnnc" },
  { args: ["chek", "x.cnn"], text: "Did you mean check?" },
  { args: ["check"], text: "missing required argument" },
  { args: ["check", "--formt", "json", "x.cnn"], text: "Did you mean --format?" },
  { args: ["check", "--format", "xml", "x.cnn"], text: "text, json" },
  { args: ["train", "x.cnn", "--epochs", "0"], text: "whole number from 1 to 1,000,000" },
  { args: ["train", "x.cnn", "--batch", "1.5"], text: "whole number" },
  { args: ["train", "x.cnn", "--lr", "fast"], text: "such as 0.01" },
  { args: ["train", "x.cnn", "--device", "tpu"], text: "auto, gpu, cpu" },
  { args: ["compile", "x.cnn"], text: "-o, --out" },
  { args: ["explain", "CNN999"], text: "there is no diagnostic CNN999" },
])("wrong usage ends with 2: $args", async ({ args, text }) => {
  const { code, err } = await cli.run(args);
  expect(code).toBe(2);
  expect(err).toContain(text);
  expect(err).not.toContain("    at ");
});

test("explain of a code shows an example and its mend", async () => {
  const { code, out } = await cli.run(["explain", "cnn204"]);
  expect(code).toBe(0);
  expect(out).toContain("error[CNN204]");
  expect(out).toContain("Mended");
});

test("help and version are no errors", async () => {
  expect(await cli.run(["--version"])).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
  });
  expect((await cli.run(["train", "--help"])).code).toBe(0);
});

test("colours only where they are wanted", async () => {
  expect((await cli.run(["check", lenet])).out).not.toContain("\u001b");
  expect((await cli.run(["check", lenet], { FORCE_COLOR: "1" })).out).toContain("\u001b[1m");
});
