/** The learning curve as SVG, PNG and text: well-formed, complete, and within its frame for runs of every length. */
import { Resvg } from "@resvg/resvg-js";
import { expect, test } from "vitest";
import { curvePng } from "../../../runtime/report/curvePng.ts";
import { curveSvg, epochStep } from "../../../runtime/report/curveSvg.ts";
import { curveText } from "../../../runtime/report/curveText.ts";
import { recordsOf } from "./records.ts";

const many = (count: number): number[] => Array.from({ length: count }, (_, i) => 0.9 - 0.6 * Math.exp(-i / 20));

const runs: [string, number[], number][] = [
  ["none of 10 epochs", [], 10],
  ["1 epoch", [0.49], 1],
  ["1 of 10 epochs", [0.3], 10],
  ["2 epochs", [0.4, 0.55], 2],
  ["10 epochs", [0.49, 0.53, 0.57, 0.58, 0.58, 0.59, 0.6, 0.61, 0.61, 0.6], 10],
  ["200 epochs", many(200), 200],
  ["10 epochs at chance", Array.from({ length: 10 }, () => 0.1), 10],
  ["all right", [0.99, 1, 1], 3],
  ["all wrong", [0, 0], 2],
];

/** All texts of a picture. */
function texts(svg: string): string[] {
  return [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, content]) => content ?? "");
}

test.each(runs)("%s: SVG is well-formed, labelled, and inside of its frame", (_, accuracies, epochs) => {
  const svg = curveSvg(recordsOf(...accuracies), { title: "LeNet", epochs });
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  // The parser of this library refuses what is not well-formed, which the next test makes sure of.
  const picture = new Resvg(svg);
  expect([picture.width, picture.height]).toEqual([720, 440]);
  expect(texts(svg)).toEqual(
    expect.arrayContaining([
      "LeNet",
      "epoch",
      "loss",
      "training loss",
      "test loss",
      "0 %",
      "100 %",
      "0",
      String(epochs),
    ]),
  );
  expect(texts(svg).filter((text) => text === "test accuracy")).toHaveLength(2);
  const best = Math.max(...accuracies);
  if (accuracies.length > 0) expect(texts(svg)).toContain(`${(100 * best).toFixed(1)} %`);
  // One path a curve; a single record makes dots.
  expect(svg.match(/<path /g)?.length ?? 0).toBe(accuracies.length > 1 ? 3 : 0);
  for (const [, x, y] of svg.matchAll(/ c?x="([^"]+)" c?y="([^"]+)"/g)) {
    expect(Number(x)).toBeGreaterThanOrEqual(0);
    expect(Number(x)).toBeLessThanOrEqual(720);
    expect(Number(y)).toBeGreaterThanOrEqual(14);
    expect(Number(y)).toBeLessThanOrEqual(440);
  }
});

test("the check of well-formedness can fail", () => {
  expect(() => new Resvg('<svg xmlns="http://www.w3.org/2000/svg"><g></svg>')).toThrow();
});

test("the accuracy is drawn to scale, from the first one that was measured", () => {
  const svg = curveSvg(recordsOf(0.5, 0.25), { title: "", epochs: 2 });
  // The last path is that of the accuracy; 50 % is in the middle, and so is the first of two epochs.
  const path = svg.match(/<path d="(M[^"]+)"/g)?.at(-1) ?? "";
  expect(path).toContain("M362,229L642,305.5");
  const marks = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="3.5" fill="#ffffff"/g)];
  expect(marks.map(([, x, y]) => [Number(x), Number(y)])).toEqual([
    [(82 + 642) / 2, (76 + 382) / 2],
    [642, 382 - (382 - 76) / 4],
  ]);
});

test("best and last accuracy are labelled, the last only where there is room", () => {
  const options = { title: "", epochs: 10 };
  const bold = (svg: string): (string | undefined)[] =>
    [...svg.matchAll(/bold[^>]*>([\d.]+ %)</g)].map(([, text]) => text);
  expect(bold(curveSvg(recordsOf(0.1, 0.7, 0.2, 0.3, 0.4, 0.5), options))).toEqual(["70.0 %", "50.0 %"]);
  expect(bold(curveSvg(recordsOf(0.1, 0.7, 0.6), options))).toEqual(["70.0 %"]);
});

