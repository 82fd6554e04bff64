/**
 * Random uses of every operator of the table, each with its gradients: odd sizes, one-pixel maps, strides that drop
 * pixels, batches of 1, 2 and 7.
 *
 * In: fast-check's randomness. Out: graph cases. What holds: the table is exhaustive; inputs are multiples of 1/64, so
 * that sums of products are exact in float32; with `ties` off, no two values that a maximum compares are equal.
 */
import fc from "fast-check";
import { size } from "../../compiler/graph/graph.ts";
import { outputExtent } from "../../compiler/operators/convolution.ts";
import { argument, minus, number, over, plus, times, unary } from "../../compiler/operators/formula.ts";
import type {
  ConvolutionAttributes,
  OperatorAttributes,
  OperatorName,
  ResampledAxis,
  WindowAttributes,
} from "../../compiler/operators/operator.ts";
import { pair, seed, shape, upTo } from "./arbitraries.ts";
import { formulaSamples } from "./formulaSamples.ts";
import { type InputTensor, origin } from "./graphCase.ts";
import { comparable, exact, gradientsOf, integers, type OperatorSample, sampleOf, values } from "./operatorSample.ts";
import { tileSamples } from "./tileSamples.ts";

const batch = fc.constantFrom(1, 2, 7);

const convolutions = fc
  .record({
    batch,
    groups: upTo(2),
    inputs: upTo(3),
    outputs: upTo(3),
    map: pair(upTo(9)),
    kernel: pair(upTo(4)),
    stride: pair(upTo(3)),
    padding: fc.record({ top: upTo(2, 0), bottom: upTo(2, 0), left: upTo(2, 0), right: upTo(2, 0) }),
    dilation: pair(upTo(2)),
    seed,
  })
  .map(({ groups, map, kernel, stride, padding, dilation, ...rest }) => {
    const attributes: ConvolutionAttributes = { kernel, stride, padding, dilation, groups };
    const { top, bottom, left, right } = padding;
    return {
      attributes,
      map,
      out: [
        outputExtent(map[0], kernel[0], stride[0], top, bottom, dilation[0]),
        outputExtent(map[1], kernel[1], stride[1], left, right, dilation[1]),
      ] as const,
      input: [rest.batch, groups * rest.inputs, ...map],
      weight: [groups * rest.outputs, rest.inputs, ...kernel],
      gradient: (out: readonly number[]) => [rest.batch, groups * rest.outputs, ...out],
      seed: rest.seed,
    };
  })
  .filter(({ out }) => out[0] >= 1 && out[1] >= 1);

/** Windows that each hold at least one element; with `extra`, some hang over the end, as PyTorch's `ceil_mode` lets them. */
const windows = fc
  .record({
    batch,
    channels: upTo(3),
    map: pair(upTo(9)),
    kernel: pair(upTo(4)),
    stride: pair(upTo(4)),
    before: pair(upTo(3, 0)),
    extra: fc.boolean(),
    seed,
  })
  .map(({ batch: count, channels, map, kernel, stride, before, extra, seed: from }) => {
    const along = (axis: 0 | 1): { padding: number; output: number } => {
      const padding = Math.min(before[axis], kernel[axis] - 1);
      const most = Math.floor((map[axis] - 1 + padding) / stride[axis]) + 1;
      const inside = Math.floor((map[axis] + 2 * padding - kernel[axis]) / stride[axis]) + 1;
      return { padding, output: Math.max(1, Math.min(most, extra ? inside + 1 : inside)) };
    };
    const [y, x] = [along(0), along(1)];
    const padding = { top: y.padding, bottom: y.padding, left: x.padding, right: x.padding };
    const attributes: WindowAttributes = { kernel, stride, padding, output: [y.output, x.output] };
    return { attributes, size: map, maps: [count, channels], seed: from };
  });

