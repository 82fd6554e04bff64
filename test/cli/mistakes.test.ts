/** What can go wrong, as users meet it: the message, the way out, the exit code, what was there before, no stack trace. */
import { execFile, spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { create } from "tar";
import { beforeAll, expect, test } from "vitest";
import { decodeSafetensors } from "../../runtime/files/safetensors.ts";
import { type Outcome, smallProgram, useCli } from "./cliSupport.ts";

const cli = useCli();

/** Runs a command that must fail: without a stack trace and with nothing on the standard output. */
async function fails(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Omit<Outcome, "out">> {
  const { code, out, err } = await cli.run(args, environment);
  expect(out).toBe("");
  expect(err).not.toMatch(/^ {4}at |bug of cnnc/m);
  return { code, err };
}

beforeAll(async () => {
  await mkdir(join(cli.folder, "nets"));
  await writeFile(join(cli.folder, "lenet.cnn"), smallProgram);
  await writeFile(join(cli.folder, "nets", "a.cnn"), smallProgram);
  await writeFile(join(cli.folder, "empty.cnn"), "");
  const rubbish = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919 + (i >> 3)) & 255);
  await writeFile(join(cli.folder, "rubbish.cnn"), rubbish);
});

test.each([["train"], ["compile", "-o", "built"], ["explain"]])(
  "no program at the path: cnnc %s",
  async (...command) => {
    expect(await fails([...command, "lent.cnn"])).toEqual({
      code: 2,
      err: "error: there is no file `lent.cnn`\n  help: Did you mean `lenet.cnn`?\n",
    });
    expect(await fails([...command, "nets"])).toEqual({
      code: 2,
      err: "error: `nets` is a folder, not a file\n  help: Name a file in it: `nets/a.cnn`, for example.\n",
    });
    const empty = await fails([...command, "empty.cnn"]);
    expect(empty.code).toBe(1);
    expect(empty.err).toContain("the file is empty");
    const rubbish = await fails([...command, "rubbish.cnn"]);
    expect(rubbish.code).toBe(1);
    expect(rubbish.err).toMatch(/^error\[CNN\d+\]/);
    expect(rubbish.err).not.toMatch(/(?!\n)\p{Cc}/u);
  },
);

const wrong: readonly [what: string, old: string, now: string, lines: readonly string[]][] = [
  ["an unknown layer", "relu", "rleu", ["there is no layer `rleu`", "wrong.cnn:3:", "did you mean `relu`?"]],
  [
    "an unknown option",
    "stride 2",
    "strde 2",
    ["`conv` has no option `strde`", "wrong.cnn:3:", "did you mean `stride`?"],
  ],
  [
    "a window larger than its map",
    "4@6x6",
    "4@33x33",
    ["the window is larger than its input", "wrong.cnn:3:", "take a window of at most 32x32"],
  ],
  [
    "a last layer that is not ten wide",
    "fc 10",
    "fc 9",
    ["the last layer does not fit the data's classes", "wrong.cnn:4:", "end the model with `fc 10`"],
  ],
];

test.each(wrong)("%s ends training before it begins", async (_, old, now, lines) => {
  await writeFile(join(cli.folder, "wrong.cnn"), smallProgram.replace(old, now));
  const { code, err } = await fails(["train", "wrong.cnn", "--out", "never"]);
  expect(code).toBe(1);
  for (const line of lines) expect(err).toContain(line);
  expect(await readdir(cli.folder)).not.toContain("never");
});

