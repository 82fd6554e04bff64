/** Training in a real browser: on one thread without shared memory, on Web Workers with it, to the bits of Node.js. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundle, root } from "../../../scripts/bundle.mjs";
import { generateShapes, openTraining } from "../../../runtime/browser/index.ts";
import { openCpuDevice } from "../../../runtime/device/cpu/cpuDevice.ts";
import { smallModel } from "../train/trainSupport.ts";
import { findChromium, visit } from "./chromium.ts";

const chromium = findChromium();
const source = readFileSync(join(root, "examples", "lenet.cnn"), "utf8");
const steps = 40;

interface Found {
  readonly problem?: string;
  readonly threads: number;
  readonly relaxedSimd: boolean;
  /** Other work of the page while it trained. */
  readonly ticks: number;
  /** Of the weights. */
  readonly digest: string;
  readonly refused: string;
}

/** Says to the test what it finds, or what goes wrong. */
const posting = (body: string): string => `
const post = (found) => fetch("/found", { method: "POST", body: JSON.stringify(found) });
const find = async () => { ${body} };
find().then(post, (problem) => post({ problem: String(problem?.stack ?? problem) }));
`;

const training = `
import { checkText } from "cnnc";
import { generateShapes, openCpuDevice, openTraining } from "cnnc/browser";
${posting(`
  const { program } = checkText(${JSON.stringify(source)}, "lenet.cnn");
  const device = await openCpuDevice();
  const { threads, target: { relaxedSimd } } = device;
  const given = { model: program.models[0], recipe: program.recipe, data: await generateShapes(), device };
  const training = await openTraining(given);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await training.train(${steps});
  clearInterval(timer);
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await training.weights()));
  const digest = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  await device.close();
  const refused = await training.test().then(() => "no", ({ message }) => message);
  return { threads, relaxedSimd, ticks, digest, refused };
`)}`;

/** Uses the example as a person does. */
const example = posting(`
  const element = (id) => document.getElementById(id);
  const until = async (isSo) => { while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 50)); };
  await until(() => !element("start").disabled);
  element("start").click();
  await until(() => /epoch 1|error/i.test(element("report").textContent));
  element("stop").click();
  await until(() => !element("weights").hidden);
  return { report: element("report").textContent, device: element("device").textContent };
`);

async function digestInNode(relaxedSimd: boolean): Promise<string> {
  const node = await openCpuDevice({ threads: 2 });
  const { model, recipe } = smallModel(source);
  const device = { ...node, target: { kind: "wasm", relaxedSimd } } as const;
  const training = await openTraining({ model, recipe, data: await generateShapes(), device });
  await training.train(steps);
  const weights = await training.weights();
  await node.close();
  return createHash("sha256").update(weights).digest("hex");
}

describe.skipIf(!chromium)("in Chromium", () => {
  const dist = join(root, "build", `browser-test-${process.pid}`);
  beforeAll(() => bundle(dist));
  afterAll(() => rm(dist, { recursive: true, force: true }));
  const open = (path: string, script: string, isolated: boolean): Promise<unknown> =>
    visit({ chromium: chromium ?? "", dist, path, script, isolated });

  it.each([
    ["a page without shared memory trains on one thread", false, 1],
    ["an isolated page trains on Web Workers", true, availableParallelism()],
  ])("%s, to the bits of Node.js", async (_, isolated, threads) => {
    const found = (await open("/page.html", training, isolated)) as Found;
    expect(found.problem).toBeUndefined();
    expect(found).toMatchObject({ threads, refused: "the CPU device is closed" });
    expect(found.ticks).toBeGreaterThan(3);
    expect(found.digest).toBe(await digestInNode(found.relaxedSimd));
  });

  it("the example trains, stops and offers its weights", async () => {
    const found = (await open("/examples/browser/index.html", example, false)) as { report: string; device: string };
    expect(found.device).toContain("WebAssembly SIMD on 1 thread");
    const [, accuracy] = /epoch 1: test accuracy (\d+\.\d) %/.exec(found.report) ?? [];
    expect(Number(accuracy)).toBeGreaterThan(30);
  });
});
