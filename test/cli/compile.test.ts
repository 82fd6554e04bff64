/** `cnnc compile`, `cnnc explain` and `cnnc doctor`: what works without any device. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stageNames } from "../../cli/commands/explain.ts";
import { root } from "../../scripts/bundle.mjs";
import { smallProgram, useCli } from "./cliSupport.ts";

const cli = useCli();

interface WrittenPlan {
  readonly target: string;
  readonly kernels: readonly { readonly source: string; readonly name: string }[];
  readonly programs: Record<string, readonly unknown[]>;
  readonly wasm?: { readonly modules: readonly string[] };
}

async function compile(
  folder: string,
  ...flags: string[]
): Promise<{ plan: WrittenPlan; files: string[]; out: string }> {
  await writeFile(join(cli.folder, "small.cnn"), smallProgram);
  const { code, out, err } = await cli.run(["compile", "small.cnn", "-o", folder, ...flags]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const plan = JSON.parse(await readFile(join(cli.folder, folder, "plan.json"), "utf8")) as WrittenPlan;
  return { plan, files: await readdir(join(cli.folder, folder)), out };
}

test("WGSL: a plan and a readable file a kernel, with places in the program", async () => {
  const { plan, files } = await compile("built");
  expect(Object.keys(plan.programs).sort()).toEqual(["evaluateStep", "initialise", "predict", "trainStep"]);
  expect(plan.kernels.length).toBeGreaterThan(10);
  expect([...files].sort()).toEqual(["plan.json", ...plan.kernels.map(({ source }) => source)].sort());
  const convolution = plan.kernels.find(({ name }) => name.startsWith("conv1 (line 3)"));
  const text = await readFile(join(cli.folder, "built", convolution?.source ?? ""), "utf8");
  for (const line of [
    "// computes conv1 (line 3)",
    "// writes conv1 [250, 4, 14, 14]",
    "// reduces over [3, 6, 6]",
    "// reads conv1.weight [4, 3, 6, 6]",
  ])
    expect(text).toContain(line);
  expect(text).toContain("@compute");
});

test("an earlier plan's kernels go, other files stay", async () => {
  const unfused = await compile("again", "--no-fuse");
  await writeFile(join(cli.folder, "again", "mine.wgsl"), "mine");
  const fused = await compile("again");
  expect(fused.plan.kernels.length).toBeLessThan(unfused.plan.kernels.length);
  expect([...fused.files].sort()).toEqual(
    ["mine.wgsl", "plan.json", ...fused.plan.kernels.map(({ source }) => source)].sort(),
  );
});

test("WebAssembly: a module that the engine takes", async () => {
  const { plan } = await compile("wasm", "--target", "wasm");
  const module = await readFile(join(cli.folder, "wasm", plan.wasm?.modules[0] ?? ""));
  const { WebAssembly } = globalThis as unknown as { WebAssembly: { validate(bytes: Uint8Array): boolean } };
  expect(WebAssembly.validate(module)).toBe(true);
});

test("a folder that cannot be made", async () => {
  await writeFile(join(cli.folder, "occupied"), "a file");
  const { code, err } = await cli.run(["compile", "small.cnn", "-o", "occupied/built"]);
  expect(code).toBe(3);
  expect(err).toBe(
    "error: occupied/built cannot be written: a part of the path is a file, not a folder\n" +
      "  help: Check the path, or choose another place with --out.\n",
  );
});

test("a program without `train`, and one with two models", async () => {
  const [model = ""] = smallProgram.split("\ntrain");
  await writeFile(join(cli.folder, "bare.cnn"), model);
  const bare = await cli.run(["compile", "bare.cnn", "-o", "x"]);
  expect(bare.code).toBe(1);
  expect(bare.err).toContain("`bare.cnn` does not say how to train");
  await writeFile(join(cli.folder, "two.cnn"), model.replace("Small", "Other") + smallProgram);
  const two = await cli.run(["explain", "two.cnn"]);
  expect(two.code).toBe(2);
  expect(two.err).toContain("`--model Other`");
  const chosen = await cli.run(["explain", "two.cnn", "--model", "Small", "--stage", "plan"]);
  expect(chosen.code).toBe(0);
});

const expected: Record<(typeof stageNames)[number], readonly string[]> = {
  graph: ["graph predict", "conv(%", "# conv1 (line 3)", "maximum(%"],
  gradients: ["graph trainStep", "convWeight(", "# conv1 (line 3): filter gradient", "parameters := %"],
  kernels: [
    "program trainStep",
    "conv1 (line 3)",
    "for each of [250, 4, 14, 14], add over [3, 6, 6]",
    "computes bn1 (line 3), relu1 (line 3), pool1 (line 3), pool1 (line 3): place of the maximum",
    "reads    conv1.weight [4, 3, 6, 6] f32 (parameters)",
  ],
  schedule: ["# How each kernel's axes are cut.", "program evaluateStep", "| threads d0:", "workgroups of"],
  nest: ["program trainStep", "  for r0 in 0..", "# reads conv1.weight [4, 3, 6, 6]", "lane"],
  wgsl: ["@compute", "conv1 (line 3)"],
  plan: ["plan version 1 for wgsl", "program trainStep", "conv1.weight f32[4, 3, 6, 6]"],
};

test.each(stageNames)("explain --stage %s", async (stage) => {
  await writeFile(join(cli.folder, "small.cnn"), smallProgram);
  const { code, out } = await cli.run(["explain", "small.cnn", "--stage", stage]);
  expect(code).toBe(0);
  for (const text of expected[stage]) expect(out).toContain(text);
});

test("explain --kernel: one by its number, several by a word, none with a way out", async () => {
  await writeFile(join(cli.folder, "small.cnn"), smallProgram);
  const all = await cli.run(["explain", "small.cnn"]);
  const number = /^ *(\d+) {2}pool1 \(line 3\)/m.exec(all.out)?.[1] ?? "";
  const one = await cli.run(["explain", "small.cnn", "--kernel", number]);
  expect(one.out.match(/^ *\d+ {2}\S/gm)).toEqual([expect.stringContaining(`${number}  p`)]);
  const pools = await cli.run(["explain", "small.cnn", "--kernel", "POOL1", "--stage", "wgsl"]);
  expect(pools.out.match(/^\/\/ \d+-.*\.wgsl$/gm)).toEqual([
    expect.stringMatching(/pool1/),
    expect.stringMatching(/pool1/),
    expect.stringMatching(/pool1/),
  ]);
  const none = await cli.run(["explain", "small.cnn", "--kernel", "conv9"]);
  expect(none).toEqual({
    code: 2,
    out: "",
    err: "error: no kernel has a name with `conv9`\n  help: `--stage kernels` lists them all, with numbers and names.\n",
  });
  expect((await cli.run(["explain", "small.cnn", "--kernel", "1", "--stage", "plan"])).code).toBe(2);
  expect((await cli.run(["explain", "small.cnn", "--target", "wasm", "--stage", "wgsl"])).err).toContain(
    "--stage nest",
  );
});

test("a file named like a code is a file if it says so", async () => {
  await mkdir(join(cli.folder, "sub"), { recursive: true });
  const { code, err } = await cli.run(["explain", "./CNN204"]);
  expect(code).toBe(2);
  expect(err).toContain("there is no file `./CNN204`");
});

test("doctor reports and never fails", async () => {
  const { code, out } = await cli.run(["doctor"]);
  expect(code).toBe(0);
  expect(out).toContain("CPU device (WebAssembly SIMD)");
  expect(out).toContain("GPU device (WebGPU)");
  expect(out).toMatch(/cnnc train (uses|finds)/);
});

test("the README's examples of check and explain are what they print", async () => {
  const text = await readFile(join(root, "README.md"), "utf8");
  const examples = [...text.matchAll(/^\$ npx cnnc ((?:check|explain) .*)\n([^]*?)```/gm)];
  expect(examples.length).toBeGreaterThan(1);
  for (const [, command = "", shown = ""] of examples) {
    const args = command.split(" ").map((word) => (word.endsWith(".cnn") ? join(root, word) : word));
    const { code, out } = await cli.run(args);
    expect({ code, start: out.trim().slice(0, shown.trim().length) }, command).toEqual({
      code: 0,
      start: shown.trim(),
    });
  }
});
