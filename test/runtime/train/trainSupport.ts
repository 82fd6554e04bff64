/** A model and its states without a device. */
import { checkText, type CheckedModel, type TrainingRecipe } from "../../../language/index.ts";
import { checkpointParameters } from "../../../runtime/train/checkpoint.ts";
import type { PlanState } from "../../../runtime/train/planState.ts";

const text = `model Small {
  input 3@32x32
  conv 4@3x5 stride 2 -> bn -> relu
  conv 6@3x3 groups 2 bias off -> relu -> pool max 2
  fc 12 -> relu
  fc 10
}

train {
  data shapes
  optimizer sgd lr 0.05
}
`;

export function smallModel(source = text): { model: CheckedModel; recipe: TrainingRecipe } {
  const { program, diagnostics } = checkText(source, "small.cnn");
  const model = program?.models[0];
  if (!model || !program.recipe) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return { model, recipe: program.recipe };
}

export interface MemoryState extends PlanState {
  readonly values: Map<string, Float32Array>;
}

/** Every parameter holds its own number, and counts up by a sixteenth. */
export function memoryState(model: CheckedModel, offset = 0): MemoryState {
  const values = new Map(
    checkpointParameters(model).map(({ path, shape }, i) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return [path, Float32Array.from({ length: size }, (_, k) => offset + i + k / 16)];
    }),
  );
  const find = (name: string): Float32Array => {
    const found = values.get(name);
    if (!found) throw new Error(`no state ${name}`);
    return found;
  };
  return {
    values,
    write: (name, bytes) => {
      if (find(name).length !== bytes.length) throw new Error(`${name} has another size`);
      values.set(name, Float32Array.from(bytes));
    },
    set: (name, value) => void find(name).fill(value),
    read: async (name) => new Float32Array(find(name)),
    get: async (name) => find(name)[0] ?? 0,
    shapeOf: (name) => checkpointParameters(model).find(({ path }) => path === name)?.shape ?? [],
  };
}
