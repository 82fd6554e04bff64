/** The generated set: the same bytes everywhere, balanced, and too hard for a linear model. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { Split } from "../../../runtime/data/dataSet.ts";
import { generateShapes } from "../../../runtime/data/shapes.ts";

const { train, test: held, classes, image } = await generateShapes();

function digest({ images, labels }: Split): string {
  return createHash("sha256").update(images).update(labels).digest("hex");
}

test("these bytes, on every machine", () => {
  expect(digest(train)).toBe("d1587b6387950d8b02b1537d5e2f5f6096322f551dfa3a67bf99f87f7687a9ba");
  expect(digest(held)).toBe("cdc7f7cd0cf3b3292e1513b631064e8c499f439f656eb7a52a122d099e5a3338");
});

test("shape, counts and balance", () => {
  expect(image).toEqual([3, 32, 32]);
  expect(new Set(classes).size).toBe(10);
  for (const [{ images, labels, count }, expected] of [
    [train, 10_000],
    [held, 2_000],
  ] as const) {
    expect([count, labels.length, images.length]).toEqual([expected, expected, expected * 3072]);
    const perClass = Array.from({ length: 10 }, (_, label) => labels.filter((one) => one === label).length);
    expect(perClass.reduce((a, b) => a + b, 0)).toBe(count);
    // Five deviations of a fair draw: sqrt(count * 0.1 * 0.9).
    for (const number of perClass) expect(Math.abs(number - count / 10)).toBeLessThan(5 * Math.sqrt(0.09 * count));
  }
});

test("no picture of the test set is in the training set, and none comes twice", () => {
  const pictures = ({ images, count }: Split): string[] =>
    Array.from({ length: count }, (_, i) =>
      createHash("sha256")
        .update(images.subarray(i * 3072, (i + 1) * 3072))
        .digest("base64"),
    );
  expect(new Set([...pictures(train), ...pictures(held)]).size).toBe(12_000);
});

test("brightness is spread, not clipped", () => {
  const clipped = train.images.filter((value) => value === 0 || value === 255).length;
  expect(clipped / train.images.length).toBeLessThan(0.05);
  expect(train.images.reduce((a, b) => a + b, 0) / train.images.length).toBeGreaterThan(60);
});

/** Pictures as rows of 3072 numbers around zero. */
function rows({ images }: Split, count: number): Float32Array[] {
  return Array.from({ length: count }, (_, i) =>
    Float32Array.from(images.subarray(i * 3072, (i + 1) * 3072), (value) => value / 127.5 - 1),
  );
}

interface Linear {
  readonly weights: Float32Array[];
  readonly biases: Float64Array;
}

function logits({ weights, biases }: Linear, row: Float32Array): number[] {
  return weights.map((weight, label) => {
    let sum = biases[label] ?? 0;
    for (let k = 0; k < 3072; k++) sum += (weight[k] ?? 0) * (row[k] ?? 0);
    return sum;
  });
}

/** Softmax regression by stochastic gradient descent. */
function trainLinear(pictures: readonly Float32Array[], labels: Uint8Array, epochs: number): Linear {
  const model: Linear = {
    weights: Array.from({ length: 10 }, () => new Float32Array(3072)),
    biases: new Float64Array(10),
  };
  for (let epoch = 0; epoch < epochs; epoch++) {
    const rate = 0.002 / (1 + epoch);
    pictures.forEach((row, i) => {
      const scores = logits(model, row);
      const largest = Math.max(...scores);
      const powers = scores.map((score) => Math.exp(score - largest));
      const sum = powers.reduce((a, b) => a + b, 0);
      powers.forEach((power, label) => {
        const step = rate * (power / sum - (labels[i] === label ? 1 : 0));
        const weight = model.weights[label] ?? new Float32Array();
        for (let k = 0; k < 3072; k++) weight[k] = (weight[k] ?? 0) - step * (row[k] ?? 0);
        model.biases[label] = (model.biases[label] ?? 0) - step;
      });
    });
  }
  return model;
}

function accuracy(model: Linear, pictures: readonly Float32Array[], labels: Uint8Array): number {
  const right = pictures.filter((row, i) => {
    const scores = logits(model, row);
    return scores.indexOf(Math.max(...scores)) === labels[i];
  });
  return right.length / pictures.length;
}

test("a linear model learns something, and stays far below 60 %", () => {
  const [pictures, unseen] = [rows(train, 4000), rows(held, 1000)];
  const model = trainLinear(pictures, train.labels, 3);
  // It does learn: what it has seen it tells better than chance, so the test is one of the data.
  expect(accuracy(model, pictures, train.labels)).toBeGreaterThan(0.2);
  const found = accuracy(model, unseen, held.labels);
  expect(found).toBeGreaterThan(0.12);
  expect(found).toBeLessThan(0.6);
});
