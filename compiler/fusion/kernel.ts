/**
 * A kernel: what one dispatch computes, before it is decided how. For every coordinate of `domain`, each accumulator
 * reduces its body over `extents`, and each output is a value of the results.
 *
 * What holds: a kernel has one reduction space; outputs have the domain's shape; bodies and values read stored tensors
 * only (producers that were fused are already part of them).
 */
import type { Origin } from "../graph/graph.ts";
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
  readonly storage:
    | { readonly kind: "state"; readonly state: string }
    | { readonly kind: "temporary" }
    /** The same memory as another stored tensor, from an element offset on. */
    | { readonly kind: "alias"; readonly of: number; readonly offset: number };
}

function storedShape({ shape, pitch }: Pick<StoredTensor, "shape" | "pitch">): readonly number[] {
  return pitch === undefined ? shape : [...shape.slice(0, -1), pitch];
}

/** Elements from one coordinate to the next, along each axis. */
export function storageStrides(tensor: Pick<StoredTensor, "shape" | "pitch">): number[] {
  return rowMajorStrides(storedShape(tensor));
}

/** Elements that the tensor takes in memory, padding included. */
export function storageLength(tensor: Pick<StoredTensor, "shape" | "pitch">): number {
  return storedShape(tensor).reduce((product, extent) => product * extent, 1);
}

export interface FusedGraph {
  readonly name: string;
  readonly kernels: readonly Kernel[];
  readonly tensors: ReadonlyMap<number, StoredTensor>;
}
