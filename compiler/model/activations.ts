/** Activations as formulas, by their name in the language. Definitions and defaults are PyTorch's. */
import type { ActivationName } from "../../language/checkedProgram.ts";
import {
  argument,
  choose,
  type Formula,
  larger,
  minus,
  number,
  over,
  plus,
  smaller,
  times,
  unary,
} from "../operators/formula.ts";

interface Activation {
  readonly formula: (parameter: number) => Formula;
  /** The derivative where it is cheaper than the computed one; argument 1 is the activation's own value. */
  readonly derivative?: (parameter: number) => Formula;
}

const x = argument(0);
const y = argument(1);
const zero = number(0);
const one = number(1);
const exponential = (of: Formula): Formula => unary("exponential", of);
const sigmoid = (of: Formula): Formula => over(one, plus(one, exponential(unary("negate", of))));
/** log(1 + e^x) without overflow: max(x, 0) + log(1 + e^-|x|). */
const softplus = (of: Formula): Formula =>
  plus(larger(of, zero), unary("logarithm", plus(one, exponential(unary("negate", unary("absolute", of))))));
const between = (low: number, high: number, inside: Formula, outside: Formula): Formula =>
  choose("greater", x, number(low), choose("less", x, number(high), inside, outside), outside);
const sixth = number(1 / 6);
const seluAlpha = 1.6732632423543772;
const seluScale = 1.0507009873554805;
const exponentialLinear = (alpha: number): Formula =>
  choose("greater", x, zero, x, times(number(alpha), minus(exponential(smaller(x, zero)), one)));

/** `relu6(x + 3) / 6`, and its derivative. */
const hardGate = over(smaller(larger(plus(x, number(3)), zero), number(6)), number(6));

export const activations: Readonly<Record<ActivationName, Activation>> = {
  relu: { formula: () => larger(x, zero), derivative: () => choose("greater", y, zero, one, zero) },
  relu6: {
    formula: () => smaller(larger(x, zero), number(6)),
    derivative: () => choose("greater", y, zero, choose("less", y, number(6), one, zero), zero),
  },
  leaky_relu: {
    formula: (slope) => choose("greater", x, zero, x, times(number(slope), x)),
    derivative: (slope) => choose("greater", x, zero, one, number(slope)),
  },
  elu: { formula: exponentialLinear },
  selu: { formula: () => times(number(seluScale), exponentialLinear(seluAlpha)) },
  gelu: {
    formula: () => times(number(0.5), x, plus(one, unary("errorFunction", times(x, number(Math.SQRT1_2))))),
  },
  // s·(1 + x·(1 - s)) with s = sigmoid(x): the quotient rule would divide infinity by itself.
  silu: {
    formula: () => times(x, sigmoid(x)),
    derivative: () => times(sigmoid(x), plus(one, times(x, minus(one, sigmoid(x))))),
  },
  mish: { formula: () => times(x, unary("tanh", softplus(x))), derivative: () => mishDerivative },
  hardswish: {
    formula: () => times(x, hardGate),
    derivative: () =>
      choose(
        "lessEqual",
        x,
        number(-3),
        zero,
        choose("less", x, number(3), plus(over(x, number(3)), number(0.5)), one),
      ),
  },
  hardsigmoid: { formula: () => hardGate, derivative: () => between(-3, 3, sixth, zero) },
  sigmoid: { formula: () => sigmoid(x), derivative: () => times(y, minus(one, y)) },
  tanh: { formula: () => unary("tanh", x) },
  softplus: { formula: () => softplus(x), derivative: () => sigmoid(x) },
};

/** tanh(s) + x·(1 - tanh²(s))·sigmoid(x) with s = softplus(x), whose derivative is sigmoid(x). */
const mishDerivative: Formula = (() => {
  const gate = unary("tanh", softplus(x));
  return plus(gate, times(x, minus(one, times(gate, gate)), sigmoid(x)));
})();
