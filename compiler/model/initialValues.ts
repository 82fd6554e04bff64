/**
 * How a parameter starts, as a formula over its coordinates.
 *
 * In: what the language says of a parameter's start, its shape, and a number of its own. Out: a formula whose inputs are
 * the seed and a step that never changes: a start depends on the seed alone.
 */
import type { Initial } from "../../language/checkedProgram.ts";
import { choose, coordinate, type Formula, minus, number, over, plus, times, unary } from "../operators/formula.ts";

/** Streams of initial values lie above those of dropout, which count layers. */
const firstStream = 1 << 20;
const secondStream = firstStream + (1 << 19);

const draw = (stream: number): Formula => ({ kind: "random", stream, seed: 0, step: 1 });

/** The value at each place of a parameter; `place` is the parameter's number in its model. */
export function initialValue(initial: Initial, shape: readonly number[], place: number): Formula {
  switch (initial.kind) {
    case "constant":
      return number(initial.value);
    case "uniform":
      return times(minus(times(draw(firstStream + place), number(2)), number(1)), number(initial.bound));
    case "normal":
      return times(normal(place), number(initial.deviation));
    case "values":
      return written(initial.rows, shape);
    default:
      return initial satisfies never;
  }
}

/** Two uniform numbers give a normal one (Box and Muller 1958); `1 - u` is never 0. */
function normal(place: number): Formula {
  const radius = unary(
    "squareRoot",
    times(number(-2), unary("logarithm", minus(number(1), draw(firstStream + place)))),
  );
  return times(radius, unary("cosine", times(number(2 * Math.PI), draw(secondStream + place))));
}

/** Row `index % rows` and column `place % columns`, found by halving. */
function written(rows: readonly (readonly number[])[], shape: readonly number[]): Formula {
  const columns = rows[0]?.length ?? 1;
  const within = shape
    .slice(1)
    .reduce<Formula>((place, extent, axis) => plus(times(place, number(extent)), coordinate(axis + 1)), number(0));
  const at = plus(times(modulo(coordinate(0), rows.length), number(columns)), modulo(within, columns));
  const values = rows.flat();
  const between = (from: number, to: number): Formula => {
    if (to - from <= 1) return number(values[from] ?? 0);
    const middle = (from + to) >> 1;
    return choose("less", at, number(middle), between(from, middle), between(middle, to));
  };
  return between(0, values.length);
}

/** Exact for the whole numbers below 2 ** 24 that places of such a parameter are. */
function modulo(value: Formula, by: number): Formula {
  if (by === 1) return number(0);
  // Half a step keeps the quotient off the whole numbers, where a device's division may round to the wrong side.
  return minus(value, times(number(by), unary("floor", over(plus(value, number(0.5)), number(by)))));
}
