/** `cnnc fmt`, as a user meets it. */
import { spawn } from "node:child_process";
import { chmod, lstat, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../../scripts/bundle.mjs";
import { type Outcome, useCli } from "./cliSupport.ts";

const cli = useCli();

const draft = "model   M{\n\n\ninput 3@32x32 # pictures\n  fc 10}";
const canonical = "model M {\n  input 3@32x32  # pictures\n  fc 10\n}\n";

async function put(name: string, text: string): Promise<string> {
  const path = join(cli.folder, name);
  await writeFile(path, text);
  return path;
}

/** Runs with a text on standard input. */
function runWith(input: string, ...args: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [cli.main, ...args], { cwd: cli.folder });
  const parts = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (parts.out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (parts.err += text));
  child.stdin.on("error", () => undefined); // it may end before it has read everything
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...parts }));
  });
}

test("rewrites what is not canonical, and says so", async () => {
  const path = await put("draft.cnn", draft);
  await put("good.cnn", canonical);
  expect(await cli.run(["fmt", "draft.cnn", "good.cnn"])).toEqual({ code: 0, out: "formatted draft.cnn\n", err: "" });
  expect(await readFile(path, "utf8")).toBe(canonical);
  expect(await cli.run(["fmt", "--check", "draft.cnn", "good.cnn"])).toEqual({ code: 0, out: "", err: "" });
});

test("--check lists what would change and changes nothing", async () => {
  const path = await put("checked.cnn", draft);
  await put("good.cnn", canonical);
  expect(await cli.run(["fmt", "--check", "good.cnn", "checked.cnn"])).toEqual({
    code: 1,
    out: "checked.cnn\n",
    err: "",
  });
  expect(await readFile(path, "utf8")).toBe(draft);
});

test("a file that does not parse stays as it was, and the others are formatted", async () => {
  const path = await put("broken.cnn", "model  M { conv 6@@5 ");
  const other = await put("other.cnn", draft);
  const { code, out, err } = await cli.run(["fmt", "broken.cnn", "other.cnn"]);
  expect({ code, out }).toEqual({ code: 1, out: "formatted other.cnn\n" });
  expect(err).toContain("error[CNN101]: unexpected `@`\n  --> broken.cnn:1:19");
  expect(await readFile(path, "utf8")).toBe("model  M { conv 6@@5 ");
  expect(await readFile(other, "utf8")).toBe(canonical);
});

test("a file with other mistakes is formatted", async () => {
  const path = await put("typo.cnn", "model M{rleu}\n");
  expect((await cli.run(["fmt", "typo.cnn"])).code).toBe(0);
  expect(await readFile(path, "utf8")).toBe("model M { rleu }\n");
});

test("bytes that are no UTF-8 are not lost", async () => {
  const path = join(cli.folder, "latin1.cnn");
  const bytes = Buffer.from("model  M { bn } # \u00e9\n", "latin1");
  await writeFile(path, bytes);
  const { code, err } = await cli.run(["fmt", "latin1.cnn"]);
  expect(code).toBe(1);
  expect(err).toContain("this is not valid UTF-8");
  expect(await readFile(path)).toEqual(bytes);
});

test("links and permissions stay", async () => {
  const path = await put("linked.cnn", draft);
  await chmod(path, 0o640);
  const link = join(cli.folder, "link.cnn");
  await symlink("linked.cnn", link);
  expect((await cli.run(["fmt", "link.cnn"])).code).toBe(0);
  expect(await readFile(path, "utf8")).toBe(canonical);
  expect((await stat(path)).mode & 0o777).toBe(0o640);
  expect((await lstat(link)).isSymbolicLink()).toBe(true);
});

test("a file that cannot be written stays as it was, with a reason and exit code 3", async () => {
  // There is no room for the longer name that the text is written under first.
  const name = `${"n".repeat(250)}.cnn`;
  const path = await put(name, draft);
  const { code, out, err } = await cli.run(["fmt", name]);
  expect({ code, out }).toEqual({ code: 3, out: "" });
  expect(err).toContain("cannot be written: the name is too long\n  help: It is as it was.");
  expect(await readFile(path, "utf8")).toBe(draft);
});

test.each([[[]], [["-"]]])("standard input, with the arguments %j", async (args) => {
  expect(await runWith(draft, "fmt", ...args)).toEqual({ code: 0, out: canonical, err: "" });
  expect(await runWith(draft, "fmt", "--check", ...args)).toEqual({ code: 1, out: "<stdin>\n", err: "" });
  expect(await runWith(canonical, "fmt", "--check", ...args)).toEqual({ code: 0, out: "", err: "" });
  const broken = await runWith("model {", "fmt", ...args);
  expect(broken).toMatchObject({ code: 1, out: "", err: expect.stringContaining("--> <stdin>:1:1") as string });
});

test("wrong usage, and what is no program", async () => {
  expect(await cli.run(["fmt", "-", "a.cnn"])).toMatchObject({ code: 2, out: "" });
  expect((await cli.run(["fmt", "missing.cnn"])).err).toContain("there is no file `missing.cnn`");
  const endless = await runWith("# a\n".repeat(2 ** 21), "fmt");
  expect(endless).toMatchObject({ code: 2, err: expect.stringContaining("too long to be a program") as string });
});

test("the examples of the package are canonical", async () => {
  const { code, out } = await cli.run(["fmt", "--check", join(root, "examples", "lenet.cnn")]);
  expect({ code, out }).toEqual({ code: 0, out: "" });
});
