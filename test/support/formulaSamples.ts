/**
 * Random formulas for the operator `map`: every scalar function by itself over its whole domain, and trees of them.
 *
 * What holds: both tables are exhaustive; no argument lies on a corner (multiples of 1/64 moved by 1/128), and trees are
 * made of functions that are smooth everywhere, so that finite differences make sense.
 */
import fc from "fast-check";
import { differentiate } from "../../compiler/graph/differentiate.ts";
import { size } from "../../compiler/graph/graph.ts";
import type { BinaryOperator, UnaryOperator } from "../../compiler/nest/loopNest.ts";
import { uniform } from "../../compiler/nest/random.ts";
import {
  argument,
  binary,
  choose,
  coordinate,
  type Formula,
  number,
  plus,
  times,
  unary,
} from "../../compiler/operators/formula.ts";
import { broadcastShape } from "../../compiler/operators/tensors.ts";
import { type InputTensor, origin } from "./graphCase.ts";
import type { OperatorSample } from "./operatorSample.ts";
import type { Tolerance } from "./tolerance.ts";

type Range = readonly [number, number];

/** Where each function is looked at. */
const unaryDomains: Record<UnaryOperator, Range> = {
  negate: [-4, 4],
  absolute: [-4, 4],
  exponential: [-8, 4],
  logarithm: [0.1, 8],
  squareRoot: [0.1, 8],
  inverseSquareRoot: [0.1, 8],
  reciprocal: [0.25, 8],
  tanh: [-5, 5],
  floor: [-4, 4],
  ceil: [-4, 4],
  sine: [-7, 7],
  cosine: [-7, 7],
  errorFunction: [-4, 4],
};

/** Ranges of the left and the right operand; the exponent of a power is a constant. */
const binaryDomains: Record<BinaryOperator, readonly [Range, Range]> = {
  add: [[-4, 4], [-4, 4]],
  subtract: [[-4, 4], [-4, 4]],
  multiply: [[-4, 4], [-4, 4]],
  divide: [[-4, 4], [0.25, 4]],
  minimum: [[-4, 4], [-4, 4]],
  maximum: [[-4, 4], [-4, 4]],
  power: [[0.1, 4], [2.5, 2.5]],
}; // prettier-ignore

const smooth = ["tanh", "sine", "cosine", "errorFunction"] as const satisfies readonly UnaryOperator[];

/** Devices approximate: a few units in the last place of what the function sums up inside. */
const approximate: Tolerance = { relative: 5e-6, ofLargest: 5e-6, absolute: 1e-6 };

function within([low, high]: Range, shape: readonly number[], seed: number): InputTensor {
  const data = Float64Array.from({ length: size(shape) }, (_, i) => {
    const value = low + uniform(i, seed, 8) * (high - low);
    return Math.floor(value * 64) / 64 + 1 / 128;
  });
  return { shape, data };
}

interface Use {
  readonly name: string;
  readonly formula: Formula;
  readonly inputs: readonly InputTensor[];
  readonly seed: number;
}

function sampleOf({ name, formula, inputs, seed }: Use): OperatorSample {
  const named = inputs.map((input, i) => [`x${i}`, input] as const);
  const upstream = within([-2, 2], broadcastShape(inputs.map(({ shape }) => shape)), seed + 1);
  const differentiable = named.map(([key]) => key);
  return {
    operator: "map",
    name: `map ${name} of ${inputs.map(({ shape }) => shape.join("x")).join(", ")}, seed ${seed}`,
    inputs: { ...Object.fromEntries(named), upstream },
    differentiable,
    tolerance: approximate,
    build: ({ builder, input }) => {
      const out = builder.add("map", { formula }, differentiable.map(input), origin);
      const gradients = differentiate(builder, out, differentiable.map(input), input("upstream"));
      const found = differentiable.flatMap((key) => {
        const gradient = gradients.get(input(key));
        return gradient === undefined ? [] : [[`gradient of ${key}`, gradient] as const];
      });
      return { out, ...Object.fromEntries(found) };
    },
  };
}

const seeds = fc.integer({ min: 0, max: 1e6 });
const shapes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 });

