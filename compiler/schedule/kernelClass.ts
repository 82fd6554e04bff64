/**
 * Kernels that differ in which tensors they touch and in nothing else: the layers of a deep network, many times.
 *
 * In: a kernel. Out: the number of its class, and its tensors in the order in which the class counts them. What holds: definitions
 * are functions of coordinates, so they are compared by what they give: for all coordinates at once, and at the first and the last
 * ones. How tensors lie in memory is no part of a class; `classKey` adds it.
 */
import type { Kernel, StoredTensor } from "../fusion/kernel.ts";
import { type Index, index } from "../nest/integer.ts";
import { describeKernel, layoutText } from "./describeKernel.ts";
import { resultsOf, type SymbolicKernel, symbolicKernel } from "./symbolic.ts";

export interface KernelClass {
  readonly number: number;
  readonly tensors: readonly number[];
}

const classes = new WeakMap<Kernel, KernelClass>();
/** Numbers by description; a number is never given twice, also where these are forgotten. */
const numbers = new Map<string, number>();
const mostNumbers = 5000;
let given = 0;

export function classOf(kernel: Kernel): KernelClass {
  const found = classes.get(kernel) ?? classify(kernel);
  classes.set(kernel, found);
  return found;
}

function classify(kernel: Kernel): KernelClass {
  const { lines, tensors } = describeKernel(kernel, probes(kernel));
  const text = lines.join("\n");
  const number = numbers.get(text) ?? given++;
  if (numbers.size >= mostNumbers) numbers.clear();
  numbers.set(text, number);
  return { number, tensors };
}

/** The definition for all coordinates at once, and at the first and the last ones. */
function probes(kernel: Kernel): Pick<SymbolicKernel, "bodies" | "outputs">[] {
  const results = resultsOf(kernel);
  const at = (place: (extent: number) => Index) => {
    const [coordinates, along] = [kernel.domain.map(place), kernel.extents.map(place)];
    return {
      bodies: kernel.accumulators.map(({ body }) => body(coordinates, along)),
      outputs: kernel.outputs.map(({ value }) => value(coordinates, results)),
    };
  };
  return [symbolicKernel(kernel), at(() => index(0)), at((extent) => index(Math.max(0, extent - 1)))];
}

/** Of kernels that differ in which tensors they touch, and in which of them share memory. */
export function classKey(kernel: Kernel, tensors: ReadonlyMap<number, StoredTensor>): string {
  const { number, tensors: touched } = classOf(kernel);
  return [number, ...touched.map((id) => layoutText(tensors.get(id)))].join("\n");
}
