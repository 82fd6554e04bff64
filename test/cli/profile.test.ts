/** `cnnc profile` as users run it. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { smallProgram, useCli } from "./cliSupport.ts";

const cli = useCli();

test("a table, and two pictures in a folder", async () => {
  await writeFile(join(cli.folder, "small.cnn"), smallProgram);
  const { code, out, err } = await cli.run(["profile", "small.cnn", "--device", "cpu", "--batch", "8", "--out", "p"]);
  expect(code).toBe(0);
  expect(out).toMatch(/trainStep, batch 8, on WebAssembly SIMD/);
  expect(out).toMatch(/conv1 \(line 3\): filter gradient/);
  expect(err).toMatch(/pictures: p\/profile\.svg/);
  expect((await readdir(join(cli.folder, "p"))).sort()).toEqual(["profile.png", "profile.svg"]);
  expect(await readFile(join(cli.folder, "p", "profile.svg"), "utf8")).toMatch(/^<svg/);
});

test("JSON alone on the output, of the program asked for", async () => {
  await writeFile(join(cli.folder, "small.cnn"), smallProgram);
  const flags = ["--device", "cpu", "--threads", "1", "--program", "predict", "--format", "json", "--batch", "4"];
  const { code, out } = await cli.run(["profile", "small.cnn", ...flags]);
  expect(code).toBe(0);
  const profile = JSON.parse(out) as { program: string; batch: number; kernels: { phase: string; bytes: number }[] };
  expect(profile).toMatchObject({ program: "predict", batch: 4, device: { kind: "cpu" } });
  expect(profile.kernels.length).toBeGreaterThan(1);
  expect(profile.kernels.every(({ phase, bytes }) => phase === "forward" && bytes > 0)).toBe(true);
});

test("wrong options end with 2 and a way out", async () => {
  const { code, err } = await cli.run(["profile", "small.cnn", "--device", "gpu", "--threads", "2"]);
  expect(code).toBe(2);
  expect(err).toContain("--device cpu");
  expect((await cli.run(["profile", "small.cnn", "--program", "dream"])).code).toBe(2);
});
