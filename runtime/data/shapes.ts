/**
 * `shapes`: a generated set of 32x32 colour pictures in ten classes, for machines without CIFAR-10.
 *
 * Every picture is drawn from counters alone (nest/random.ts), so it is the same everywhere. Place, size, turn, colours,
 * light and noise vary so much that no pixel tells the class by itself: a linear model does poorly, while edges and their
 * arrangement tell it well.
 */
import { uniform } from "../../compiler/nest/random.ts";
import { nextTurn } from "../nextTurn.ts";
import type { DataSet, Split } from "./dataSet.ts";

const side = 32;
const pixels = side * side;

/** Whether the point (u, v), in units of the shape's radius and turned upright, belongs to the shape. */
type Inside = (u: number, v: number) => boolean;

const radius = (u: number, v: number): number => Math.hypot(u, v);
const stripe = (at: number): boolean => Math.abs((((at * 1.7) % 1) + 1) % 1) < 0.5;

function inStar(u: number, v: number): boolean {
  const angle = Math.atan2(v, u);
  const wave = Math.cos(5 * angle);
  return radius(u, v) < 0.65 + 0.35 * wave;
}

const shapes: Readonly<Record<string, Inside>> = {
  circle: (u, v) => radius(u, v) < 0.85,
  ring: (u, v) => radius(u, v) < 0.95 && radius(u, v) > 0.55,
  square: (u, v) => Math.max(Math.abs(u), Math.abs(v)) < 0.75,
  triangle: (u, v) => v < 0.6 && v > -0.9 + 1.7 * Math.abs(u),
  cross: (u, v) => Math.min(Math.abs(u), Math.abs(v)) < 0.27 && Math.max(Math.abs(u), Math.abs(v)) < 0.95,
  stripes: (u, v) => Math.max(Math.abs(u), Math.abs(v)) < 0.9 && stripe(v),
  checkerboard: (u, v) => Math.max(Math.abs(u), Math.abs(v)) < 0.9 && stripe(u * 0.8) !== stripe(v * 0.8),
  star: inStar,
  crescent: (u, v) => radius(u, v) < 0.9 && radius(u - 0.45, v) > 0.7,
  frame: (u, v) => Math.max(Math.abs(u), Math.abs(v)) < 0.85 && Math.max(Math.abs(u), Math.abs(v)) > 0.5,
};

const classes = Object.keys(shapes);
const insides = Object.values(shapes);

/** Draws picture `number` of stream `stream` into `[3, 32, 32]` bytes; returns its class. */
function drawPicture(stream: number, number: number, into: Uint8Array): number {
  let counter = 0;
  const draw = (low: number, high: number): number => low + (high - low) * uniform(stream, number, counter++);
  const label = Math.floor(draw(0, classes.length));
  const inside = insides[label];
  if (!inside) return label;
  const size = draw(7, 13);
  const centreX = draw(size * 0.8, side - size * 0.8);
  const centreY = draw(size * 0.8, side - size * 0.8);
  const turn = draw(-0.5, 0.5);
  const [cos, sin] = [Math.cos(turn) / size, Math.sin(turn) / size];
  const ground = [draw(10, 130), draw(10, 130), draw(10, 130)];
  // The shape is brighter than its ground, in every channel by its own amount.
  const figure = ground.map((level) => level + draw(50, 120));
  const [slopeX, slopeY] = [draw(-1.6, 1.6), draw(-1.6, 1.6)];
  const noise = draw(4, 18);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const [dx, dy] = [x - centreX, y - centreY];
      const colour = inside(dx * cos + dy * sin, dy * cos - dx * sin) ? figure : ground;
      const light = slopeX * (x - side / 2) + slopeY * (y - side / 2);
      const grain = (uniform(stream, number, 100 + y * side + x) - 0.5) * 2 * noise;
      for (let channel = 0; channel < 3; channel++) {
        const level = (colour[channel] ?? 0) + light + grain;
        into[channel * pixels + y * side + x] = Math.max(0, Math.min(255, Math.round(level)));
      }
    }
  return label;
}

/** Pictures between two looks at the signal: some hundredths of a second. */
const round = 250;

async function generateSplit(stream: number, count: number, signal: AbortSignal | undefined): Promise<Split> {
  const images = new Uint8Array(count * 3 * pixels);
  const labels = new Uint8Array(count);
  for (let number = 0; number < count; number++) {
    labels[number] = drawPicture(stream, number, images.subarray(number * 3 * pixels, (number + 1) * 3 * pixels));
    if (number % round !== 0) continue;
    await nextTurn();
    signal?.throwIfAborted();
  }
  return { images, labels, count };
}

/** 10,000 pictures to train on and 2,000 to test on; about a second, less if aborted: then it throws the signal's reason. */
export async function generateShapes(signal?: AbortSignal): Promise<DataSet> {
  return {
    name: "shapes",
    classes,
    image: [3, side, side],
    train: await generateSplit(0x5a9e5, 10_000, signal),
    test: await generateSplit(0x7e57, 2_000, signal),
    note: "generated",
  };
}
