/** Images as models see them: bytes normalised by the recipe's mean and deviation. */
import type { TrainingRecipe } from "../../language/checkedProgram.ts";
import type { GraphBuilder } from "../graph/builder.ts";
import type { Origin } from "../graph/graph.ts";
import { argument, choose, coordinate, type Formula, minus, number, over, times } from "../operators/formula.ts";

const origin: Origin = { layer: "input", line: 0, role: "forward" };

/** A value for each channel, chosen by the channel's coordinate. */
function byChannel(values: readonly number[]): Formula {
  const [first = 0, ...rest] = values;
  if (rest.every((value) => value === first)) return number(first);
  return rest.reduceRight<Formula>(
    (otherwise, value, i) => choose("equal", coordinate(1), number(i + 1), number(value), otherwise),
    number(first),
  );
}

/** `(byte / 255 - mean) / deviation`, a channel at a time. */
export function normalizeImages(builder: GraphBuilder, recipe: TrainingRecipe, bytes: number): number {
  const { mean, std } = recipe.normalize;
  const deviation = byChannel(std);
  const formula = minus(over(argument(0), times(number(255), deviation)), over(byChannel(mean), deviation));
  return builder.add("map", { formula }, [bytes], origin);
}
