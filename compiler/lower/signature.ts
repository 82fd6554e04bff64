/**
 * What of a kernel decides its schedule and its loops, as a text.
 *
 * In: a kernel and its tensors. Out: a key, and the kernel's tensors in the order in which the key counts them. What holds:
 * kernels of one key differ in which tensors they touch and in nothing else. Definitions are functions of coordinates, so
 * they are compared by what they give: for all coordinates at once, and at the first and the last ones.
 */
import { type Kernel, resolveStorage, type StoredTensor } from "../fusion/kernel.ts";
import { type Index, index } from "../nest/integer.ts";
import { describeKernel, layoutText } from "../schedule/describeKernel.ts";
import { resultsOf, type SymbolicKernel, symbolicKernel } from "../schedule/symbolic.ts";

type Tensors = ReadonlyMap<number, StoredTensor>;

export interface Signature {
  readonly key: string;
  readonly tensors: readonly number[];
}

const known = new WeakMap<Kernel, Map<Tensors, Signature>>();

export function signatureOf(kernel: Kernel, tensors: Tensors): Signature {
  const ofKernel = known.get(kernel) ?? new Map<Tensors, Signature>();
  known.set(kernel, ofKernel);
  const found = ofKernel.get(tensors) ?? makeSignature(kernel, tensors);
  ofKernel.set(tensors, found);
  return found;
}

function makeSignature(kernel: Kernel, tensors: Tensors): Signature {
  const { lines, tensors: touched } = describeKernel(kernel, probes(kernel));
  return { key: [...lines, ...describeTensors(touched, tensors)].join("\n"), tensors: touched };
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

/** How tensors lie in memory, and which of them in the same memory. */
export function describeTensors(ids: readonly number[], tensors: Tensors): string[] {
  const memories = new Map<string, number>();
  return ids.map((id) => {
    const described = tensors.get(id);
    const { tensor, offset } = resolveStorage(tensors, id);
    const place = `${tensor.storage.kind === "state" ? tensor.storage.state : tensor.id}+${offset}`;
    const memory = memories.get(place) ?? memories.size;
    memories.set(place, memory);
    const { storage } = described ?? {};
    const chunks = storage?.kind === "scratch" ? storage.chunks : 0;
    return `${layoutText(described)} ${storage?.kind} ${chunks} ${memory}`;
  });
}
