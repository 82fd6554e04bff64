/**
 * Turns of a reduction loop that only add zeros: taps of a convolution that lie in the padding, for all that is computed
 * inside.
 *
 * In: a kernel's body and where its loops are. Out: under which condition on the open loops a turn adds something, if a
 * good part of the turns does not. What holds: a sum is the same without them, but for the sign of a zero.
 */
import { add, type Index, index, partWhere, subtract, variable, variablesOf } from "../nest/integer.ts";
import { shareInside } from "../nest/inside.ts";
import type { Condition } from "../nest/loopNest.ts";
import type { Test, Value } from "../value.ts";
import type { Starts } from "./axes.ts";
import type { Lowering } from "./lowering.ts";

/** Variables for what loops further inside and registers go over. */
const localPrefix = "within_";
/** A test is worth it where it saves at least this part of the turns. */
const leastSaved = 1 / 16;

type InRange = Test & { readonly kind: "inRange" };

/** The condition under which the turn that `counter` counts adds something; undefined where nearly every turn does. */
export function usefulTurns(lowering: Lowering, starts: Starts, depth: number, counter: Index): Condition | undefined {
  const { axes, kernel } = lowering;
  const [accumulator, ...others] = kernel.accumulators;
  if (!accumulator || others.length > 0 || accumulator.operator !== "add") return undefined;
  const locals = (list: readonly string[]): Index[] =>
    list.map((axis) =>
      add(starts.get(axis) ?? index(0), index(variable(`${localPrefix}${axis}`, axes.remaining(axis, depth)))),
    );
  const tests = testsOf(accumulator.body(locals(axes.domain), locals(axes.reduction)));
  const counted = variablesOf(counter);
  const conditions = tests
    .map(widen)
    .filter(({ index: of }) => [...counted].some((name) => variablesOf(of).has(name)))
    .filter(({ index: of, minimum, maximum }) => 1 - shareInside(of, minimum, maximum) >= leastSaved);
  const [only] = conditions;
  return conditions.length > 1 ? { kind: "and", conditions } : only;
}

/** Ranges outside of which a product is zero. */
function testsOf(value: Value): InRange[] {
  if (value.kind === "binary" && value.operator === "multiply") return [value.left, value.right].flatMap(testsOf);
  if (value.kind === "operand") return testsOf(value.read(value.coordinates));
  if (value.kind !== "select" || value.otherwise.kind !== "constant" || value.otherwise.value !== 0) return [];
  return [...rangesOf(value.test), ...testsOf(value.then)];
}

function rangesOf(test: Test): InRange[] {
  if (test.kind === "all") return test.tests.flatMap(rangesOf);
  return test.kind === "inRange" ? [test] : [];
}

/** What is known of the open loops if the test holds anywhere inside of them. */
function widen({ index: of, minimum, maximum }: InRange): Condition & { readonly kind: "inRange" } {
  const inner = partWhere(of, (names) => [...names].some((name) => name.startsWith(localPrefix)));
  const outer = subtract(of, inner);
  return { kind: "inRange", index: outer, minimum: minimum - inner.maximum, maximum: maximum - inner.minimum };
}
