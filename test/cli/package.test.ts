/**
 * The package as a user has it: what `npm pack` gives, in an empty folder, with its own dependencies and nothing else. No
 * network is needed: dependencies are those of this checkout.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { extract } from "tar";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundle, root } from "../../scripts/bundle.mjs";
import { smallProgram } from "./cliSupport.ts";

const execute = promisify(execFile);
let folder = "";
let packed: { readonly size: number; readonly unpackedSize: number; readonly files: readonly { path: string }[] };
let exports: Readonly<Record<string, { readonly types: string; readonly default: string }>>;
let version = "";

/** The package is made in a copy, with a fresh build: `dist` of the checkout may be old, or in use. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cnnc-package-"));
  const [copy, installed] = [join(folder, "copy"), join(folder, "project", "node_modules")];
  await mkdir(copy);
  await mkdir(join(installed, ".bin"), { recursive: true });
  // Sources and tests too, to see that they are left out.
  for (const name of ["package.json", "README.md", "LICENSE", "examples", "test/cli", "cli"])
    await cp(join(root, name), join(copy, name), { recursive: true });
  const description = await readFile(join(root, "package.json"), "utf8");
  const found = JSON.parse(description) as {
    version: string;
    exports: typeof exports;
    dependencies: Record<string, string>;
  };
  ({ exports, version } = found);
  await bundle(join(copy, "dist"));
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const build = join(root, "tsconfig.build.json");
  await execute(process.execPath, [compiler, "-p", build, "--outDir", join(copy, "dist")]);
  const { stdout } = await execute("npm", ["pack", "--ignore-scripts", "--json", "--offline"], {
    cwd: copy,
    shell: process.platform === "win32",
  });
  const [first] = JSON.parse(stdout) as [typeof packed & { filename: string }];
  packed = first;
  await extract({ file: join(copy, first.filename), cwd: folder });
  await symlink(join(folder, "package"), join(installed, "cnnc"));
  // Seen from the package's real path, its dependencies lie above it.
  await symlink(installed, join(folder, "node_modules"));
  for (const name of [...Object.keys(found.dependencies), "@types/node"]) {
    await mkdir(dirname(join(installed, name)), { recursive: true });
    await symlink(join(root, "node_modules", name), join(installed, name));
  }
  await symlink(join("..", "cnnc", "dist", "cli", "main.js"), join(installed, ".bin", "cnnc"));
  await writeFile(join(folder, "project", "package.json"), '{ "type": "module" }');
  await writeFile(join(folder, "project", "small.cnn"), smallProgram);
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (file: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> =>
  execute(process.execPath, [file, ...args], {
    cwd: join(folder, "project"),
    env: { ...process.env, FORCE_COLOR: "0" },
  });

test("it is small and holds what users need: no tests, no sources", () => {
  const paths = packed.files.map(({ path }) => path);
  expect(packed.size).toBeLessThan(1_000_000);
  expect(packed.unpackedSize).toBeLessThan(4_000_000);
  for (const path of ["README.md", "LICENSE", "dist/cli/main.js", "package.json"]) expect(paths).toContain(path);
  for (const { types, default: main } of Object.values(exports))
    for (const path of [types, main]) expect(paths).toContain(path.replace("./", ""));
  expect(paths.filter((path) => /(^|\/)test\/|\.test\.|^(?!dist\/).*\.ts$|(?<!\.d)\.ts$/.test(path))).toEqual([]);
});

test("the command checks and trains", async () => {
  const main = join("node_modules", ".bin", "cnnc");
  expect((await run(main, "--version")).stdout).toBe(`${version}\n`);
  expect((await run(main, "check", "small.cnn")).stdout).toContain("conv 4@6x6");
  const { stdout } = await run(main, "train", "small.cnn", "--device", "cpu", "--out", "run");
  expect(stdout).toContain("epoch 1/1");
  const records = await readFile(join(folder, "project", "run", "metrics.jsonl"), "utf8");
  expect(JSON.parse(records)).toMatchObject({ epoch: 1 });
});

test("what a browser loads of it needs no module of Node.js, and no other package", async () => {
  const loaded = new Set<string>();
  const imports = /^(?:import|export)\s[^"]*"([^"]+)";|\bimport\("([^"]+)"\)/gm;
  const load = async (path: string): Promise<void> => {
    if (loaded.has(path)) return;
    loaded.add(path);
    const text = await readFile(path, "utf8");
    for (const [, named = "", dynamic] of text.matchAll(imports)) {
      const what = dynamic ?? named;
      expect(what, path).toMatch(/^\.\.?\//);
      await load(join(dirname(path), what));
    }
  };
  for (const name of [".", "./compiler", "./browser"])
    await load(join(folder, "package", exports[name]?.default ?? ""));
  expect(loaded.size).toBeGreaterThan(5);
});

test("the README's example of the library runs", async () => {
  const project = join(folder, "project");
  const [, example = ""] = /```js\n([^]*?)```/.exec(await readFile(join(root, "README.md"), "utf8")) ?? [];
  await writeFile(join(project, "example.js"), example);
  await cp(join(root, "examples", "lenet.cnn"), join(project, "lenet.cnn"));
  const { stdout } = await run("example.js");
  expect(stdout).toMatch(/^62050 parameters\n\d+ kernels\n# What each dispatch computes/);
  const accuracy = Number(stdout.trim().split("\n").at(-1));
  // Ten classes: it has learned.
  expect(accuracy).toBeGreaterThan(0.2);
});

/** `skipLibCheck` is off: the declarations themselves are held too. */
const options = {
  module: "nodenext",
  moduleResolution: "nodenext",
  target: "es2023",
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true,
  types: ["node"],
};

const typed = `
import { checkText, type CheckedModel } from "cnnc";
import { compile, explainStage, type ExecutionPlan } from "cnnc/compiler";
import { openTraining, type Training } from "cnnc/browser";
import { type Device, loadData, openCpuDevice, train } from "cnnc/runtime";

const { program } = checkText("model A { input 3@32x32 fc 10 }", "a.cnn");
const model: CheckedModel | undefined = program?.models[0];
const recipe = program?.recipe;
const device: Device = await openCpuDevice();
if (model && recipe) {
  const compilation = compile(model, recipe, { counts: { train: 1, test: 1 }, target: device.target });
  const plan: ExecutionPlan = compilation.plan;
  console.log(explainStage(compilation, "kernels").length, plan.kernels.length, loadData, train);
  const { data } = await loadData("shapes");
  const training: Training = await openTraining({ model, recipe, data, device });
  const { loss }: { loss: number } = await training.train(1);
  console.log(loss);
}
// @ts-expect-error: a text is asked for; were the types missing, this would be no error.
checkText(1, "a.cnn");
// @ts-expect-error: there is no such stage.
explainStage(compile, "stage");
`;

test("its types resolve with moduleResolution nodenext", async () => {
  const project = join(folder, "project");
  await writeFile(join(project, "use.ts"), typed);
  await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["use.ts"] }));
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const said = await run(compiler, "-p", ".").then(
    () => "",
    (problem: { stdout?: string }) => problem.stdout ?? "tsc could not be run",
  );
  expect(said).toBe("");
});
