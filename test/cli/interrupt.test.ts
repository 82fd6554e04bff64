/** Ctrl-C at every time of a training, with real signals to a real process. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { decodeSafetensors } from "../../runtime/files/safetensors.ts";
import { smallProgram, useCli } from "./cliSupport.ts";
import { cifarServer } from "./cifarServer.ts";

const cli = useCli();
const server = cifarServer();
afterAll(() => server.close());

const long = smallProgram.replace("epochs 1", "epochs 100000");

async function program(name: string, text = long): Promise<string> {
  await writeFile(join(cli.folder, name), text);
  return name;
}

test("Ctrl-C finishes the step, saves and says how to go on; that command works", async () => {
  const file = await program("long.cnn");
  const run = cli.start(["train", file, "--device", "cpu", "--out", "long"]);
  await run.says(/epoch +2\/100000/);
  run.interrupt();
  run.interrupt();
  const { code, signal, err } = await run.outcome;
  expect({ code, signal }).toEqual({ code: 130, signal: null });
  expect(err).toContain("Finishing the step and saving. Press Ctrl-C again to leave at once.");
  expect(err).toMatch(/Stopped after [\d,]+ steps\. The weights are in long\/last\.safetensors\./);
  const records = (await readFile(join(cli.folder, "long", "metrics.jsonl"), "utf8")).trim().split("\n");
  const { metadata } = decodeSafetensors(await readFile(join(cli.folder, "long", "last.safetensors")), "last");
  expect(metadata).toMatchObject({ epoch: String(records.length) });
  // 40 steps an epoch: the last one is the step in which it was stopped.
  expect(Number(metadata["step"])).toBeGreaterThanOrEqual(40 * records.length);

  const command = /^ {2}npx cnnc (.*)$/m.exec(err)?.[1]?.split(" ") ?? [];
  expect(command.slice(-6)).toEqual([
    "--weights",
    "long/last.safetensors",
    "--epochs",
    String(100_000 - records.length),
    "--out",
    "long-continued",
  ]);
  const short = command.map((word, i) => (command[i - 1] === "--epochs" ? "1" : word));
  const next = await cli.run(short);
  expect(next.code).toBe(0);
  const first = JSON.parse(records[0] ?? "") as { trainLoss: number };
  const continued = JSON.parse(await readFile(join(cli.folder, "long-continued", "metrics.jsonl"), "utf8")) as {
    trainLoss: number;
  };
  expect(continued.trainLoss).toBeLessThan(first.trainLoss);
});

test("a second Ctrl-C leaves at once, without saving", async () => {
  const file = await program("twice.cnn");
  const twice = async (): Promise<string> => {
    const run = cli.start(["train", file, "--device", "cpu", "--out", "twice"]);
    await run.says(/epoch +1\/100000/);
    run.interrupt();
    await run.says(/Press Ctrl-C again/);
    // Signals in quick succession count as one: npm passes on what the terminal has sent to all.
    await setTimeout(60);
    run.interrupt();
    const { code, err } = await run.outcome;
    expect(code).toBe(130);
    return err;
  };
  // On a busy machine the step may be done and saved before the second signal arrives.
  let err = await twice();
  for (let i = 0; i < 9 && err.includes("The weights are in"); i++) err = await twice();
  expect(err).not.toContain("The weights are in");
  expect(err).toMatch(/leave at once\.\n$/);
});

test("Ctrl-C before the first step leaves an earlier run's weights where they are", async () => {
  const file = await program("early.cnn", smallProgram);
  expect((await cli.run(["train", file, "--device", "cpu", "--out", "early"])).code).toBe(0);
  const weights = await readFile(join(cli.folder, "early", "last.safetensors"));
  await program("early.cnn");
  for (const moment of [/device: /, /data: shapes/]) {
    const run = cli.start(["train", file, "--device", "cpu", "--out", "early"]);
    await run.says(moment);
    run.interrupt();
    const { code, signal, err } = await run.outcome;
    // While it compiles, the signal ends the process by itself.
    expect(signal === "SIGINT" || code === 130).toBe(true);
    expect(err).not.toContain("    at ");
    // On a busy machine the signal may come after the first step; then the earlier weights are kept aside.
    const folder = err.includes("Stopped after") ? join("early", "earlier-1") : "early";
    expect((await readFile(join(cli.folder, folder, "last.safetensors"))).equals(weights)).toBe(true);
  }
});

test("Ctrl-C while downloading keeps what arrived for the next time", async () => {
  const file = await program("download.cnn", smallProgram.replace("data shapes", "data cifar10"));
  server.answer = "forever";
  const cache = join(cli.folder, "cache");
  const environment = { ...server.environment, XDG_CACHE_HOME: cache };
  const run = cli.start(["train", file, "--device", "cpu", "--out", "download"], environment);
  await run.says(/CIFAR-10: /);
  run.interrupt();
  const { code, err } = await run.outcome;
  expect(code).toBe(130);
  expect(err).toContain("Stopped before training began; there is nothing to save.");
  expect(err).not.toContain("shapes");
  expect(await readdir(join(cache, "cnnc"))).toEqual(["cifar-10-binary.tar.gz.part"]);
});

test.each([
  { answer: "missing", reason: "the server answers 404" },
  { answer: "cut", reason: "the connection was cut" },
] as const)("without CIFAR-10 it trains on shapes and says why: $answer", async ({ answer, reason }) => {
  const file = await program("offline.cnn", smallProgram.replace("data shapes", "data cifar10"));
  server.answer = answer;
  const environment = { ...server.environment, XDG_CACHE_HOME: join(cli.folder, `cache-${answer}`) };
  const { code, out, err } = await cli.run(["train", file, "--device", "cpu", "--out", answer], environment);
  expect(code).toBe(0);
  expect(err).toContain("CIFAR-10 is not here: ");
  expect(err).toContain(reason);
  expect(err).toContain('Training on the generated set "shapes" instead.');
  expect(err).toContain("data: shapes (generated), 10,000 to train on, 2,000 to test");
  expect(out).toMatch(/best: \d+\.\d % of the test images after epoch 1/);
});
