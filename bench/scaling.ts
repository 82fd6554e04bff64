/**
 * `npm run bench:scaling`: how the time of a training step grows with batch, width and depth, and that of compiling with depth.
 *
 * In: options. Out: tables on the screen and a JSON file. The network is `workloads/tower.cnn`; its operations are the plan's. A
 * cost that grows as it should keeps its rate (or gains: small steps leave threads idle), and compiling takes the same time for
 * every layer more.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { compile } from "../compiler/index.ts";
import { type Device, openCpuDevice, openGpuDevice } from "../runtime/index.ts";
import { writeGeneratedData } from "../runtime/profile/generatedData.ts";
import { openPlanState } from "../runtime/train/planState.ts";
import { benchFolder } from "./folders.ts";
import { median } from "./statistics.ts";
import { number, textTable } from "./table.ts";
import { loadProgram } from "./workloads.ts";

interface Point {
  readonly batch: number;
  readonly width: number;
  readonly depth: number;
}

interface Measured extends Point {
  readonly milliseconds: number;
  readonly gigaflops: number;
  readonly dispatches: number;
  /** The compiler, and the device's acceptance with the first step, in milliseconds. */
  readonly compile: number;
  readonly first: number;
}

const middle: Point = { batch: 64, width: 32, depth: 4 };
const series = {
  batch: [16, 32, 64, 128, 256, 512],
  width: [8, 16, 32, 64, 128],
  depth: [1, 2, 4, 8, 16, 32],
} satisfies Record<keyof Point, readonly number[]>;

const devices = {
  cpu: () => openCpuDevice(),
  gpu: () => openGpuDevice({ allowSoftware: true }),
} satisfies Record<string, () => Promise<Device>>;
type DeviceName = keyof typeof devices;

interface Options {
  readonly device: DeviceName;
  readonly only?: keyof Point;
  readonly out: string;
}

function oneOf<T extends string>(known: Readonly<Record<T, unknown>>): (text: string) => T {
  return (text) => {
    const names = Object.keys(known) as T[];
    const found = names.find((name) => name === text);
    if (found === undefined) throw new InvalidArgumentError(`There are ${names.join(", ")}.`);
    return found;
  };
}

function readOptions(): Options {
  return new Command("npm run bench:scaling --")
    .description("Times training steps of growing batch, width and depth, and their compilation.")
    .option("--device <device>", "cpu or gpu", oneOf(devices), "cpu")
    .option("--only <axis>", "batch, width or depth", oneOf(series))
    .option("--out <file>", "where the JSON goes", join(benchFolder, "build", "scaling.json"))
    .parse()
    .opts<Options>();
}

/** Images in the made-up data set. */
const images = 1024;
/** Turns, and the time of each in milliseconds. */
const turns = 5;
const turn = 150;

async function measure(device: Device, point: Point): Promise<Measured> {
  const { batch, width, depth } = point;
  const { model, recipe } = loadProgram(join(benchFolder, "workloads", "tower.cnn"), {
    width: String(width),
    depth: String(depth),
  });
  const started = performance.now();
  const counts = { train: images, test: batch };
  const { plan } = compile(model, { ...recipe, batch }, { counts, target: device.target });
  const compiled = performance.now();
  const session = await device.open(plan);
  try {
    const state = openPlanState(session, plan);
    await session.run("initialise");
    writeGeneratedData(state, plan);
    await session.run("trainStep");
    const first = performance.now() - compiled;
    const timed = async (steps: number): Promise<number> => {
      state.set("control.batch", 0);
      const before = performance.now();
      await session.run("trainStep", steps);
      return (performance.now() - before) / steps;
    };
    const estimate = await timed(2);
    const steps = Math.max(1, Math.min(Math.floor(images / batch), Math.round(turn / estimate)));
    const times: number[] = [];
    for (let i = 0; i < turns; i++) times.push(await timed(steps));
    const dispatches = plan.programs["trainStep"] ?? [];
    const operations = dispatches.reduce((sum, { kernel }) => sum + (plan.kernels[kernel]?.cost.operations ?? 0), 0);
    return {
      ...point,
      milliseconds: median(times),
      gigaflops: operations / 1e9,
      dispatches: dispatches.length,
      compile: compiled - started,
      first,
    };
  } finally {
    await session.close();
  }
}

/** Each row beside the one before: what a doubling costs. */
function render(axis: keyof Point, found: readonly Measured[]): string {
  const rows = found.map(({ milliseconds, gigaflops, dispatches, compile: compiling, first, ...point }, i) => {
    const before = found[i - 1];
    const growth = before ? number(milliseconds / before.milliseconds) : "";
    const work = before ? number(gigaflops / before.gigaflops) : "";
    const perLayer = before ? number((compiling - before.compile) / (point.depth - before.depth)) : "";
    return [
      String(point[axis]),
      number(milliseconds),
      growth,
      number(gigaflops),
      work,
      number((1000 * gigaflops) / milliseconds),
      String(dispatches),
      number(compiling),
      ...(axis === "depth" ? [perLayer] : []),
      number(first),
    ];
  });
  const layer = axis === "depth" ? ["ms a layer more"] : [];
  const head = [axis, "ms a step", "x", "GFLOP", "x", "GFLOP/s", "dispatches", "compile ms", ...layer, "first step ms"];
  const others = (Object.keys(series) as (keyof Point)[]).filter((name) => name !== axis);
  return `${axis} (${others.map((name) => `${name} ${middle[name]}`).join(", ")})\n\n${textTable(head, rows)}\n`;
}

const options = readOptions();
const device = await devices[options.device]();
const results: Partial<Record<keyof Point, readonly Measured[]>> = {};
process.stdout.write(`${device.description.name}\n\n`);
// The first compilation also compiles the compiler.
await measure(device, middle);
for (const axis of Object.keys(series) as (keyof Point)[]) {
  if (options.only !== undefined && options.only !== axis) continue;
  const found: Measured[] = [];
  for (const value of series[axis]) found.push(await measure(device, { ...middle, [axis]: value }));
  results[axis] = found;
  process.stdout.write(`${render(axis, found)}\n`);
}
await mkdir(dirname(options.out), { recursive: true });
await writeFile(options.out, `${JSON.stringify({ device: device.description, results }, null, 1)}\n`);
await device.close();
