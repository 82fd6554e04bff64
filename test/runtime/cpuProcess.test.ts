/** The CPU device as a bundled program of its own: it works from one file, and the process ends by itself. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");

/** Opens a device and a session of one kernel, `steps`, which adds one to a number. */
const prelude = `
import { index } from "${root}/compiler/nest/integer.ts";
import { openCpuDevice } from "${root}/runtime/device/cpu/cpuDevice.ts";
import { planOf } from "${root}/test/runtime/cpuSupport.ts";
const at = index(0);
const load = { kind: "load", buffer: "x", index: at };
const nest = { name: "count", header: [], scratch: [], workgroups: 1, lanes: 1,
  bindings: [{ name: "x", type: "u32", access: "readwrite", length: 1 }],
  body: [{ kind: "store", buffer: "x", index: at,
    value: { kind: "binary", operator: "add", left: load, right: { kind: "constant", value: 1 } } }] };
const started = performance.now();
const device = await openCpuDevice({ threads: 2 });
const session = await device.open(planOf({ steps: [nest] }, device.target));
const read = async () => new Uint32Array((await session.read(0, 0, 4)).buffer)[0];
`;

const endings = {
  "after the device is closed": `await session.run("steps", 1000); console.log(await read()); await device.close();`,
  "with the device left open": `await session.run("steps", 1000); console.log(await read());`,
  "and waits for a run that nobody awaits": `void session.run("steps", 1000).then(read).then(console.log);`,
};

describe("a process with the CPU device ends by itself", () => {
  let folder = "";
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), "cnnc-cpu-"))));
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(Object.entries(endings))("%s", async (name, ending) => {
    const file = name.replaceAll(" ", "-");
    writeFileSync(join(folder, `${file}.ts`), prelude + ending);
    const outfile = join(folder, `${file}.mjs`);
    await build({ entryPoints: [join(folder, `${file}.ts`)], outfile, bundle: true, platform: "node", format: "esm" });
    const { status, stdout, stderr } = spawnSync(process.execPath, [outfile], { encoding: "utf8", timeout: 60_000 });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "1000\n", stderr: "" });
  });
});