/** Batch statistics of x, as float64 and float32 both can compute them. */
function normalizationSample(shapeOfInput: readonly number[], from: number): OperatorSample {
  const [, channels = 1] = shapeOfInput;
  const perChannel = shapeOfInput.map((extent, d) => (d === 1 ? extent : 1));
  const axes = shapeOfInput.flatMap((_, d) => (d === 1 ? [] : [d]));
  const count = size(shapeOfInput) / channels;
  const differentiable = ["x", "scale", "shift"];
  return {
    operator: "normalizeBatch",
    name: `normalizeBatch of ${shapeOfInput.join("x")}, seed ${from}`,
    inputs: {
      x: values(shapeOfInput, from),
      scale: values(perChannel, from + 2),
      shift: values(perChannel, from + 3),
      upstream: values(shapeOfInput, from + 1),
    },
    differentiable,
    // The gradient is a difference of terms as large as upstream · scale / deviation.
    tolerance: { relative: 2e-5, ofLargest: 2e-5, absolute: 1e-5 },
    build: (graph) => {
      const { builder, input } = graph;
      const x = input("x");
      const add = (formula: Parameters<typeof plus>[0], inputs: readonly number[]): number =>
        builder.add("map", { formula }, inputs, origin);
      const mean = add(over(argument(0), number(count)), [
        builder.add("reduce", { operator: "add", axes }, [x], origin),
      ]);
      const centred = minus(argument(0), argument(1));
      const squares = add(times(centred, centred), [x, mean]);
      const sum = builder.add("reduce", { operator: "add", axes }, [squares], origin);
      const inverse = add(unary("inverseSquareRoot", plus(over(argument(0), number(count)), number(1e-3))), [sum]);
      const out = builder.add("normalizeBatch", { count }, [x, mean, inverse, input("scale"), input("shift")], origin);
      return { out, ...gradientsOf(graph, out, differentiable) };
    },
  };
}

/** Parts of a flat tensor start at multiples of this many elements, so that a device can bind each by itself. */
const unit = 64;
const roundUp = (length: number): number => Math.ceil(length / unit) * unit;

/** What is packed was computed, and is written straight to its place; what lies between the places is nobody's. */
function packSample(
  shapes: readonly (readonly number[])[],
  attributes: OperatorAttributes["pack"],
  from: number,
): OperatorSample {
  const inputs = Object.fromEntries(shapes.map((of, i) => [`x${i}`, values(of, from + i)] as const));
  return {
    operator: "pack",
    name: `pack of ${shapes.map((of) => of.join("x")).join(", ")} with ${JSON.stringify(attributes)}, seed ${from}`,
    inputs,
    differentiable: [],
    tolerance: exact,
    build: ({ builder, input }) => {
      const doubled = { formula: times(argument(0), number(2)) };
      const parts = Object.keys(inputs).map((name) => builder.add("map", doubled, [input(name)], origin));
      const packed = builder.add("pack", attributes, parts, origin);
      const places = attributes.offsets.map((offset, i) => {
        const place = { offset, shape: shapes[i] ?? [] };
        return [`part ${i}`, builder.add("part", place, [packed], origin)] as const;
      });
      return Object.fromEntries(places);
    },
  };
}

/** Rules for one axis; a reflection is smaller than the map. */
const resampledAxes: fc.Arbitrary<ResampledAxis> = fc.oneof(
  fc
    .record({
      kind: fc.constantFrom("zeros", "replicate", "reflect"),
      from: upTo(7),
      before: upTo(4, 0),
      after: upTo(4, 0),
    })
    .map(({ kind, from, before, after }) => {
      const most = kind === "reflect" ? from - 1 : 4;
      const front = Math.min(before, most);
      return { kind, from, to: front + from + Math.min(after, most), before: front };
    }),
  fc
    .record({ kind: fc.constantFrom("nearest", "bilinear"), from: upTo(5), factor: upTo(4) })
    .map(({ kind, from, factor }) => ({ kind, from, to: from * factor, factor })),
  fc.record({ kind: fc.constant("average" as const), from: upTo(9), to: upTo(9) }),
);

const gathers = fc.record({
  batch: upTo(5),
  rows: upTo(9),
  start: upTo(3, 0),
  tables: upTo(3),
  rest: fc.array(upTo(5), { maxLength: 3 }),
  type: fc.constantFrom("u8", "f32"),
  seed,
});