test("losses that are not finite are left out, large ones are written in short", () => {
  const records = recordsOf(0.1, 0.2, 0.3).map((record) => ({ ...record, testLoss: Number.NaN }));
  const svg = curveSvg(records, { title: "", epochs: 3 });
  expect(svg).not.toContain("NaN");
  expect(svg.match(/<path /g)).toHaveLength(2);
  const large = recordsOf(0.1, 0.1).map((record) => ({ ...record, trainLoss: 98_000 }));
  expect(texts(curveSvg(large, { title: "", epochs: 2 }))).toContain("100K");
  expect(texts(curveSvg(recordsOf(0.45, 0.45), { title: "", epochs: 2 }))).toContain("0.3");
});

test("a title with the characters of XML", () => {
  const svg = curveSvg([], { title: 'a<b & c>d "e"', epochs: 1 });
  expect(svg).toContain("a&lt;b &amp; c>d");
  expect(() => new Resvg(svg)).not.toThrow();
});

test("at most twelve numbers and the origin on the axis of epochs", () => {
  expect([1, 2, 10, 12, 13, 60, 61, 200, 1000].map(epochStep)).toEqual([1, 1, 1, 1, 2, 5, 10, 20, 100]);
});

test("a PNG of twice the size, with the text drawn", async () => {
  const sizeOf = (png: Uint8Array): number[] => {
    const view = new DataView(png.buffer, png.byteOffset);
    return [view.getUint32(16), view.getUint32(20)];
  };
  const png = await curvePng(curveSvg(recordsOf(0.4, 0.5), { title: "LeNet", epochs: 2 }));
  expect([...png.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  expect(sizeOf(png)).toEqual([1440, 880]);
  // Without its fonts the title would leave no trace.
  const untitled = await curvePng(curveSvg(recordsOf(0.4, 0.5), { title: "", epochs: 2 }));
  expect(Buffer.compare(png, untitled)).not.toBe(0);
});

test.each(runs)("%s: text of the asked width, without control characters", (_, accuracies, epochs) => {
  for (const [width, height] of [
    [60, 10],
    [16, 3],
    [33, 5],
    [1, 1],
  ] as const) {
    const text = curveText(recordsOf(...accuracies), { epochs, width, height });
    const lines = text.split("\n");
    expect(lines).toHaveLength(Math.max(3, height) + 2);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(Math.max(16, width) + 7);
    expect(text.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
    expect(lines[0]).toMatch(/^100 % ┤/);
    expect(text).toMatch(/^ {2}0 % ┤/m);
    expect(lines.at(-1)).toContain(`${epochs} epoch`);
  }
});

test("the text's curve rises from the first accuracy to the last, without gaps", () => {
  const lines = curveText(recordsOf(0, 1), { epochs: 2, width: 20, height: 10 }).split("\n");
  const column = (line: string | undefined): number => (line ?? "").slice(7).search(/[\u2801-\u28ff]/);
  // Nothing was measured in the first epoch, which is half of the width.
  expect(column(lines[9])).toBe(10);
  expect((lines[0] ?? "").length).toBe(27);
  // Every row has a piece of the line, further right the higher it is.
  const columns = lines.slice(0, 10).map(column);
  expect(columns).toEqual([...columns].sort((a, b) => b - a));
  expect(columns.every((at) => at >= 0)).toBe(true);
});

test("a single accuracy is a dot in its own place, also in a run that goes on", () => {
  const dotsOf = (text: string): number => text.match(/[\u2801-\u28ff]/g)?.length ?? 0;
  const whole = curveText(recordsOf(0.5), { epochs: 1, width: 20, height: 10 });
  expect(dotsOf(whole)).toBe(1);
  const half = curveText(recordsOf(0.5), { epochs: 2, width: 20, height: 10 });
  expect(dotsOf(half)).toBe(1);
  expect(
    Math.max(
      ...half
        .split("\n")
        .slice(0, 10)
        .map((line) => line.length),
    ),
  ).toBe(18);
  expect(dotsOf(curveText([], { epochs: 2 }))).toBe(0);
});
