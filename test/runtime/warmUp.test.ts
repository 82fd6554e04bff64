/** Kernels are compiled ahead, each once and each device one at a time; a warm cache needs no other device. */
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import type { RunnableKernel } from "../../compiler/plan/plan.ts";
import { type Compiler, createWarmUp } from "../../runtime/device/gpu/warmUp.ts";

interface Fake {
  readonly compiler: Compiler;
  /** Names of the kernels in the order in which it began them. */
  readonly begun: string[];
  readonly mostAtOnce: () => number;
}

/** A device that takes so long for each kernel. */
function fakeCompiler(milliseconds: number): Fake {
  const begun: string[] = [];
  let [running, most] = [0, 0];
  const pass = { setPipeline() {}, setBindGroup() {}, dispatchWorkgroups() {}, end() {} };
  const device = {
    createBuffer: () => ({ destroy() {} }),
    createBindGroup: () => ({}),
    createCommandEncoder: () => ({ beginComputePass: () => pass, finish: () => ({}) }),
    queue: {
      submit() {},
      async onSubmittedWorkDone() {
        await setTimeout(milliseconds);
        running--;
      },
    },
  };
  const pipelines = {
    layout: () => ({}),
    get({ name }: RunnableKernel) {
      begun.push(name);
      running++;
      most = Math.max(most, running);
      return Promise.resolve({});
    },
  };
  // Only what warming up uses of a device is there.
  return { compiler: { device, pipelines } as unknown as Compiler, begun, mostAtOnce: () => most };
}

/** The longer the name, the longer the text. */
function kernelOf(name: string): RunnableKernel {
  return { name, bindings: [], workgroups: 1, features: [], source: `let a = ${"1 + ".repeat(name.length)}0;` };
}

const names = Array.from({ length: 9 }, (_, i) => "kernel".padEnd(7 + i, "!"));

it("a cold cache takes all devices, each with one kernel at a time, the longest first", async () => {
  const [own, helper] = [fakeCompiler(80), fakeCompiler(90)];
  const warmUp = createWarmUp(own.compiler, () => Promise.resolve([helper.compiler]));
  for (const name of names.slice(0, 4)) warmUp.begin(kernelOf(name));
  await setTimeout(150);
  await warmUp.finish(names.map(kernelOf));
  expect([...own.begun, ...helper.begun].toSorted()).toEqual(names.toSorted());
  expect(Math.min(own.begun.length, helper.begun.length)).toBeGreaterThan(2);
  expect([own.mostAtOnce(), helper.mostAtOnce()]).toEqual([1, 1]);
  const later = helper.begun.slice(2).map(({ length }) => length);
  expect(later).toEqual(later.toSorted((a, b) => b - a));
});

it("a warm cache is left to the first run", async () => {
  const own = fakeCompiler(0);
  const warmUp = createWarmUp(own.compiler, () => Promise.reject(new Error("no other device is needed")));
  names.forEach((name) => warmUp.begin(kernelOf(name)));
  await setTimeout(50);
  await warmUp.finish(names.map(kernelOf));
  expect(own.begun.length).toBeLessThan(3);
});
