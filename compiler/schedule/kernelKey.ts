/**
 * A kernel's key: a short text for what it computes, by which schedules are looked up.
 *
 * In: a kernel, its tensors, the chunks it is cut into, the kind of target. Out: a hash of its definition. What holds: the
 * key depends on shapes, layouts and the structure of what is computed alone, not on names, layers or the numbers of tensors,
 * so that equal kernels share it, in any network. What no schedule depends on is left out: constants (rates of dropout, counters
 * of random draws), and which tensors lie in the same memory.
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import type { Target } from "../target.ts";
import { describeKernel, layoutText } from "./describeKernel.ts";
import { symbolicKernel } from "./symbolic.ts";

type Tensors = ReadonlyMap<number, StoredTensor>;

export function kernelKey(kernel: Kernel, tensors: Tensors, kind: Target["kind"], chunks?: number): string {
  const { lines, tensors: touched } = describeKernel(kernel, [symbolicKernel(kernel)], "left out");
  const layouts = touched.map((id) => layoutText(tensors.get(id)));
  return hash([kind, `chunks ${chunks ?? "free"}`, ...lines, ...layouts].join("\n"));
}

/** 128 bits in hexadecimal digits: four runs of FNV-1a from different starts. */
function hash(text: string): string {
  const parts = [0x811c9dc5, 0x01234567, 0x9e3779b9, 0x7f4a7c15];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    for (let part = 0; part < parts.length; part++)
      parts[part] = Math.imul((parts[part] ?? 0) ^ unit ^ (part << 8), 0x01000193);
  }
  return parts.map((part) => (part >>> 0).toString(16).padStart(8, "0")).join("");
}