/** `ties`: whether maxima may be of equal elements. */
export function operatorSamples(ties: boolean): { readonly [K in OperatorName]: fc.Arbitrary<OperatorSample> } {
  return {
    state: fc
      .record({ shape: shape(2, 9), type: fc.constantFrom("f32", "u32", "u8"), seed })
      .map(({ shape: of, type, seed: from }) => ({
        ...sampleOf("map", {
          attributes: { formula: argument(0) },
          inputs: { x: integers(of, 256, from, type) },
          seed: from,
        }),
        operator: "state" as const,
      })),
    map: formulaSamples,
    conv: convolutions.map(({ attributes, input, weight, seed: from }) =>
      sampleOf("conv", {
        attributes,
        inputs: { x: values(input, from), weight: values(weight, from + 2) },
        differentiable: ["x", "weight"],
        seed: from,
      }),
    ),
    convInput: convolutions.map(({ attributes, map, out, weight, gradient, seed: from }) =>
      sampleOf("convInput", {
        attributes: { ...attributes, size: map },
        inputs: { gradient: values(gradient(out), from), weight: values(weight, from + 2) },
        seed: from,
      }),
    ),
    convInputPhases: convolutions
      .filter(({ attributes, map }) => map.every((extent, d) => extent % (attributes.stride[d] ?? 1) === 0))
      .map(({ attributes, map, out, weight, gradient, seed: from }) =>
        sampleOf("convInputPhases", {
          attributes: { ...attributes, size: map, groups: 1, dilation: [1, 1] },
          inputs: {
            gradient: values(gradient(out), from),
            weight: values([gradient(out)[1] ?? 1, ...weight.slice(1)], from + 2),
          },
          seed: from,
        }),
      ),
    convWeight: convolutions.map(({ attributes, input, out, gradient, seed: from }) =>
      sampleOf("convWeight", {
        attributes,
        inputs: { x: values(input, from), gradient: values(gradient(out), from + 2) },
        seed: from,
      }),
    ),
    matmul: fc
      .record({ m: upTo(12), n: upTo(12), k: upTo(40), flipLeft: fc.boolean(), flipRight: fc.boolean(), seed })
      .map(({ m, n, k, flipLeft, flipRight, seed: from }) =>
        sampleOf("matmul", {
          attributes: { transposeLeft: flipLeft, transposeRight: flipRight },
          inputs: {
            left: values(flipLeft ? [k, m] : [m, k], from),
            right: values(flipRight ? [n, k] : [k, n], from + 2),
          },
          differentiable: ["left", "right"],
          seed: from,
        }),
      ),
    reduce: fc
      .record({
        operator: fc.constantFrom("add", "maximum", "minimum"),
        shape: upTo(4).chain((rank) => shape(rank, 7)),
        mask: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
        seed,
      })
      .map(({ operator, shape: of, mask, seed: from }) => {
        const axes = of.flatMap((_, d) => (mask[d] ? [d] : []));
        return sampleOf("reduce", {
          attributes: { operator, axes: axes.length > 0 ? axes : [of.length - 1] },
          inputs: { x: values(of, from) },
          differentiable: operator === "add" ? ["x"] : [],
          seed: from,
        });
      }),
    first: fc
      .record({ shape: shape(4, 5), axes: fc.subarray([0, 1, 2, 3]), seed })
      .map(({ shape: of, axes, seed: from }) =>
        sampleOf("first", { attributes: { axes }, inputs: { x: values(of, from) }, seed: from }),
      ),
    window: fc
      .tuple(windows, fc.constantFrom("add", "maximum"))
      .map(([{ attributes, size: map, maps, seed: from }, operator]) =>
        sampleOf("window", {
          attributes: { ...attributes, operator },
          inputs: { x: comparable([...maps, ...map], from, ties) },
          differentiable: ["x"],
          seed: from,
        }),
      ),
    windowPlace: windows.map(({ attributes, size: map, maps, seed: from }) =>
      sampleOf("windowPlace", { attributes, inputs: { x: comparable([...maps, ...map], from, ties) }, seed: from }),
    ),
    windowSpread: windows.map(({ attributes, size: map, maps, seed: from }) =>
      sampleOf("windowSpread", {
        attributes: { ...attributes, size: map },
        inputs: { gradient: values([...maps, ...attributes.output], from) },
        seed: from,
      }),
    ),
    windowRoute: windows.map(({ attributes, size: map, maps, seed: from }) => {
      const { kernel, output } = attributes;
      const windowsOf = [...maps, ...output];
      return sampleOf("windowRoute", {
        attributes: { ...attributes, size: map },
        inputs: {
          gradient: values(windowsOf, from),
          places: integers(windowsOf, kernel[0] * kernel[1], from + 2, "f32"),
        },
        seed: from,
      });
    }),
    resample: fc
      .record({
        batch,
        channels: upTo(3),
        axes: fc.tuple(resampledAxes, resampledAxes),
        transposed: fc.boolean(),
        seed,
      })
      .map(({ batch: count, channels, axes, transposed, seed: from }) =>
        sampleOf("resample", {
          attributes: { axes, transposed },
          inputs: { x: values([count, channels, ...axes.map((axis) => (transposed ? axis.to : axis.from))], from) },
          differentiable: ["x"],
          tolerance: { relative: 2e-6, ofLargest: 2e-6 },
          seed: from,
        }),
      ),
    permute: fc
      .record({ shape: shape(4, 5), axes: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), seed })
      .map(({ shape: of, axes, seed: from }) =>
        sampleOf("permute", {
          attributes: { axes },
          inputs: { x: values(of, from) },
          differentiable: ["x"],
          seed: from,
        }),
      ),
    reshape: fc.record({ shape: shape(4, 5), cut: upTo(3), seed }).map(({ shape: of, cut, seed: from }) =>
      sampleOf("reshape", {
        attributes: { shape: [size(of.slice(0, cut)), ...of.slice(cut).toReversed()] },
        inputs: { x: values(of, from) },
        differentiable: ["x"],
        seed: from,
      }),
    ),
    channels: fc
      .record({
        batch,
        channels: upTo(6),
        rest: fc.array(upTo(5), { maxLength: 2 }),
        start: upTo(5, -5),
        count: upTo(9),
        seed,
      })
      .map(({ batch: count, channels, rest, start, count: wanted, seed: from }) =>
        sampleOf("channels", {
          attributes: { start, count: wanted },
          inputs: { x: values([count, channels, ...rest], from) },
          differentiable: ["x"],
          seed: from,
        }),
      ),
    part: fc
      .record({ shape: shape(3, 6), before: upTo(3, 0), after: upTo(3, 0), seed })
      .map(({ shape: of, before, after, seed: from }) =>
        sampleOf("part", {
          attributes: { offset: before * unit, shape: of },
          inputs: { x: values([before * unit + roundUp(size(of)) + after * unit], from) },
          seed: from,
        }),
      ),
    pack: fc
      .record({
        shapes: fc.array(fc.tuple(shape(2, 9), upTo(2, 0)), { minLength: 1, maxLength: 3 }),
        after: upTo(2, 0),
        seed,
      })
      .map(({ shapes, after, seed: from }) => {
        let end = 0;
        const offsets = shapes.map(([of, gap]) => {
          const offset = end + gap * unit;
          end = offset + roundUp(size(of));
          return offset;
        });
        return packSample(
          shapes.map(([of]) => of),
          { offsets, length: end + after * unit },
          from,
        );
      }),
    gather: gathers.map(({ batch: count, rows, start, tables, rest, type, seed: from }) => {
      // All tables are equally long but for the last.
      const lengths = Array.from({ length: tables }, (_, i) => (i < tables - 1 ? 4 : 3));
      const total = lengths.reduce((sum, length) => sum + length, 0);
      const held = lengths.map((length, i) => [`table${i}`, integers([length, ...rest], 256, from + 2 + i, type)]);
      return sampleOf("gather", {
        attributes: { batch: count },
        inputs: {
          rows: integers([rows], total, from, "u32"),
          start: { shape: [1], data: [Math.min(start, Math.ceil(rows / count))], type: "u32" },
          ...(Object.fromEntries(held) as Record<string, InputTensor>),
        },
        seed: from,
      });
    }),
    ...tileSamples,
    normalizeBatch: fc
      .record({ batch: fc.constantFrom(3, 7), channels: upTo(3), map: fc.option(pair(upTo(4))), seed })
      .map(({ batch: count, channels, map, seed: from }) =>
        normalizationSample([count, channels, ...(map ?? [])], from),
      ),
  };
}
