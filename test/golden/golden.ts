/**
 * The typed reader of the golden values that PyTorch produced (README.md says how, and what each field means).
 *
 * In: the JSON lines beside this file. Out: cases of operators, optimizers and whole training runs, the hashed images,
 * labels and initial weights of the latter, and the layers of torchvision's networks. What holds: tensors are row-major; inputs and upstream gradients
 * are exact in float32; results are float64 rounded to nine significant digits.
 */
import { readFileSync } from "node:fs";
import { pcg3d, uniform } from "../../compiler/nest/random.ts";
import type {
  ActivationName,
  LayerAttributes,
  OptimizerRecipe,
  Padding,
  PaddingMode,
  Pair,
} from "../../language/checkedProgram.ts";

export interface Tensor {
  /** `[]` for a single number. */
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export type Tensors = Readonly<Record<string, Tensor>>;

/** `bias` says whether there is an input of that name; `same`: PyTorch was asked for padding="same". */
export interface GoldenConvolution {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  readonly groups: number;
  readonly bias: boolean;
  readonly same: boolean;
  /** zeros, if not given */
  readonly mode?: PaddingMode;
}

export interface GoldenPool {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly ceil: boolean;
}

export interface GoldenNormalisation {
  readonly training: boolean;
  readonly epsilon: number;
  readonly momentum: number;
  /** Whether there is an input `weight`. */
  readonly scale: boolean;
  /** Whether there is an input `bias`. */
  readonly shift: boolean;
}

/** `parameter`: the slope of leaky_relu, the alpha of elu; 0 elsewhere. */
export interface GoldenActivation {
  readonly parameter: number;
}

/** Operators and their attributes; the inputs' names stand behind each. */
export interface GoldenAttributes extends Record<ActivationName, GoldenActivation> {
  /** `x [N, C, H, W]`, `weight [O, C / groups, KH, KW]`, `bias [O]` */
  conv2d: GoldenConvolution;
  /** `x [N, C, H, W]`; the first maximum of a window takes the gradient. */
  max_pool2d: GoldenPool;
  /** `x [N, C, H, W]`; padding counts in the divisor, cells beyond it (`ceil`) do not. */
  avg_pool2d: GoldenPool;
  /** `x [N, C, H, W]` or `[N, C]`, `weight`, `bias`, `running_mean`, `running_var` `[C]` */
  batch_norm: GoldenNormalisation;
  /** `x [N, I]`, `weight [O, I]`, `bias [O]` */
  linear: { readonly bias: boolean };
  /** `x`, channels slowest */
  flatten: Readonly<Record<never, never>>;
  /** `x`, in evaluation mode: the identity */
  dropout: { readonly probability: number; readonly training: false };
  /** `x [N, classes]` */
  log_softmax: Readonly<Record<never, never>>;
  /** `x [N, classes]` (logits), `labels [N]` (no gradient); the output is the mean over the batch, of shape `[]` */
  cross_entropy: { readonly smoothing: number };
  /** `x`, `weight [C]`, `bias [C]` */
  layer_norm: LayerAttributes["layerNorm"];
  group_norm: LayerAttributes["groupNorm"];
  local_response_norm: LayerAttributes["localResponseNorm"];
  /** `x`, and `weight [1]` if it learns */
  mixed_pool2d: LayerAttributes["mixedPool"];
  /** `x`, `weight [1]` or `[C]` */
  prelu: LayerAttributes["prelu"];
  /** `x` */
  softmax: LayerAttributes["softmax"];
  /** `x`, in evaluation mode: the identity */
  drop_path: { readonly probability: number; readonly training: false };
  /** `x` */
  pad: LayerAttributes["pad"];
  /** `x` */
  upsample: LayerAttributes["upsample"];
  /** `x` */
  adaptive_avg_pool2d: LayerAttributes["adaptivePool"];
  /** `x` */
  channel_shuffle: LayerAttributes["shuffle"];
  /** `x`, and `weight [C]` if it learns */
  scale: LayerAttributes["scale"];
  /** `x` */
  slice: LayerAttributes["slice"];
  /** `x0`, `x1`, …: maps (extents of 1 are spread) or vectors */
  add: Readonly<Record<never, never>>;
  mul: Readonly<Record<never, never>>;
  /** `x0`, `x1`, …: one after another along the channels */
  concat: Readonly<Record<never, never>>;
}

export type GoldenOperator = keyof GoldenAttributes;

export interface OperatorCase<K extends GoldenOperator = GoldenOperator> {
  readonly operator: K;
  /** Unique within its operator. */
  readonly name: string;
  readonly attributes: GoldenAttributes[K];
  readonly inputs: Tensors;
  readonly output: Tensor;
  readonly upstream: Tensor;
  /** Of `sum(output · upstream)` by each differentiable input. */
  readonly gradients: Tensors;
  /** The running statistics after the step (batch_norm in training mode), else empty. */
  readonly state: Tensors;
}

export interface OptimizerCase {
  readonly name: string;
  readonly optimizer: OptimizerRecipe;
  readonly start: Tensor;
  /** One a step. */
  readonly gradients: readonly Tensor[];
  /** After each step. */
  readonly parameters: readonly Tensor[];
}

/** What is kept of a tensor: sums over all of it, and its first 32 elements. */
export interface Summary {
  readonly sum: number;
  /** Of absolute values. */
  readonly absolute: number;
  /** L2. */
  readonly norm: number;
  readonly first: readonly number[];
}

/** `drift`: how far float32 runs with other orders of summation came from the float64 run, at most. */
export interface Measured {
  readonly float64: Summary;
  readonly float32: Summary;
  readonly drift: {
    /** The largest difference of one element. */
    readonly element: number;
    /** The L2 norm of the difference of the whole tensor. */
    readonly norm: number;
    /** The difference of the sums. */
    readonly sum: number;
  };
}

/** One loss a step. */
export interface MeasuredLosses {
  readonly float64: readonly number[];
  readonly float32: readonly number[];
  readonly drift: readonly number[];
}

export interface GoldenParameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly initial:
    | { readonly kind: "hash"; readonly index: number; readonly bound: number }
    | { readonly kind: "constant"; readonly value: number };
}

