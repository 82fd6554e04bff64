/**
 * A kernel: what one dispatch computes, before it is decided how. For every coordinate of `domain`, each accumulator
 * reduces its body over `extents`, and each output is a value of the results.
 *
 * What holds: a kernel has one reduction space; outputs have the domain's shape; bodies and values read stored tensors
 * only (producers that were fused are already part of them).
 */
import { InvariantError, type Origin } from "../graph/graph.ts";
import { type Index, rowMajorStrides } from "../nest/integer.ts";
import type { ElementType } from "../nest/loopNest.ts";
import type { ReductionOperator, Value } from "../value.ts";

export interface Accumulator {
  readonly operator: ReductionOperator;
  readonly body: (coordinates: readonly Index[], along: readonly Index[]) => Value;
}

export interface KernelOutput {
  readonly tensor: number;
  readonly value: (coordinates: readonly Index[], results: readonly Value[]) => Value;
}

export interface Kernel {
  readonly origins: readonly Origin[];
  readonly domain: readonly number[];
  /** Extents of the reduction axes; empty where nothing is reduced. */
  readonly extents: readonly number[];
  readonly accumulators: readonly Accumulator[];
  readonly outputs: readonly KernelOutput[];
  /** Whether it overwrites a state that it also reads: then no element may be computed twice. */
  readonly inPlace: boolean;
}

/** A tensor in memory: a state, the output of a kernel, or another view of one of them. */
export interface StoredTensor {
  readonly id: number;
  /** For names in printed kernels. */
  readonly label: string;
  readonly shape: readonly number[];
  readonly type: ElementType;
  /** Elements from one row (along the last axis) to the next, where rows are padded. */
  readonly pitch?: number;
  /** Elements left free behind each plane (all axes but the first two). */
  readonly gap?: number;
  readonly storage:
    | { readonly kind: "state"; readonly state: string }
    | { readonly kind: "temporary" }
    /** Memory of a thread; of the whole tensor, cut along its first axis, the part of the current chunk. */
    | { readonly kind: "scratch"; readonly chunks: number }
    /** The same memory as another stored tensor, from an element offset on. */
    | { readonly kind: "alias"; readonly of: number; readonly offset: number };
}

type Layout = Pick<StoredTensor, "shape" | "pitch" | "gap">;

/** Elements from one coordinate to the next, along each axis. */
export function storageStrides({ shape, pitch, gap = 0 }: Layout): number[] {
  const strides = rowMajorStrides(pitch === undefined ? shape : [...shape.slice(0, -1), pitch]);
  if (gap === 0) return strides;
  const plane = (strides[1] ?? 0) + gap;
  return [plane * (shape[1] ?? 1), plane, ...strides.slice(2)];
}

/** Elements that the tensor takes in memory, padding included. */
export function storageLength(tensor: Layout): number {
  const last = tensor.shape.length === 1 ? tensor.pitch : undefined;
  return last ?? (storageStrides(tensor)[0] ?? 1) * (tensor.shape[0] ?? 1);
}

/** The stored tensor and element offset that an alias stands for. */
export function resolveStorage(
  tensors: ReadonlyMap<number, StoredTensor>,
  id: number,
): { tensor: StoredTensor; offset: number } {
  let from = 0;
  let tensor = tensors.get(id);
  while (tensor?.storage.kind === "alias") {
    from += tensor.storage.offset;
    tensor = tensors.get(tensor.storage.of);
  }
  if (!tensor) throw new InvariantError(`tensor ${id} is not stored`);
  return { tensor, offset: from };
}

export interface FusedGraph {
  readonly name: string;
  readonly kernels: readonly Kernel[];
  readonly tensors: ReadonlyMap<number, StoredTensor>;
}
