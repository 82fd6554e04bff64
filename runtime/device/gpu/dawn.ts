/**
 * Dawn, WebGPU's native implementation, through the npm package `webgpu`.
 *
 * In: nothing. Out: the one `GPU` object of this process. What holds: the package is loaded on first use only; the object
 * stays referenced while anyone holds it (it must not be collected before its devices), and after the last release
 * nothing keeps the process alive.
 */
import { tmpdir } from "node:os";
import { GpuError, messageOf } from "./gpuError.ts";

/** WebGPU's constants, which the package does not define by itself. */
export const bufferUsage = { mapRead: 1, copySource: 4, copyDestination: 8, storage: 128, queryResolve: 512 } as const;
export const mapModeRead = 1;
export const shaderStageCompute = 4;

/** Scratch memory need not be zeroed for our kernels; profiles want exact times. */
const toggles = ["enable-dawn-features=disable_workgroup_init", "disable-dawn-features=timestamp_quantization"];

interface Dawn {
  readonly create: (flags: string[]) => GPU;
}

let shared: { readonly gpu: GPU; holders: number } | undefined;

/** The `GPU` object and a function that gives it back. Throws a `GpuError` where the package does not load. */
export async function holdGpu(): Promise<{ gpu: GPU; release: () => void }> {
  const { create } = await loadDawn();
  shared ??= { gpu: create(toggles), holders: 0 };
  const held = shared;
  held.holders++;
  let released = false;
  const release = (): void => {
    if (released) return;
    released = true;
    if (--held.holders === 0 && shared === held) shared = undefined;
  };
  return { gpu: held.gpu, release };
}

async function loadDawn(): Promise<Dawn> {
  // Mesa warns on standard error where this is missing.
  process.env["XDG_RUNTIME_DIR"] ??= tmpdir();
  try {
    return (await import("webgpu")) as Dawn;
  } catch (problem) {
    throw new GpuError(
      "no-webgpu",
      `the npm package "webgpu" does not load: ${messageOf(problem)}`,
      "Run `npm install webgpu` (it has builds for Linux, macOS and Windows on x64 and arm64), or use --device cpu.",
    );
  }
}
