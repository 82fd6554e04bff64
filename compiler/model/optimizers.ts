/**
 * Optimizers over one flat tensor of all parameters: each returns what the parameters and its own states become.
 * Formulas are those of torch.optim.
 */
import type { OptimizerRecipe } from "../../language/checkedProgram.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import { InvariantError, type Origin, type StateTensor } from "../graph/graph.ts";
import { argument, choose, type Formula, minus, number, over, plus, times, unary } from "../operators/formula.ts";

export interface OptimizerInputs {
  readonly builder: GraphBuilder;
  readonly parameters: StateTensor;
  /** Node of the flat gradient. */
  readonly gradient: number;
  /** Node of the learning rate, `[1]`. */
  readonly learningRate: number;
  /** Node of what the learning rate is multiplied by for each parameter, flat; not given where that is 1 for all. */
  readonly rates?: number | undefined;
}

const origin = (role: string): Origin => ({ layer: "optimizer", line: 0, role });

/**
 * The optimizer's own states, all zero at the start. Those of the parameters' shape hold one value for each parameter
 * (names are torch.optim's); `correction1` and `correction2` are Adam's `1 - beta^t`.
 */
export function optimizerStates(recipe: OptimizerRecipe, parameters: StateTensor): StateTensor[] {
  const state = (name: string, shape: readonly number[]): StateTensor => ({
    name: `optimizer.${name}`,
    shape,
    type: "f32",
  });
  if (recipe.kind === "sgd") return recipe.momentum > 0 ? [state("momentum_buffer", parameters.shape)] : [];
  return [
    state("exp_avg", parameters.shape),
    state("exp_avg_sq", parameters.shape),
    state("correction1", [1]),
    state("correction2", [1]),
  ];
}

type OptimizerOf<K> = Extract<OptimizerRecipe, { kind: K }>;

/** The old parameter (argument 0) less the step, which is multiplied by the parameter's own rate, the last argument. */
function descend(step: Formula, { rates }: OptimizerInputs, count: number): Formula {
  return minus(argument(0), rates === undefined ? step : times(step, argument(count)));
}

const withRates = (nodes: readonly number[], { rates }: OptimizerInputs): readonly number[] =>
  rates === undefined ? nodes : [...nodes, rates];

/** g + decay·p, with g argument 0 and p argument 1. */
function decayed(decay: number): Formula {
  return decay === 0 ? argument(0) : plus(argument(0), times(number(decay), argument(1)));
}

const smallestNormal = 2 ** -126;

/**
 * Zero where float32 would be subnormal. An average whose gradient stays zero (the weights of a dead unit) shrinks until
 * 0.9 times the smallest number rounds to itself, and stays there: processors compute with such numbers a hundred times
 * slower, and WebAssembly can't tell them not to.
 */
const normal = (of: Formula): Formula => choose("less", unary("absolute", of), number(smallestNormal), number(0), of);

/**
 * Kingma and Ba 2015, epsilon after the bias correction. The corrections `c = 1 - beta^t` come by the recurrence
 * `c' = beta·c + (1 - beta)`: in float32, subtracting a power close to one would lose half of their digits.
 */
function adam(recipe: OptimizerOf<"adam">, inputs: OptimizerInputs, states: readonly StateTensor[]): void {
  const [first, second, correction1, correction2] = states;
  if (!first || !second || !correction1 || !correction2) throw new InvariantError("Adam has four states");
  const { builder, parameters, gradient, learningRate } = inputs;
  const { beta1, beta2, epsilon } = recipe;
  const map = (formula: Formula, nodes: readonly number[], role: string): number =>
    builder.add("map", { formula }, nodes, origin(role));
  const correct = (beta: number, state: StateTensor): number => {
    const next = plus(times(number(beta), argument(0)), number(1 - beta));
    const value = map(next, [builder.state(state)], state.name);
    builder.update(state, value);
    return value;
  };
  const old = builder.state(parameters);
  const stepSize = map(over(argument(0), argument(1)), [learningRate, correct(beta1, correction1)], "step size");
  const scale = map(unary("squareRoot", argument(0)), [correct(beta2, correction2)], "scale");
  const g = decayed(recipe.decay);
  const average = (beta: number, of: Formula): Formula =>
    normal(plus(times(number(beta), argument(2)), times(number(1 - beta), of)));
  const m = map(average(beta1, g), [gradient, old, builder.state(first)], "first moment");
  const v = map(average(beta2, times(g, g)), [gradient, old, builder.state(second)], "second moment");
  const denominator = plus(over(unary("squareRoot", argument(2)), argument(4)), number(epsilon));
  const step = over(times(argument(3), argument(1)), denominator);
  const updated = map(descend(step, inputs, 5), withRates([old, m, v, stepSize, scale], inputs), "update");
  builder.update(first, m);
  builder.update(second, v);
  builder.update(parameters, updated);
}

/** Momentum without dampening; its buffer starts at zero, which gives torch's first step. */
function sgd(recipe: OptimizerOf<"sgd">, inputs: OptimizerInputs, [buffer]: readonly StateTensor[]): void {
  const { builder, parameters, gradient, learningRate } = inputs;
  const old = builder.state(parameters);
  const g = decayed(recipe.decay);
  const map = (formula: Formula, nodes: readonly number[], role: string): number =>
    builder.add("map", { formula }, nodes, origin(role));
  let direction = map(g, [gradient, old], "gradient");
  if (buffer) {
    const momentum = number(recipe.momentum);
    const moved = map(
      normal(plus(times(momentum, argument(2)), g)),
      [gradient, old, builder.state(buffer)],
      "momentum",
    );
    builder.update(buffer, moved);
    direction = recipe.nesterov
      ? map(plus(g, times(momentum, argument(2))), [gradient, old, moved], "nesterov")
      : moved;
  }
  const updated = descend(times(argument(1), argument(2)), inputs, 3);
  builder.update(parameters, map(updated, withRates([old, learningRate, direction], inputs), "update"));
}

export function addOptimizer(recipe: OptimizerRecipe, inputs: OptimizerInputs): void {
  const states = optimizerStates(recipe, inputs.parameters);
  if (recipe.kind === "adam") adam(recipe, inputs, states);
  else sgd(recipe, inputs, states);
}
