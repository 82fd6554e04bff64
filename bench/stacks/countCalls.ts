/**
 * WebGPU in Node.js as browsers have it, with its calls counted: for stacks that expect `navigator.gpu`.
 *
 * In: nothing. Out: counters that grow with every call. What holds: the object of the package stays referenced, since what it
 * made dies with it.
 */

export interface Calls {
  dispatches: number;
  /** Of all buffers that exist. */
  deviceBytes: number;
}

type Method = (this: object, ...given: unknown[]) => unknown;

interface WebGpuPackage {
  readonly create: (flags: readonly string[]) => GPU;
  readonly globals: Readonly<Record<string, { readonly prototype: Record<string, unknown> }>>;
}

let held: GPU | undefined;

export async function provideWebGpu(): Promise<Calls> {
  const name = "webgpu";
  const { create, globals } = (await import(name)) as WebGpuPackage;
  Object.assign(globalThis, globals);
  held = create([]);
  provideNavigator({ gpu: held });
  return countCalls(globals);
}

/** What libraries look for in a browser. */
export function provideNavigator(more: object): void {
  const value = { userAgent: "Node.js", hardwareConcurrency: 1, ...more };
  Object.defineProperty(globalThis, "navigator", { value, configurable: true, writable: true });
}

function countCalls(globals: WebGpuPackage["globals"]): Calls {
  const calls: Calls = { dispatches: 0, deviceBytes: 0 };
  const sizes = new WeakMap<object, number>();
  const wrap = (of: string, method: string, after: (self: object, result: unknown) => void): void => {
    const prototype = globals[of]?.prototype;
    const original = prototype?.[method] as Method | undefined;
    if (!prototype || !original) return;
    prototype[method] = function counted(this: object, ...given: unknown[]): unknown {
      const result = original.apply(this, given);
      after(this, result);
      return result;
    };
  };
  wrap("GPUComputePassEncoder", "dispatchWorkgroups", () => calls.dispatches++);
  wrap("GPUComputePassEncoder", "dispatchWorkgroupsIndirect", () => calls.dispatches++);
  wrap("GPUDevice", "createBuffer", (_, made) => {
    const buffer = made as GPUBuffer;
    sizes.set(buffer, buffer.size);
    calls.deviceBytes += buffer.size;
  });
  wrap("GPUBuffer", "destroy", (buffer) => {
    calls.deviceBytes -= sizes.get(buffer) ?? 0;
    sizes.delete(buffer);
  });
  return calls;
}

/** Dispatches of a step, from the counters before and after some steps. */
export function createStepCounter(calls: Calls) {
  let steps = 0;
  let dispatches = 0;
  return {
    async during<T>(count: number, work: () => Promise<T>): Promise<T> {
      const before = calls.dispatches;
      const result = await work();
      // The first steps may compile and set up: the last run counts.
      [steps, dispatches] = [count, calls.dispatches - before];
      return result;
    },
    facts: () => ({ dispatches: Math.round(dispatches / Math.max(1, steps)), deviceBytes: calls.deviceBytes }),
  };
}