test.each([
  { args: ["--seed", "-1"], text: "whole number from 0 to 4,294,967,295" },
  { args: ["--seed", "4294967296"], text: "whole number from 0 to 4,294,967,295" },
  { args: ["--epochs", "ten"], text: "whole number from 1 to 1,000,000" },
  { args: ["--epochs"], text: "argument missing" },
  { args: ["--threads", "0"], text: "whole number from 1 to 256" },
  { args: ["--device", "tpu"], text: "Allowed choices are auto, gpu, cpu" },
  { args: ["--dvice", "cpu"], text: "Did you mean --device?" },
  { args: ["twice.cnn"], text: "Expected 1 argument but got 2" },
  { args: ["--weights", "."], text: "the weights `.` cannot be read: it is a folder" },
])("train: wrong usage ends with 2: $args", async ({ args, text }) => {
  const { code, err } = await fails(["train", "lenet.cnn", ...args]);
  expect(code).toBe(2);
  expect(err).toContain(text);
  expect(err).toMatch(/--help` shows what there is|help:/);
});

test("an unknown command: the nearest one, and where to look", async () => {
  expect(await fails(["trian", "lenet.cnn"])).toEqual({
    code: 2,
    err: "error: unknown command 'trian'\n(Did you mean train?)\n(`cnnc --help` shows what there is)\n",
  });
});

test("weights that are none", async () => {
  const { code, err } = await fails(["train", "lenet.cnn", "--device", "cpu", "--weights", "rubbish.cnn"]);
  expect(code).toBe(3);
  expect(err).toMatch(/error: rubbish\.cnn is no whole safetensors file: .*\n {2}help: /);
});

const batches = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];
const recordBytes = 3073;

/** Six files of zeros that take no space; then one is changed. */
async function cifarFolder(name: string, change: (path: string) => Promise<void>): Promise<void> {
  await mkdir(join(cli.folder, name));
  for (const batch of batches) {
    await writeFile(join(cli.folder, name, `${batch}.bin`), "");
    await truncate(join(cli.folder, name, `${batch}.bin`), 10_000 * recordBytes);
  }
  await change(join(cli.folder, name, "data_batch_3.bin"));
}

/** An archive of one file of noise, which does not compress. */
async function cifarArchive(name: string, change: (bytes: Buffer) => Buffer): Promise<void> {
  const inside = join(cli.folder, "archive", "cifar-10-batches-bin");
  await mkdir(inside, { recursive: true });
  const noise = Uint8Array.from({ length: 100_000 }, (_, i) => Math.imul(i, 2654435761) >>> 24);
  await writeFile(join(inside, "data_batch_1.bin"), noise);
  const tar = join(cli.folder, "all.tar");
  await create({ file: tar, cwd: join(cli.folder, "archive") }, ["cifar-10-batches-bin"]);
  await writeFile(join(cli.folder, name), change(gzipSync(await readFile(tar))));
}

test("a data file that is cut off, altered or missing is named, with what was expected", async () => {
  await writeFile(join(cli.folder, "cifar.cnn"), smallProgram.replace("data shapes", "data cifar10"));
  const on = (data: string): Promise<Omit<Outcome, "out">> =>
    fails(["train", "cifar.cnn", "--device", "cpu", "--out", "runs/cifar", "--data", data]);

  await cifarFolder("cut", (path) => truncate(path, 5_000 * recordBytes + 7));
  const cut = await on("cut");
  expect(cut.code).toBe(3);
  expect(cut.err).toContain(
    "error: cut/data_batch_3.bin is cut off: it has 15365007 bytes; 30730000 are expected\n  help: Give --data",
  );
  await cifarFolder("altered", async (path) => {
    const bytes = await readFile(path);
    bytes[42 * recordBytes] = 77;
    await writeFile(path, bytes);
  });
  const altered = await on("altered");
  expect(altered.code).toBe(3);
  expect(altered.err).toContain(
    "altered/data_batch_3.bin was altered: record 42 has label 77; CIFAR-10 has labels 0 to 9",
  );

  await cifarArchive("cut.tar.gz", (bytes) => bytes.subarray(0, bytes.length >> 1));
  await cifarArchive("altered.tar.gz", (bytes) => {
    const at = bytes.length >> 1;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 255, at);
    return bytes;
  });
  await writeFile(join(cli.folder, "page.tar.gz"), "<html>404</html>");
  for (const name of ["cut.tar.gz", "altered.tar.gz", "page.tar.gz"]) {
    const { code, err } = await on(name);
    expect(code).toBe(3);
    expect(err).toMatch(new RegExp(`error: ${name} cannot be used: it .*\\n {2}help: Give --data`));
  }
  expect((await on("nowhere")).err).toContain("error: nowhere cannot be read: there is no such file or folder");
  // No run has begun, and nothing else was trained on.
  expect(await readdir(join(cli.folder, "runs/cifar"))).toEqual([]);
});

test.each([
  { out: "taken", reason: "there is a file of that name" },
  { out: "taken/run", reason: "a part of the path is a file, not a folder" },
  { out: "/proc/run", reason: "there is no such file or folder", onlyOn: "linux" },
])("a run folder that cannot be written: $out", async ({ out, reason, onlyOn }) => {
  if (onlyOn !== undefined && process.platform !== onlyOn) return;
  await writeFile(join(cli.folder, "taken"), "a file");
  const { code, err } = await fails(["train", "lenet.cnn", "--device", "cpu", "--out", out]);
  expect(code).toBe(3);
  expect(err).toContain(`error: ${out} cannot be written: ${reason}\n  help: `);
  // It is found out before anything is loaded.
  expect(err).not.toContain("data:");
});

/** All that can be lost of a run. */
async function contents(folder: string): Promise<Record<string, string>> {
  const names = ["last.safetensors", "best.safetensors", "metrics.jsonl", "curve.svg"];
  const bytes = await Promise.all(names.map((name) => readFile(join(cli.folder, folder, name), "base64")));
  return Object.fromEntries(names.map((name, i) => [name, bytes[i] ?? ""]));
}

/** What is there after a run that went well; later ones fail in the same folder. */
let before: Record<string, string> = {};
const train = ["train", "lenet.cnn", "--device", "cpu", "--out", "run"];

beforeAll(async () => {
  expect((await cli.run(train)).code).toBe(0);
  before = await contents("run");
});

test("a loss that is no number stops it: step and layer are named, earlier weights stay", async () => {
  const { code, err } = await fails([...train, "--lr", "1e30"]);
  expect(code).toBe(3);
  expect(err).toMatch(
    /error: the loss is not a finite number from step \d+ \(epoch 1\) on; the first layer with weights that are not finite is conv1 \(line 3\): `conv1\.weight`\n {2}help: Lower the learning rate \(now 1e\+30\)/,
  );
  const after = await contents("run");
  expect(after["last.safetensors"]).toBe(before["last.safetensors"]);
  expect(after["best.safetensors"]).toBe(before["best.safetensors"]);
});

const canMount =
  process.platform === "linux" &&
  spawnSync("unshare", ["-rm", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"]).status === 0;

/** A disk of its own that fills up after the second epoch; what is left of it is copied to `kept`. */
const fillingDisk = `
mkdir disk && mount -t tmpfs -o size=2m none disk || exit 99
"$@" --out disk/run > log 2> errors &
until [ "$(wc -l < disk/run/metrics.jsonl)" -ge 2 ]; do sleep 0.02; done 2> /dev/null
cat /dev/zero > disk/filler 2> /dev/null
wait $!; code=$?
cp -r disk/run kept
exit $code
`;

test.skipIf(!canMount)("a disk that fills up while saving: it stops, what was saved is whole", async () => {
  await writeFile(join(cli.folder, "long.cnn"), smallProgram.replace("epochs 1", "epochs 100000"));
  const command = [process.execPath, cli.main, "train", "long.cnn", "--device", "cpu"];
  const shell = ["-rm", "sh", "-c", fillingDisk, "sh", ...command];
  const ended = await promisify(execFile)("unshare", shell, { cwd: cli.folder, timeout: 150_000 }).then(
    () => 0,
    (problem: { code?: unknown }) => problem.code,
  );
  const err = await readFile(join(cli.folder, "errors"), "utf8");
  expect({ ended, err }).toMatchObject({ ended: 3 });
  expect(err).toMatch(/error: disk\/run\/\S+ cannot be written: the disk is full\n {2}help: Free some space, or write/);
  expect(err).not.toMatch(/^ {4}at /m);
  const names = await readdir(join(cli.folder, "kept"));
  expect(names.filter((name) => name.includes("partial"))).toEqual([]);
  const lines = (await readFile(join(cli.folder, "kept", "metrics.jsonl"), "utf8")).trim().split("\n");
  expect(lines.length).toBeGreaterThanOrEqual(2);
  for (const [i, line] of lines.entries()) expect(JSON.parse(line)).toMatchObject({ epoch: i + 1 });
  const { metadata } = decodeSafetensors(await readFile(join(cli.folder, "kept", "last.safetensors")), "last");
  expect(Number(metadata["epoch"])).toBeGreaterThanOrEqual(lines.length);
});

test.skipIf(process.platform === "win32")("a file that may not grow: the earlier run's files stay", async () => {
  // Blocks of 1 KiB or 512 bytes, as the shell has it: less than the weights, more than a line of text.
  const command = ["-c", 'ulimit -f 4; exec "$@"', "sh", process.execPath, cli.main, ...train];
  const { status, stderr } = spawnSync("sh", command, { cwd: cli.folder, encoding: "utf8" });
  expect(status).toBe(3);
  expect(stderr).toMatch(/error: run\/\S+\.safetensors cannot be written: the file grows larger than is allowed here/);
  const after = await contents("run");
  expect(after["last.safetensors"]).toBe(before["last.safetensors"]);
  expect(after["best.safetensors"]).toBe(before["best.safetensors"]);
  expect((await readdir(join(cli.folder, "run"))).filter((name) => name.includes("partial"))).toEqual([]);
});