const unaryNames = Object.keys(unaryDomains) as UnaryOperator[];
const binaryNames = Object.keys(binaryDomains) as BinaryOperator[];

const unarySample = (name: UnaryOperator, shape: readonly number[], seed: number): OperatorSample =>
  sampleOf({ name, formula: unary(name, argument(0)), inputs: [within(unaryDomains[name], shape, seed)], seed });

/** The right operand is repeated along the axes that `mask` names, and has no first axis if `isShort`. */
function binarySample(
  name: BinaryOperator,
  shape: readonly number[],
  { mask, isShort, seed }: { mask: readonly boolean[]; isShort: boolean; seed: number },
): OperatorSample {
  const [left, right] = binaryDomains[name];
  const repeated = shape.map((extent, d) => (mask[d] ? 1 : extent)).slice(isShort && shape.length > 1 ? 1 : 0);
  const isPower = name === "power";
  const formula = binary(name, argument(0), isPower ? number(right[0]) : argument(1));
  const first = within(left, shape, seed);
  // Moved, so that a minimum has no ties.
  const second = within(right, repeated, seed + 2);
  const moved = { ...second, data: Float64Array.from(second.data, (value) => value + 1 / 256) };
  return sampleOf({ name, formula, inputs: isPower ? [first] : [first, moved], seed });
}

const chosen = choose(
  "less",
  argument(0),
  number(0.5),
  times(argument(0), argument(1)),
  plus(argument(1), coordinate(0)),
);

const trees: fc.Arbitrary<Formula> = fc.letrec<{ tree: Formula }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.integer({ min: 0, max: 2 }).map(argument),
    fc.integer({ min: -8, max: 8 }).map((value) => number(value / 4)),
    fc.constant(coordinate(0)).map((axis) => times(axis, number(0.25))),
    fc.tuple(fc.constantFrom(...smooth), tie("tree")).map(([name, of]) => unary(name, of)),
    fc
      .tuple(fc.constantFrom("add", "subtract", "multiply"), tie("tree"), tie("tree"))
      .map(([name, left, right]) => binary(name, left, right)),
    fc
      .tuple(tie("tree"), tie("tree"))
      .map(([left, right]) => binary("divide", left, plus(number(1.5), times(right, right)))),
  ),
})).tree;

/** All of the three arguments are read, whatever the tree. */
const everyArgument = (tree: Formula): Formula =>
  plus(tree, times(number(0.125), argument(0), argument(1)), times(number(0.25), unary("tanh", argument(2))));

/** One of each function, of broadcasts, a choice, and a tree. */
export const formulaSamples: fc.Arbitrary<OperatorSample> = fc
  .record({
    shape: shapes,
    mask: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
    isShort: fc.boolean(),
    kind: fc.integer({ min: 0, max: unaryNames.length + binaryNames.length + 10 }),
    tree: trees,
    seed: seeds,
  })
  .map(({ shape, kind, tree, seed, ...rest }) => {
    const unaryName = unaryNames[kind];
    if (unaryName) return unarySample(unaryName, shape, seed);
    const binaryName = binaryNames[kind - unaryNames.length];
    if (binaryName) return binarySample(binaryName, shape, { ...rest, seed });
    const repeated = shape.map((extent, d) => (rest.mask[d] ? 1 : extent));
    const range: Range = [-2, 2];
    const inputs = [within(range, shape, seed), within(range, repeated, seed + 2), within(range, shape, seed + 3)];
    if (kind % 5 === 0) return sampleOf({ name: "choice", formula: chosen, inputs: inputs.slice(0, 2), seed });
    return sampleOf({ name: "tree", formula: everyArgument(tree), inputs, seed });
  });

/** Every scalar function once. */
export function everyFunction(): OperatorSample[] {
  const rest = { mask: [true, false, true, false], isShort: false };
  return [
    ...unaryNames.map((name, i) => unarySample(name, [3, 5], 100 + i)),
    ...binaryNames.map((name, i) => binarySample(name, [2, 3, 4], { ...rest, seed: 200 + i })),
  ];
}
