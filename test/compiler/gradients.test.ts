/**
 * Finite differences: the gradient that the rules of the table build is the derivative of what the table defines.
 *
 * Both are evaluated by the reference in float64, on random shapes. For a random direction v of one input, the central
 * difference (f(x + hv) - f(x - hv)) / 2h of f = sum(out · upstream) equals the sum of gradient · v.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { uniform } from "../../compiler/nest/random.ts";
import type { OperatorName } from "../../compiler/operators/operator.ts";
import { operators } from "../../compiler/operators/table.ts";
import { everyFunction } from "../support/formulaSamples.ts";
import { evaluateUpdates, joinCases } from "../support/graphCase.ts";
import type { OperatorSample } from "../support/operatorSample.ts";
import { operatorSamples } from "../support/operatorSamples.ts";

const step = 2 ** -14;

const sum = (terms: readonly number[]): number => terms.reduce((a, b) => a + b, 0);

type Inputs = Readonly<Record<string, ArrayLike<number>>>;

/** The outputs of a sample as functions of its inputs, in float64 throughout. */
function evaluation(sample: OperatorSample): (changed: Inputs) => Record<string, ArrayLike<number>> {
  const { graph, outputs } = joinCases([sample]);
  return (changed) => {
    const data = Object.entries(sample.inputs).map(([name, input]) => [`0.${name}`, changed[name] ?? input.data]);
    const found = evaluateUpdates(graph, Object.fromEntries(data) as Inputs);
    return Object.fromEntries(outputs.map(({ name, state }) => [name, found[state] ?? []]));
  };
}

/** Differentiates along one direction, with two steps: their difference says how good the better one is. */
function slope(f: (distance: number) => number): { value: number; error: number } {
  const central = (h: number): number => (f(h) - f(-h)) / (2 * h);
  const [coarse, fine] = [central(step), central(step / 2)];
  return { value: (4 * fine - coarse) / 3, error: Math.abs(fine - coarse) };
}

function checkGradients(sample: OperatorSample): void {
  const evaluate = evaluation(sample);
  const found = evaluate({});
  const { upstream } = sample.inputs;
  for (const name of sample.differentiable) {
    const at = Array.from(sample.inputs[name]?.data ?? []);
    // No gradient: the rule says that none flows.
    const gradient = found[`gradient of ${name}`] ?? at.map(() => 0);
    expect(gradient).toHaveLength(at.length);
    const direction = at.map((_, i) => 2 * uniform(i, name.length, 11) - 1);
    const along = (distance: number): number => {
      const moved = at.map((value, i) => value + distance * (direction[i] ?? 0));
      const { out } = evaluate({ [name]: moved });
      return sum(Array.from(out ?? [], (value, i) => value * (upstream?.data[i] ?? NaN)));
    };
    const terms = direction.map((v, i) => v * (gradient[i] ?? NaN));
    const { value, error } = slope(along);
    const allowed = 1e-6 * (1 + sum(terms.map(Math.abs))) + error;
    if (!(Math.abs(sum(terms) - value) <= allowed))
      expect.fail(`${sample.name}: along ${name} the gradient gives ${sum(terms)}, finite differences ${value}`);
  }
}

const names = Object.keys(operators) as OperatorName[];
const samples = operatorSamples(false);
const isDifferentiable = (name: OperatorName): boolean => operators[name].gradient !== "none" && name !== "state";

describe("the gradient of", () => {
  it.each(names.filter(isDifferentiable))("%s", (name) => {
    const one: fc.Arbitrary<OperatorSample> = samples[name];
    fc.assert(fc.property(one, checkGradients), { numRuns: 60, seed: 2 });
    // The samples do ask for gradients, or the property says nothing.
    const asked = fc.sample(one, { numRuns: 20, seed: 2 }).filter(({ differentiable }) => differentiable.length > 0);
    expect(asked.length).toBeGreaterThan(0);
  });

  it.each(everyFunction().map((sample) => [sample.name, sample] as const))("%s", (_, sample) => checkGradients(sample));
});
