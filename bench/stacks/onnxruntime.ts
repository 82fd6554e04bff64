/** ONNX Runtime's CPU provider, for inference: the network as an ONNX model that is made on the spot. */
import type { Stack } from "./stack.ts";
import { encodeOnnx } from "./onnxModel.ts";
import { createBatches, readWeights } from "./taskData.ts";

/** The part of the library that is used here. */
interface OrtTensor {
  readonly data: Float32Array;
}
interface OrtSession {
  readonly outputNames: readonly string[];
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>>;
}
interface Ort {
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<OrtSession> };
  readonly Tensor: new (type: "float32", data: Float32Array, shape: readonly number[]) => OrtTensor;
  readonly env: { readonly versions: { readonly node?: string; readonly common?: string } };
}

export const onnxruntime: Stack = {
  async open(task, folder) {
    if (task.mode !== "predict") throw new Error("it only infers");
    const name = "onnxruntime-node";
    const ort = (await import(name)) as Ort;
    const { model, recipe, threads } = task;
    const bytes = await encodeOnnx(model, recipe.batch, readWeights(folder));
    const session = await ort.InferenceSession.create(bytes, {
      intraOpNumThreads: threads,
      graphOptimizationLevel: "all",
    });
    const batches = createBatches(task, folder, "channelsFirst");
    const shape = [recipe.batch, model.input.channels, model.input.height, model.input.width];
    const [outputName = ""] = session.outputNames;
    return {
      async run(first, count) {
        let logits: readonly number[] = [];
        for (let step = first; step < first + count; step++) {
          const output = await session.run({ images: new ort.Tensor("float32", batches(step).images, shape) });
          logits = [...(output[outputName]?.data ?? [])];
        }
        return logits;
      },
      facts: async () => ({
        version: ort.env.versions.node ?? ort.env.versions.common ?? "",
        device: `CPU, ${threads} threads`,
      }),
    };
  },
};
