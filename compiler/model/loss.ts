/** Cross-entropy over logits, its gradient, and the counts of right answers. */
import type { GraphBuilder } from "../graph/builder.ts";
import type { Origin } from "../graph/graph.ts";
import { argument, choose, coordinate, type Formula, minus, number, plus, times, unary } from "../operators/formula.ts";

export interface LossNodes {
  /** `[N, 1]` */
  readonly perSample: number;
  /** `[N, K]`: of the mean loss by the logits. */
  readonly gradient: number;
  /** `[N, 1]`: 1 where the first largest logit is the label's. */
  readonly correct: number;
}

const origin = (role: string): Origin => ({ layer: "loss", line: 0, role });

/**
 * With z the logits, t the smoothed target `(1-s)·[j = label] + s/K` (Szegedy et al. 2016) and
 * lse = log Σ exp z: loss = lse - Σ t·z, and d loss / dz = exp(z - lse) - t, divided by N for the mean.
 */
export function crossEntropy(builder: GraphBuilder, logits: number, labels: number, smoothing: number): LossNodes {
  const [batch = 1, classes = 1] = builder.shapeOf(logits);
  const map = (formula: Formula, inputs: readonly number[], role: string): number =>
    builder.add("map", { formula }, inputs, origin(role));
  const reduce = (operator: "add" | "maximum", input: number, role: string): number =>
    builder.add("reduce", { operator, axes: [1] }, [input], origin(role));
  const label = builder.add("reshape", { shape: [batch, 1] }, [labels], origin("labels"));

  const largest = reduce("maximum", logits, "largest logit");
  const exponential = map(unary("exponential", minus(argument(0), argument(1))), [logits, largest], "exponentials");
  const sum = reduce("add", exponential, "sum of exponentials");
  const logSum = map(plus(unary("logarithm", argument(0)), argument(1)), [sum, largest], "log sum");

  const isLabel = (then: number, otherwise: number, of: Formula): Formula =>
    choose("equal", coordinate(1), of, number(then), number(otherwise));
  const share = smoothing / classes;
  const target = isLabel(1 - smoothing + share, share, argument(1));
  const expected = reduce("add", map(times(argument(0), target), [logits, label], "weighted logits"), "expected logit");
  const perSample = map(minus(argument(0), argument(1)), [logSum, expected], "loss");

  const softmax = unary("exponential", minus(argument(0), argument(2)));
  const gradient = map(times(minus(softmax, target), number(1 / batch)), [logits, label, logSum], "gradient");

  const own = reduce(
    "add",
    map(times(argument(0), isLabel(1, 0, argument(1))), [logits, label], "own"),
    "logit of the label",
  );
  const beats = choose(
    "greater",
    argument(0),
    argument(1),
    number(1),
    choose(
      "equal",
      argument(0),
      argument(1),
      choose("less", coordinate(1), argument(2), number(1), number(0)),
      number(0),
    ),
  );
  const better = reduce("add", map(beats, [logits, own, label], "better logits"), "number of better logits");
  const correct = map(choose("equal", argument(0), number(0), number(1), number(0)), [better], "correct");
  return { perSample, gradient, correct };
}
