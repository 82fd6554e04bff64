/** `cnnc check` for other programs, and while one writes a program. */
import { spawn } from "node:child_process";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { smallProgram, useCli } from "./cliSupport.ts";

const cli = useCli();
const put = (name: string, text: string): Promise<void> => writeFile(join(cli.folder, name), text);
const misspelt = smallProgram.replace("relu", "rleu");

test("the table ends before the layer that fails, then the diagnostic", async () => {
  await put("typo.cnn", misspelt);
  const { code, out, err } = await cli.run(["check", "typo.cnn"]);
  expect(code).toBe(1);
  expect(out.trimEnd().split("\n").at(-1)).toMatch(/^bn +4@14x14 +8 /);
  expect(err).toMatch(/^\nerror\[CNN201\]: there is no layer `rleu`\n {2}--> typo\.cnn:3:32\n/);
});

test("--format github prints commands alone", async () => {
  await put("typo.cnn", misspelt);
  await put("good.cnn", smallProgram);
  const { code, out, err } = await cli.run(["check", "--format", "github", "good.cnn", "typo.cnn"]);
  expect({ code, err }).toEqual({ code: 1, err: "" });
  expect(out).toMatch(/^::error file=typo\.cnn,line=3,endLine=3,col=32,endColumn=36,title=CNN201%3A [^\n]*\n$/);
});

test("--format sarif prints one log for all files", async () => {
  await put("typo.cnn", misspelt);
  await put("good.cnn", smallProgram);
  const { code, out, err } = await cli.run(["check", "--format", "sarif", "good.cnn", "typo.cnn"]);
  expect({ code, err }).toEqual({ code: 1, err: "" });
  expect(JSON.parse(out)).toMatchObject({ version: "2.1.0", runs: [{ results: [{ ruleId: "CNN201" }] }] });
  const fine = await cli.run(["check", "--format", "sarif", "good.cnn"]);
  expect(fine.code).toBe(0);
  expect(JSON.parse(fine.out)).toMatchObject({ runs: [{ results: [] }] });
});

test("--watch checks again when a file, or one that it uses, is changed, replaced, or taken away", async () => {
  await put("parts.cnn", "block head {\n  fc 10\n}\n");
  const main = `use "parts.cnn"\n\nmodel M {\n  input 3@32x32\n  head\n}\n`;
  await put("main.cnn", main);
  const child = spawn(process.execPath, [cli.main, "check", "--watch", "main.cnn"], { cwd: cli.folder });
  const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  /** Waits for one more round, and gives what it printed. */
  const round = async (): Promise<string> => {
    const isDone = (): boolean => err.includes("Ctrl-C ends\n");
    for (let tries = 0; tries < 400 && !isDone(); tries++) await wait(50);
    expect(isDone()).toBe(true);
    const text = out + err;
    // The next change must come behind this round's look at the files. One that saw a file while it was written looks again.
    await wait(300);
    out = err = "";
    return text;
  };
  try {
    expect(await round()).toMatch(/fc 10[^]*30,730[^]*watching 2 files/);
    await put("main.cnn", main.replace("32x32", "16x16"));
    expect(await round()).toContain("7,690");
    await put("parts.cnn", "block head {\n  fcc 10\n}\n");
    expect(await round()).toContain("there is no layer `fcc`");
    // As editors do: write another file, and put it in the place of this one.
    await put("next.cnn", "block head {\n  fc 2\n}\n");
    await rename(join(cli.folder, "next.cnn"), join(cli.folder, "parts.cnn"));
    expect(await round()).toContain("1,538");
    await rm(join(cli.folder, "main.cnn"));
    expect(await round()).toContain("there is no file `main.cnn`");
    await put("main.cnn", main);
    expect(await round()).toContain("6,146");
  } finally {
    child.kill("SIGINT");
  }
  expect(await closed).toBe(0);
  expect(out + err).toBe("");
}, 60_000);
