/**
 * The table of stacks: how each one's process is started, and in which variants.
 *
 * In: nothing. Out: entries by name. What holds: of a stack with variants the fastest is measured, found by a short trial.
 */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Mode } from "./task.ts";
import { benchFolder } from "./folders.ts";

export interface Variant {
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
}

export interface StackEntry {
  readonly title: string;
  readonly modes: readonly Mode[];
  readonly file: string;
  /** Before the task's folder. */
  readonly arguments: readonly string[];
  readonly variants: readonly Variant[];
  /** Whether it starts from the task's weights, so that its losses must be those of the others; else what it computes. */
  readonly comparable: true | string;
  /** Whether its kernels are compiled by a driver that keeps them in a cache. */
  readonly driverCache: boolean;
}

const plain: readonly Variant[] = [{ name: "", options: {}, environment: {} }];
const both = ["train", "predict"] as const;

function nodeStack(name: string, entry: Pick<StackEntry, "title"> & Partial<StackEntry>): StackEntry {
  return {
    modes: both,
    file: process.execPath,
    arguments: [join(benchFolder, "build", "stackProcess.js"), name],
    variants: plain,
    comparable: true,
    driverCache: false,
    ...entry,
  };
}

export const stackNames = ["cnnc-cpu", "cnnc-gpu", "pytorch", "onnxruntime", "tfjs", "jax", "convnetjs"] as const;
export type StackName = (typeof stackNames)[number];

export interface StackOptions {
  readonly python: string;
  /** A library file of OpenBLAS; looked for if not given. */
  readonly openblas: string | undefined;
}

export function stackTable(options: StackOptions): Readonly<Record<StackName, StackEntry>> {
  return {
    "cnnc-cpu": nodeStack("cnnc-cpu", { title: "cnnc, CPU device" }),
    "cnnc-gpu": nodeStack("cnnc-gpu", { title: "cnnc, WebGPU", driverCache: true }),
    pytorch: {
      title: "PyTorch",
      modes: both,
      file: options.python,
      arguments: [join(benchFolder, "stacks", "pytorch.py")],
      variants: pytorchVariants(options.openblas ?? findOpenblas()),
      comparable: true,
      driverCache: false,
    },
    onnxruntime: nodeStack("onnxruntime", { title: "ONNX Runtime", modes: ["predict"] }),
    tfjs: nodeStack("tfjs", { title: "TensorFlow.js, WebGPU", driverCache: true }),
    jax: nodeStack("jax", { title: "jax-js, WebGPU", driverCache: true }),
    convnetjs: nodeStack("convnetjs", {
      title: "ConvNetJS",
      comparable: "without batch normalisation, Adadelta, weights of its own",
    }),
  };
}

function pytorchVariants(openblas: string | undefined): Variant[] {
  const libraries: readonly Pick<Variant, "name" | "environment">[] = [
    { name: "its own BLAS", environment: {} },
    ...(openblas === undefined ? [] : [{ name: "OpenBLAS", environment: preload(openblas) }]),
  ];
  return libraries.flatMap(({ name, environment }) =>
    ["contiguous", "channels_last"].map((layout) => ({
      name: `${name}, ${layout}`,
      options: { layout },
      environment: { ...environment, CNNC_BENCH_BLAS: name },
    })),
  );
}

/** The library may stand beside others that it needs, or one folder below them. */
function preload(library: string): Record<string, string> {
  const { LD_LIBRARY_PATH: before = "" } = process.env;
  const folders = [dirname(library), dirname(dirname(library)), before].filter(Boolean);
  return { LD_PRELOAD: library, LD_LIBRARY_PATH: folders.join(":") };
}

/** Where Linux distributions put it. */
function findOpenblas(): string | undefined {
  for (const folder of ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"])
    for (const below of ["openblas-serial", "openblas-pthread", "openblas-openmp", "."])
      try {
        const found = readdirSync(join(folder, below)).find((name) => name === "libopenblas.so.0");
        if (found) return join(folder, below, found);
      } catch {
        // There is no such folder.
      }
  return undefined;
}
