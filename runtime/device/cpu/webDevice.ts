/**
 * The CPU device of a browser: Web Workers in a page that is cross-origin isolated, else the page's own thread.
 */
import { CpuError } from "./cpuError.ts";
import { type CpuDevice, type CpuOptions, openDevice } from "./openDevice.ts";
import { compiles } from "./probe.ts";
import { startWebThread } from "./webThread.ts";

/** The globals of a browser that are used here (TypeScript has them only with all of the DOM). */
interface Page {
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: { readonly hardwareConcurrency?: number; readonly userAgent?: string };
}

/** Throws a `CpuError`: `no-simd` where the browser lacks what kernels need, `refused` for options that the page cannot have. */
export async function openCpuDevice(options: CpuOptions = {}): Promise<CpuDevice> {
  const { crossOriginIsolated = false, navigator: { userAgent, hardwareConcurrency = 1 } = {} } = globalThis as Page;
  if (!compiles({ relaxedSimd: false, unsharedMemory: true }))
    throw new CpuError(
      "no-simd",
      "this browser has no WebAssembly SIMD",
      "Use Chrome or Edge 91, Firefox 89, Safari 16.4, or a later one.",
    );
  return openDevice(
    {
      engine: userAgent ?? "a browser",
      processors: hardwareConcurrency,
      // A browser does not tell.
      memoryBytes: Infinity,
      simd: { relaxedSimd: compiles({ relaxedSimd: true, unsharedMemory: true }) },
      sharedMemory: {
        works: crossOriginIsolated && compiles({ relaxedSimd: false }),
        remedy:
          "Serve the page with `Cross-Origin-Opener-Policy: same-origin` and `Cross-Origin-Embedder-Policy: require-corp`.",
      },
      startThread: startWebThread,
    },
    options,
  );
}
