/**
 * What of a kernel decides its schedule and its loops, as a text.
 *
 * In: a kernel and its tensors. Out: a key, and the kernel's tensors in the order in which the key counts them. What holds:
 * kernels of one key differ in which tensors they touch and in nothing else.
 */
import { type Kernel, resolveStorage, type StoredTensor } from "../fusion/kernel.ts";
import { layoutText } from "../schedule/describeKernel.ts";
import { classOf } from "../schedule/kernelClass.ts";

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
  const { number, tensors: touched } = classOf(kernel);
  return { key: [number, ...describeTensors(touched, tensors)].join("\n"), tensors: touched };
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