export interface TrainingCase {
  readonly name: string;
  /** The model as `.cnn` text, without a recipe. */
  readonly program: string;
  /** Channels, height, width. */
  readonly input: readonly [number, number, number];
  readonly classes: number;
  /** Step s (from 0) takes samples `s·batch` to `s·batch + batch - 1`; pixels become `(byte / 255 - mean) / std`. */
  readonly recipe: {
    readonly steps: number;
    readonly batch: number;
    readonly mean: number;
    readonly std: number;
    readonly smoothing: number;
    readonly optimizer: OptimizerRecipe;
  };
  /** In PyTorch's order; running means start at 0, running variances at 1. */
  readonly parameters: readonly GoldenParameter[];
  /** Tensors that rounding decides (a bias before batch normalisation under Adam): not to be compared. */
  readonly undetermined: readonly string[];
  /** Values that `goldenImages`, `goldenLabels` and `uniform` must give; for the test of the generators. */
  readonly probe: {
    readonly samples: readonly number[];
    /** The first 16 bytes of each of `samples`. */
    readonly images: readonly (readonly number[])[];
    /** Of samples 0 to 15. */
    readonly labels: readonly number[];
    /** The first eight draws of each hashed parameter, in [0, 1). */
    readonly weights: Readonly<Record<string, readonly number[]>>;
  };
  readonly losses: MeasuredLosses;
  /** Of the first step, by parameter. */
  readonly gradients: Readonly<Record<string, Measured>>;
  /** Parameters and running statistics after some steps, the last step included. */
  readonly after: readonly { readonly step: number; readonly tensors: Readonly<Record<string, Measured>> }[];
  /** The trained network in evaluation mode on the `count` samples from `start`; `logits` is `[count, classes]`. */
  readonly evaluation: {
    readonly start: number;
    readonly count: number;
    readonly loss: MeasuredLosses;
    readonly logits: Measured;
  };
}

/** A layer of a network: PyTorch's operation, its output (`64@56x56`), parameters, multiply-adds for a picture. */
export type NetworkLayer = readonly [operation: string, output: string, parameters: number, multiplyAdds: number];

export interface NetworkCase {
  /** The file of that name in examples/zoo/. */
  readonly network: string;
  /** The function of torchvision.models that made it. */
  readonly torchvision: string;
  /** `3@224x224` */
  readonly input: string;
  /** In the order of execution. */
  readonly layers: readonly NetworkLayer[];
}

export interface Manifest {
  readonly torch: string;
  readonly torchvision: string;
  readonly numpy: string;
  readonly files: Readonly<Record<string, { readonly cases: number; readonly bytes: number; readonly sha256: string }>>;
  /** Number of cases by operator. */
  readonly operators: Readonly<Record<string, number>>;
}

interface StoredTensor {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

type StoredTensors = Readonly<Record<string, StoredTensor>>;

const folder = new URL("./", import.meta.url);

/** The text of a file of this folder. */
export function goldenText(name: string): string {
  return readFileSync(new URL(name, folder), "utf8");
}

export function goldenManifest(): Manifest {
  return JSON.parse(goldenText("manifest.json")) as Manifest;
}

function lines(name: string): unknown[] {
  return goldenText(name)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown);
}

