/**
 * What `cnnc doctor` does.
 *
 * In: this machine. Out: a report. What holds: it never fails; what does not work is part of the report.
 */
import { availableParallelism, cpus, totalmem } from "node:os";
import { prepareEngine } from "../runtime/device/cpu/engine.ts";
import { type AdapterReport, describeGpu } from "../runtime/device/gpu/adapter.ts";
import { swiftShaderEnvironment, swiftShaderPackage } from "../runtime/device/gpu/swiftShader.ts";
import { type CommandContext, exitCode } from "./context.ts";
import { version } from "./version.ts";

type Gpu = Awaited<ReturnType<typeof describeGpu>>;

export async function examine({ out }: CommandContext): Promise<number> {
  const gpu = await examineGpu();
  const cpu = examineCpu();
  const lines = [
    `cnnc ${version()}, Node.js ${process.version}, ${process.platform} on ${process.arch}`,
    "",
    ...cpu.lines,
    "",
    ...gpuLines(gpu),
    "",
    ...(await advice(gpu, cpu.works)),
  ];
  out.write(`${lines.join("\n")}\n`);
  return exitCode.fine;
}

/** The message of whatever was thrown. */
function problemText(problem: unknown): string {
  return problem instanceof Error ? problem.message : String(problem);
}

async function examineGpu(): Promise<{ adapters: Gpu["adapters"]; problem: string | undefined }> {
  try {
    const { adapters, problem } = await describeGpu();
    return { adapters, problem: problem && `${problem.message}. ${problem.remedy}` };
  } catch (problem) {
    return { adapters: [], problem: problemText(problem) };
  }
}

function examineCpu(): { lines: string[]; works: boolean } {
  const memory = `${(totalmem() / 2 ** 30).toFixed(1)} GiB`;
  const head = [
    "CPU device (WebAssembly SIMD)",
    `  processor      ${cpus()[0]?.model.trim() || "unknown"}`,
    `  threads        ${availableParallelism()}`,
    `  memory         ${memory}`,
  ];
  try {
    const { relaxedSimd, joinsVectors } = prepareEngine();
    const relaxed = relaxedSimd ? "yes: a multiply and an addition in one instruction" : "no";
    const vectors = joinsVectors ? "256 bits: two of WebAssembly's at a time" : "128 bits";
    return { lines: [...head, `  relaxed SIMD   ${relaxed}`, `  vectors        ${vectors}`], works: true };
  } catch (problem) {
    return { lines: [...head, `  does not work: ${problemText(problem)}`], works: false };
  }
}

function gpuLines({ adapters, problem }: Awaited<ReturnType<typeof examineGpu>>): string[] {
  if (problem !== undefined) return ["GPU device (WebGPU)", `  does not work: ${problem}`];
  if (adapters.length === 0)
    return ["GPU device (WebGPU)", "  no adapter: there is no Vulkan, Metal or Direct3D 12 driver"];
  return adapters.flatMap((adapter, i) => [...(i > 0 ? [""] : []), ...adapterLines(adapter)]);
}

function adapterLines({ description, features, subgroupSizes, limits }: AdapterReport): string[] {
  const { name, driver, software } = description;
  return [
    `GPU device (WebGPU): ${name}${software ? ", in software" : ""}`,
    `  driver         ${driver}`,
    `  subgroups      ${subgroupSizes === undefined ? "no" : [...new Set(subgroupSizes)].join(" to ")}`,
    ...wrapped("  features       ", features),
    "  limits",
    ...Object.entries(limits).map(
      ([limit, value]) => `    ${limit.padEnd(34)} ${value.toLocaleString("en").padStart(14)}`,
    ),
  ];
}

/** A list in lines of at most a hundred columns, the later ones indented as the first. */
function wrapped(head: string, words: readonly string[]): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 100) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`${lines.length === 0 ? head : " ".repeat(head.length)}${word}`);
  }
  return lines;
}

async function advice(gpu: Awaited<ReturnType<typeof examineGpu>>, cpuWorks: boolean): Promise<string[]> {
  const hardware = gpu.adapters.find(({ description }) => !description.software);
  if (hardware) return [`cnnc train uses the GPU, ${hardware.description.name}.`];
  const lines = [
    cpuWorks
      ? "cnnc train uses the CPU device: WebGPU reaches no hardware GPU here."
      : "cnnc train finds no device here.",
    "",
    "For a faster one: if this machine has a GPU, install its Vulkan driver",
    "  Debian, Ubuntu (AMD, Intel)   apt-get install mesa-vulkan-drivers",
    "  NVIDIA                        the proprietary driver, 525 or later",
    "  macOS, Windows                nothing: Metal and Direct3D 12 come with the system",
  ];
  if (gpu.adapters.length > 0) return lines;
  const environment = await swiftShaderEnvironment().catch(() => undefined);
  const software =
    environment === undefined
      ? [
          "  apt-get install mesa-vulkan-drivers   (Mesa 23 or later; Debian 12 has it in bookworm-backports)",
          `  npm install ${swiftShaderPackage}   (needs no root; slower)`,
        ]
      : ["  SwiftShader is installed: `cnnc train --device gpu` finds it"];
  return [...lines, "", "To try WebGPU without a GPU, a software adapter (slower than the CPU device):", ...software];
}
