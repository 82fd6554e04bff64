/**
 * Compiling kernels before they run, on all cores, where the driver would do it when they run, on one.
 *
 * Mesa's lavapipe compiles a kernel when it is first dispatched, one after another. It keeps what it compiled on disk, for
 * every device: so other devices of the same adapter compile half of a program's kernels.
 *
 * In: kernels, also those of a plan that is still being made. Out: they are compiled. What holds: what fails here fails
 * again, and is reported, where it matters.
 */
import { setImmediate } from "node:timers/promises";
import type { RunnableKernel } from "../../../compiler/plan/plan.ts";
import { bufferUsage } from "./dawn.ts";
import type { Pipelines } from "./pipelines.ts";
import { waitQuietly } from "./quietWait.ts";
import { sharedTextOf } from "./sharedText.ts";

export interface Compiler {
  readonly device: GPUDevice;
  readonly pipelines: Pipelines;
}

export interface WarmUp {
  /** Begins to compile a kernel, beside a caller that is busy: on one core. */
  begin(kernel: RunnableKernel): void;
  /** Compiles kernels, and all that has begun, on all cores; resolves when it is done. */
  finish(kernels: readonly RunnableKernel[]): Promise<void>;
}

/** A long kernel that is there sooner was on disk, and so are the others: not worth other devices. */
const fromDiskMilliseconds = 60;
const leastTurns = 4;

/** Bytes of each binding: addresses beyond are kept inside by the device. */
const bindingBytes = 256;

interface Waiting {
  readonly kernel: RunnableKernel;
  readonly length: number;
}

/** `own` compiles too; `helpers` are asked for when there is something to compile. */
export function createWarmUp(own: Compiler, helpers: () => Promise<readonly Compiler[]>): WarmUp {
  const known = new Set<string>();
  let waiting: Waiting[] = [];
  let beginning: Promise<void> | undefined;
  let isCold = false;
  const begun = new Set<Promise<void>>();
  const add = (kernel: RunnableKernel): void => {
    const text = sharedTextOf(kernel);
    if (known.has(text)) return;
    known.add(text);
    waiting.push({ kernel, length: text.length });
  };
  /** The longest first, so that no core has one left at the end. */
  const next = (compiler: Compiler): Promise<void> | undefined => {
    if (waiting.length === 0) return undefined;
    const longest = waiting.reduce((a, b) => (b.length > a.length ? b : a));
    waiting = waiting.filter((one) => one !== longest);
    const work = compileByRunning(compiler, longest.kernel)
      .catch(() => {})
      .finally(() => begun.delete(work));
    begun.add(work);
    return work;
  };
  const compileAll = async (compiler: Compiler): Promise<void> => {
    for (let work = next(compiler); work; work = next(compiler)) await work;
  };
  /** One kernel at a time for each: one that it could not begin yet would be missing where another has nothing left. */
  const busy = new Map<Compiler, Promise<void>>();
  const compileWaiting = (compiler: Compiler): Promise<void> => {
    const work = busy.get(compiler) ?? compileAll(compiler).finally(() => busy.delete(compiler));
    busy.set(compiler, work);
    return work;
  };
  /** Where the first kernel was on disk, the others need no device of their own: `finish` and the first run find them. */
  const beginWaiting = async (): Promise<void> => {
    const first = isCold ? undefined : next(own);
    if (first && (await isSettledSoon(first))) return;
    isCold = true;
    // Not by the device itself: a queue that compiles a kernel keeps its device from creating pipelines.
    const [helper] = await helpers();
    if (helper) await compileWaiting(helper);
    beginning = undefined;
  };
  return {
    begin(kernel) {
      add(kernel);
      beginning ??= beginWaiting().catch(() => {});
    },
    finish: (kernels) =>
      waitQuietly(
        (async () => {
          kernels.forEach(add);
          const longest = next(own);
          if (longest && (await isSettledSoon(longest))) waiting = [];
          const others = waiting.length > 0 ? (await helpers()).map(compileWaiting) : [];
          await longest;
          await Promise.all([compileWaiting(own), ...others]);
          await Promise.all(begun);
        })(),
      ),
  };
}

/** Dawn settles its promises in turns of the event loop, which may take long where the caller is busy: so some must pass. */
async function isSettledSoon(work: Promise<void>): Promise<boolean> {
  let settled = false;
  const watched = work.then(() => (settled = true));
  const end = performance.now() + fromDiskMilliseconds;
  const isOver = (turns: number): boolean => settled || (turns >= leastTurns && performance.now() >= end);
  for (let turns = 0; !isOver(turns); turns++) await Promise.race([watched, setImmediate()]);
  return settled;
}

/** Runs one workgroup on memory of its own. */
async function compileByRunning({ device, pipelines }: Compiler, kernel: RunnableKernel): Promise<void> {
  const pipeline = await pipelines.get(kernel);
  const count = kernel.bindings.length;
  const memory = device.createBuffer({ size: count * bindingBytes, usage: bufferUsage.storage });
  const entries = kernel.bindings.map((_, binding): GPUBindGroupEntry => {
    return { binding, resource: { buffer: memory, offset: binding * bindingBytes, size: bindingBytes } };
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipelines.layout(count), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  device.queue.submit([encoder.finish()]);
  await device.queue.onSubmittedWorkDone();
  memory.destroy();
}
