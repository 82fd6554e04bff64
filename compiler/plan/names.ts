/** Names of kernels as people read them, and the comments at the head of printed kernels. */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import type { Origin } from "../graph/graph.ts";
import type { LoweredKernel } from "../lower/lowerKernel.ts";
import { printSchedule, type Schedule } from "../schedule/schedule.ts";

/** `conv2 (line 5): filter gradient` */
export function originText({ layer, line, role }: Origin): string {
  const place = line > 0 ? ` (line ${line})` : "";
  return role === "forward" ? `${layer}${place}` : `${layer}${place}: ${role}`;
}

/** `conv2 (line 5): filter gradient`; of several origins, the first, and how many more. */
export function kernelName(kernel: Kernel, isParts: boolean): string {
  const names = [...new Set(kernel.origins.map(originText))];
  const [first = "kernel"] = names;
  const more = names.length > 1 ? ` + ${names.length - 1} more` : "";
  return `${first}${more}${isParts ? " (parts)" : ""}`;
}

const shapeOf = (shape: readonly number[]): string => `[${shape.join(", ")}]`;

function tensorText(id: number, tensors: ReadonlyMap<number, StoredTensor>): string {
  const stored = tensors.get(id);
  return `${stored?.label ?? id} ${shapeOf(stored?.shape ?? [])}`;
}

/** Adds to the head of a nest what it reads and does not write: known only after lowering. */
export function withReads(lowered: LoweredKernel, tensors: ReadonlyMap<number, StoredTensor>): LoweredKernel {
  const { nest, tensors: bound } = lowered;
  const reads = nest.bindings.flatMap(({ access }, i) =>
    access === "read" ? [`reads ${tensorText(bound[i] ?? -1, tensors)}`] : [],
  );
  return { ...lowered, nest: { ...nest, header: [...nest.header, ...reads] } };
}

export function kernelHeader(kernel: Kernel, tensors: ReadonlyMap<number, StoredTensor>, schedule: Schedule): string[] {
  const outputs = kernel.outputs.map(({ tensor }) => `writes ${tensorText(tensor, tensors)}`);
  const reduction = kernel.extents.length > 0 ? [`reduces over ${shapeOf(kernel.extents)}`] : [];
  return [
    ...new Set(kernel.origins.map((origin) => `computes ${originText(origin)}`)),
    ...outputs,
    ...reduction,
    `schedule: ${printSchedule(schedule)}`,
  ];
}

/** The name of kernels that run side by side: two names, or the first and how many more. */
export function togetherName(names: readonly string[]): string {
  return names.length <= 2 ? names.join("; ") : `${names[0]}; ${names.length - 1} more beside it`;
}

/** The name of kernels that run one after another: two names, or the first, the last and how many between. */
export function chainName(names: readonly string[]): string {
  const [first = "", last = ""] = [names[0], names.at(-1)];
  return names.length <= 2 ? names.join(", ") : `${first} to ${last} (${names.length} kernels)`;
}

/** The heads of kernels that run side by side, one after the other. */
export function togetherHeader(
  kernels: readonly { readonly name: string; readonly header: readonly string[] }[],
): string[] {
  return kernels.flatMap(({ name, header }) => [`${name}:`, ...header.map((line) => `  ${line}`)]);
}

/** `07-conv2-filter-gradient` */
export function fileName(number: number, name: string): string {
  const words = name
    .replace(/ \(line \d+\)/g, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "");
  return `${String(number).padStart(2, "0")}-${words}`;
}