function tensor({ shape, data }: StoredTensor): Tensor {
  return { shape, data: Float64Array.from(data) };
}

function tensors(stored: StoredTensors): Tensors {
  return Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, tensor(value)]));
}

/** `[top, bottom, left, right]` in the file. */
function withPadding(attributes: Readonly<Record<string, unknown>>): object {
  const sides = attributes["padding"] as readonly [number, number, number, number] | undefined;
  if (!sides) return attributes;
  const [top, bottom, left, right] = sides;
  return { ...attributes, padding: { top, bottom, left, right } };
}

interface StoredOperatorCase {
  readonly operator: GoldenOperator;
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly inputs: StoredTensors;
  readonly output: StoredTensor;
  readonly upstream: StoredTensor;
  readonly gradients: StoredTensors;
  readonly state?: StoredTensors;
}

function operatorCase(stored: StoredOperatorCase): OperatorCase {
  return {
    operator: stored.operator,
    name: stored.name,
    attributes: withPadding(stored.attributes) as GoldenAttributes[GoldenOperator],
    inputs: tensors(stored.inputs),
    output: tensor(stored.output),
    upstream: tensor(stored.upstream),
    gradients: tensors(stored.gradients),
    state: tensors(stored.state ?? {}),
  };
}

/** All cases of operators, or those of one, with its attributes' type. */
export function operatorCases(): OperatorCase[];
export function operatorCases<K extends GoldenOperator>(operator: K): OperatorCase<K>[];
export function operatorCases(operator?: GoldenOperator): OperatorCase[] {
  const stored = lines("operators.jsonl") as StoredOperatorCase[];
  return stored.filter((one) => operator === undefined || one.operator === operator).map(operatorCase);
}

export function optimizerCases(): OptimizerCase[] {
  type Stored = Omit<OptimizerCase, "start" | "gradients" | "parameters"> & {
    readonly start: StoredTensor;
    readonly gradients: readonly StoredTensor[];
    readonly parameters: readonly StoredTensor[];
  };
  return (lines("optimizers.jsonl") as Stored[]).map((stored) => ({
    ...stored,
    start: tensor(stored.start),
    gradients: stored.gradients.map(tensor),
    parameters: stored.parameters.map(tensor),
  }));
}

export function trainingCases(): TrainingCase[] {
  return lines("training.jsonl") as TrainingCase[];
}

export function networkCases(): NetworkCase[] {
  return lines("networks.jsonl") as NetworkCase[];
}

/** The tensor of that name; throws if the case has none. */
export function tensorNamed(from: Tensors, name: string): Tensor {
  const found = from[name];
  if (!found) throw new Error(`no tensor "${name}" among ${Object.keys(from).join(", ")}`);
  return found;
}

/** Bytes `[count, C, H, W]` of samples `start` to `start + count - 1`: byte i of sample n is `pcg3d(n, i, 1234)[0] >>> 24`. */
export function goldenImages(of: TrainingCase, start: number, count: number): Uint8Array {
  const size = of.input[0] * of.input[1] * of.input[2];
  const bytes = new Uint8Array(count * size);
  for (let n = 0; n < count; n++)
    for (let i = 0; i < size; i++) bytes[n * size + i] = pcg3d(start + n, i, 1234)[0] >>> 24;
  return bytes;
}

/** Classes of samples `start` to `start + count - 1`: `pcg3d(n, 0, 99)[0] % classes`. */
export function goldenLabels(of: TrainingCase, start: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, n) => pcg3d(start + n, 0, 99)[0] % of.classes);
}

/** What a parameter starts from: element k of a hashed one is `(2·uniform(index, k, 77) - 1) · bound`, in float32. */
export function initialValues({ shape, initial }: GoldenParameter): Float32Array {
  const length = shape.reduce((product, extent) => product * extent, 1);
  if (initial.kind === "constant") return new Float32Array(length).fill(initial.value);
  return Float32Array.from({ length }, (_, k) => (2 * uniform(initial.index, k, 77) - 1) * initial.bound);
}

/** The summary of a tensor of ours, to hold against a golden one. */
export function summarize(values: ArrayLike<number>): Summary {
  const all = Array.from(values);
  return {
    sum: all.reduce((sum, value) => sum + value, 0),
    absolute: all.reduce((sum, value) => sum + Math.abs(value), 0),
    norm: Math.sqrt(all.reduce((sum, value) => sum + value * value, 0)),
    first: all.slice(0, 32),
  };
}
