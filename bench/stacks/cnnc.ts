/** This project, on the CPU device or on WebGPU. Its facts are those of the plan. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compile, type ExecutionPlan } from "../../compiler/index.ts";
import { seedCounter } from "../../compiler/nest/random.ts";
import { shapeElements } from "../../language/index.ts";
import { type Device, openCpuDevice, openGpuDevice, type Session } from "../../runtime/index.ts";
import { loadCheckpoint } from "../../runtime/train/checkpoint.ts";
import { openPlanState, type PlanState } from "../../runtime/train/planState.ts";
import { measurePeaks } from "../../runtime/profile/peaks.ts";
import type { Facts } from "../protocol.ts";
import { files, type Task } from "../task.ts";
import type { OpenStack, Stack } from "./stack.ts";
import { readImages } from "./taskData.ts";

export const cnncCpu: Stack = { open: (task, folder) => openOn(() => openCpuDevice(), task, folder) };
export const cnncGpu: Stack = {
  open: (task, folder) => openOn(() => openGpuDevice({ allowSoftware: true }), task, folder),
};

interface Opened {
  readonly task: Task;
  readonly device: Device;
  readonly plan: ExecutionPlan;
  readonly session: Session;
  readonly state: PlanState;
}

async function openOn(openDevice: () => Promise<Device>, task: Task, folder: string): Promise<OpenStack> {
  const device = await openDevice();
  const { model, recipe, count } = task;
  const started = performance.now();
  const counts = { train: count, test: recipe.batch };
  const { plan } = compile(model, recipe, { counts, target: device.target });
  const compiled = performance.now();
  const session = await device.open(plan);
  const times = { compileMilliseconds: compiled - started, openMilliseconds: performance.now() - compiled };
  const state = openPlanState(session, plan);
  state.set("control.seed", seedCounter(recipe.seed));
  await session.run("initialise");
  loadCheckpoint(model, state, readFileSync(join(folder, files.weights)), files.weights);
  const opened = { task, device, plan, session, state };
  const run = task.mode === "train" ? trainer(opened, folder) : predictor(opened, folder);
  return {
    run,
    facts: async (peaks) => ({ ...factsOf(opened), ...times, ...(peaks ? { peaks: await measurePeaks(device) } : {}) }),
  };
}

function trainer({ task, session, state, plan }: Opened, folder: string): OpenStack["run"] {
  const { images, labels } = readImages(folder);
  let done = 0;
  for (const name of Object.keys(plan.tensors).filter((table) => table.startsWith("train.images"))) {
    const length = state.shapeOf(name).reduce((product, extent) => product * extent, 1);
    state.write(name, images.subarray(done, (done += length)));
  }
  state.write("train.labels", labels);
  state.write(
    "train.order",
    Uint32Array.from(labels, (_, i) => i),
  );
  const stepsPerEpoch = Math.floor(task.count / task.recipe.batch);
  return async (first, count, every) => {
    const place = first % stepsPerEpoch;
    // A burst that would pass the end of the data takes its beginning instead.
    state.set("control.batch", place + count > stepsPerEpoch ? 0 : place);
    const losses: number[] = [];
    for (let step = 0; step < count; step += every ? 1 : count) {
      await session.run("trainStep", every ? 1 : count);
      losses.push(await state.get("metrics.lastLoss"));
    }
    return losses;
  };
}

function predictor({ task, session, state }: Opened, folder: string): OpenStack["run"] {
  const elements = shapeElements(task.model.input) * task.recipe.batch;
  const floats = Float32Array.from(readImages(folder).images);
  return async (first, count) => {
    let logits = new Float32Array();
    for (let step = first; step < first + count; step++) {
      const start = (step * elements) % floats.length;
      state.write("predict.input", floats.subarray(start, start + elements));
      await session.run("predict");
      logits = await state.read("predict.logits");
    }
    return [...logits];
  };
}

function factsOf({ task, device, plan }: Opened): Facts {
  const dispatches = plan.programs[task.mode === "train" ? "trainStep" : "predict"] ?? [];
  const costs = dispatches.flatMap(({ kernel }) => plan.kernels[kernel]?.cost ?? []);
  const { name, driver } = device.description;
  return {
    version: "this checkout",
    device: driver.startsWith(name) ? driver : `${name} (${driver})`,
    dispatches: dispatches.length,
    operations: costs.reduce((sum, { operations }) => sum + operations, 0),
    bytes: costs.reduce((sum, { bytesRead, bytesWritten }) => sum + bytesRead + bytesWritten, 0),
    // Images, labels and orders have buffers of their own, named after them.
    deviceBytes: plan.buffers
      .filter(({ name: buffer }) => !/^(?:train|test)\./.test(buffer))
      .reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
