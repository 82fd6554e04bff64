/**
 * One use of an operator as a graph case: its output, and its gradients where they are asked for.
 *
 * What holds: inputs are multiples of 1/64 (or whole numbers), so that sums of products are exact in float32.
 */
import { differentiate } from "../../compiler/graph/differentiate.ts";
import { size } from "../../compiler/graph/graph.ts";
import { uniform } from "../../compiler/nest/random.ts";
import type { OperatorAttributes, OperatorName } from "../../compiler/operators/operator.ts";
import { operators } from "../../compiler/operators/table.ts";
import { type CaseGraph, type GraphCase, type InputTensor, origin } from "./graphCase.ts";
import type { Tolerance } from "./tolerance.ts";

export interface OperatorSample extends GraphCase {
  readonly operator: OperatorName;
  /** Inputs that the outputs are differentiated by. */
  readonly differentiable: readonly string[];
  /** Of float32. */
  readonly tolerance: Tolerance;
}

/** Multiples of 1/64 from -2 on, below 2. */
export function values(shape: readonly number[], seed: number): InputTensor {
  const data = Float64Array.from({ length: size(shape) }, (_, i) => Math.floor(uniform(i, seed, 5) * 256) / 64 - 2);
  return { shape, data };
}

/** The same, all different where there are at most 256; a few values alone where ties are wanted. */
export function comparable(shape: readonly number[], seed: number, ties: boolean): InputTensor {
  const length = size(shape);
  const data = Float64Array.from({ length }, (_, i) =>
    ties ? Math.floor(uniform(i, seed, 6) * 3) : ((i * 97 + seed) % 257) / 64 - 2,
  );
  return { shape, data };
}

export function integers(
  shape: readonly number[],
  below: number,
  seed: number,
  type: "f32" | "u32" | "u8",
): InputTensor {
  const data = Float64Array.from({ length: size(shape) }, (_, i) => Math.floor(uniform(i, seed, 7) * below));
  return { shape, data, type };
}

/** Sums of at most a few hundred products of multiples of 1/64: exact. */
export const exact: Tolerance = { relative: 0, ofLargest: 0 };

interface Use<K extends OperatorName> {
  readonly attributes: OperatorAttributes[K];
  readonly inputs: Readonly<Record<string, InputTensor>>;
  readonly seed: number;
  /** None, if not given. */
  readonly differentiable?: readonly string[];
  readonly tolerance?: Tolerance;
}

/** `out`, and the gradients of `sum(out · upstream)`. */
export function sampleOf<K extends OperatorName>(operator: K, use: Use<K>): OperatorSample {
  const { attributes, inputs, seed, differentiable = [], tolerance = exact } = use;
  const names = Object.keys(inputs);
  const shapes = Object.values(inputs).map(({ shape }) => shape);
  const upstream = values(operators[operator].shape(attributes, shapes), seed + 1);
  return {
    operator,
    name: `${operator} of ${shapes.map((shape) => shape.join("x")).join(", ")} with ${JSON.stringify(attributes)}, seed ${seed}`,
    inputs: differentiable.length > 0 ? { ...inputs, upstream } : inputs,
    differentiable,
    tolerance,
    build: (graph) => {
      const out = graph.builder.add(operator, attributes, names.map(graph.input), origin);
      return { out, ...gradientsOf(graph, out, differentiable) };
    },
  };
}

export function gradientsOf({ builder, input }: CaseGraph, out: number, by: readonly string[]): Record<string, number> {
  if (by.length === 0) return {};
  const gradients = differentiate(builder, out, by.map(input), input("upstream"));
  return Object.fromEntries(
    by.flatMap((name) => {
      const gradient = gradients.get(input(name));
      return gradient === undefined ? [] : [[`gradient of ${name}`, gradient]];
    }),
  );
}
