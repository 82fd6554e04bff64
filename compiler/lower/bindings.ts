/**
 * What a nest binds: the stored tensors behind its buffers' names.
 *
 * What holds: tensors that lie in the same memory are one binding; it is writable if any kernel of the nest writes it.
 */
import { type Kernel, resolveStorage, storageLength, type StoredTensor } from "../fusion/kernel.ts";
import { InvariantError } from "../graph/graph.ts";
import type { Binding } from "../nest/loopNest.ts";

type Tensors = ReadonlyMap<number, StoredTensor>;

function storageKey(tensors: ReadonlyMap<number, StoredTensor>, id: number): string {
  const { tensor, offset: from } = resolveStorage(tensors, id);
  const base = tensor.storage.kind === "state" ? `state ${tensor.storage.state}` : `temporary ${tensor.id}`;
  return `${base}+${from}`;
}

/** `conv2 filter gradient` becomes `conv2_filter_gradient`. */
export function identifier(label: string): string {
  const plain = label.replaceAll(/[^A-Za-z0-9]+/g, "_").replaceAll(/^_|_$/g, "");
  return /^[A-Za-z]/.test(plain) ? plain : `tensor_${plain}`;
}

export interface Bindings {
  /** The name of the buffer that holds the tensor. */
  readonly bind: (tensor: number) => string;
  readonly all: () => readonly { readonly binding: Binding; readonly tensor: number }[];
}

/**
 * Bindings of a nest that runs these kernels; what they write comes first. `bindsScratch`: of tensors that lie in scratch,
 * the caller gives the current chunk.
 */
export function createBindings(
  kernels: readonly Kernel[],
  tensors: Tensors,
  freshName: (hint: string) => string,
  bindsScratch: boolean,
): Bindings {
  const bindings = new Map<string, { binding: Binding; tensor: number }>();
  const outputs = kernels.flatMap((kernel) => kernel.outputs.map(({ tensor }) => tensor));
  const written = new Set(outputs.map((tensor) => storageKey(tensors, tensor)));
  const bind = (id: number): string => {
    const key = storageKey(tensors, id);
    const found = bindings.get(key);
    const tensor = tensors.get(id);
    if (!tensor) throw new InvariantError(`tensor ${id} is not stored`);
    const { storage } = tensor;
    const length = storageLength(tensor) / (storage.kind === "scratch" ? storage.chunks : 1);
    if (found) {
      if (length > found.binding.length) bindings.set(key, { binding: { ...found.binding, length }, tensor: id });
      return found.binding.name;
    }
    const name = freshName(identifier(tensor.label));
    const access = written.has(key) ? "readwrite" : "read";
    bindings.set(key, { binding: { name, type: tensor.type, access, length }, tensor: id });
    return name;
  };
  if (bindsScratch) outputs.forEach(bind);
  else outputs.filter((id) => tensors.get(id)?.storage.kind !== "scratch").forEach(bind);
  return { bind, all: () => [...bindings.values()] };
}
