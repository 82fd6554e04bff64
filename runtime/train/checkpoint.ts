/**
 * Checkpoints: parameters and running statistics under PyTorch's names.
 *
 * In: an open plan, or a safetensors file. Out: the file's bytes, or the plan's states set from it. What holds: a file
 * is used whole or not at all.
 */
import type { CheckedModel, CheckedParameter } from "../../language/checkedProgram.ts";
import { RuntimeFailure } from "../errors.ts";
import { decodeSafetensors, encodeSafetensors } from "../files/safetensors.ts";
import type { PlanState } from "./planState.ts";

type Tensors = Record<string, { shape: readonly number[]; data: Float32Array }>;

/** All that a checkpoint holds, in the order of the layers. */
export function checkpointParameters(model: CheckedModel): CheckedParameter[] {
  return model.layers.flatMap((layer) => layer.parameters);
}

export async function readTensors(model: CheckedModel, state: PlanState): Promise<Tensors> {
  const tensors: Tensors = {};
  for (const { path, shape } of checkpointParameters(model)) tensors[path] = { shape, data: await state.read(path) };
  return tensors;
}

export async function encodeCheckpoint(
  model: CheckedModel,
  state: PlanState,
  metadata: Record<string, string>,
): Promise<Uint8Array> {
  return encodeSafetensors(await readTensors(model, state), { format: "pt", ...metadata });
}

/**
 * Sets the model's parameters and statistics from a checkpoint. Throws a `RuntimeFailure` ("files") where the file is
 * damaged, or lacks a tensor, or has one of another shape; nothing is set then.
 */
export function loadCheckpoint(model: CheckedModel, state: PlanState, bytes: Uint8Array, name: string): void {
  const parameters = checkpointParameters(model);
  const wanted = parameters.map(({ path }) => path);
  const { tensors } = decodeSafetensors(bytes, name, wanted);
  for (const { path, shape } of parameters) {
    const found = tensors[path];
    if (found?.shape.join() === shape.join()) continue;
    const problem = found
      ? `\`${path}\` is [${found.shape.join(", ")}] there, and [${shape.join(", ")}] in the model`
      : `it has no \`${path}\``;
    throw new RuntimeFailure(
      "files",
      `the weights in ${name} are not those of model ${model.name}: ${problem}`,
      "Name weights of the same model, or train from the start without --weights.",
    );
  }
  for (const { path } of parameters) {
    const found = tensors[path];
    if (found) state.write(path, found.data);
  }
}
