/**
 * Failures of a device that arrive by themselves: loss, and errors that no scope caught.
 *
 * In: a device. Out: `failed`, which rejects with a `GpuError` at the first failure and otherwise never settles.
 */
import { GpuError } from "./gpuError.ts";

export interface FailureWatch {
  /** Throws the failure if there was one. */
  check(): void;
  /** Waits for `work`, or for the failure that makes waiting pointless. */
  race<T>(work: Promise<T>): Promise<T>;
}

export function watchFailures(device: GPUDevice): FailureWatch {
  let failure: GpuError | undefined;
  let reject: (problem: GpuError) => void = () => {};
  const failed = new Promise<never>((_, refuse) => (reject = refuse));
  failed.catch(() => {}); // It is looked at by whoever waits; nobody may be waiting.
  const fail = (problem: GpuError): void => {
    failure ??= problem;
    reject(failure);
  };
  void device.lost.then(({ reason, message }) => {
    if (reason !== "destroyed") fail(lost(message));
  });
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    fail(toGpuError(event.error.message, /memory/i.test(event.error.constructor.name), "a command"));
  });
  return {
    check() {
      if (failure) throw failure;
    },
    race: (work) => Promise.race([work, failed]),
  };
}

function lost(message: string): GpuError {
  return new GpuError(
    "device-lost",
    `the GPU device was lost${message ? `: ${message.split("\n")[0]}` : ""}`,
    "A driver reset or too little memory causes this. Resume from the last checkpoint, with a smaller batch if it returns.",
  );
}

/** The device's own message as an error. */
export function toGpuError(message: string, outOfMemory: boolean, what: string): GpuError {
  if (outOfMemory)
    return new GpuError(
      "out-of-memory",
      `the GPU has no memory left for ${what}`,
      "Use a smaller batch, close other programs that use the GPU, or use --device cpu.",
    );
  return new GpuError(
    "refused",
    `the GPU refused ${what}: ${message}`,
    "This is a fault of cnnc: please report it with the program that caused it. --device cpu may work meanwhile.",
  );
}

/** Runs `make` and throws a `GpuError` if the device refused it or ran out of memory. */
export async function guarded<T>(device: GPUDevice, what: string, make: () => T): Promise<T> {
  device.pushErrorScope("validation");
  device.pushErrorScope("out-of-memory");
  const made = make();
  const [memory, validation] = await Promise.all([device.popErrorScope(), device.popErrorScope()]);
  const problem = memory ?? validation;
  if (problem) throw toGpuError(problem.message, memory !== null, what);
  return made;
}
