/**
 * The roofline of a profile: operations a byte across, operations a second upwards, both in powers of ten.
 *
 * In: a profile and a box. Out: pieces of SVG. What holds: a kernel without arithmetic has no dot; an element counts once
 * however often it is read, so a dot above a line of bandwidth tells of data that stayed in a cache.
 */
import { ink, mark, type Point, segment, small, text, textWidth } from "../report/svg.ts";
import { phaseColours } from "./colours.ts";
import type { KernelProfile, Profile } from "./profile.ts";

export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

interface Dot {
  readonly kernel: KernelProfile;
  /** Operations a byte, and 10⁹ operations a second. */
  readonly intensity: number;
  readonly rate: number;
}

interface Scales {
  readonly box: Box;
  /** Powers of ten at both ends. */
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  readonly place: (intensity: number, rate: number) => Point;
}

/** Kernels with names beside their dots: those that take longest. */
const mostLabels = 12;
const labelSize = 11;

export function roofline(profile: Profile, box: Box): string[] {
  const { kernels, peaks } = profile;
  const dots = kernels
    .filter(({ operations, bytes, milliseconds }) => operations > 0 && bytes > 0 && milliseconds > 0)
    .map((kernel): Dot => {
      const { operations, bytes, milliseconds } = kernel;
      return { kernel, intensity: operations / bytes, rate: operations / 1e6 / milliseconds };
    });
  const scales = scalesFor(dots, peaks.multiplyAdds.rate, box);
  const total = kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const inOrder = dots.toSorted((a, b) => b.kernel.milliseconds - a.kernel.milliseconds);
  return [
    ...axes(scales),
    ...bandwidthLines(scales, peaks),
    ...peakLine(scales, peaks.multiplyAdds.rate),
    ...inOrder.map((dot) => dotOf(dot, scales, total)),
    ...labelsOf(inOrder.slice(0, mostLabels), scales),
  ];
}

/** Room above the peak, as a power of ten; what is slower than so many below it lies on the lower edge. */
const above = 0.2;
const below = 3;

function scalesFor(dots: readonly Dot[], peak: number, box: Box): Scales {
  const top = Math.log10(Math.max(peak, ...dots.map(({ rate }) => rate)));
  const y = [top - below, top + above] as const;
  const exponents = dots.map(({ intensity }) => Math.log10(intensity));
  const x = [Math.max(-2, Math.min(-1, ...exponents) - 0.1), Math.max(2, ...exponents) + 0.2] as const;
  const along = (value: number, [low, high]: readonly [number, number]): number =>
    Math.min(1, Math.max(0, (Math.log10(value) - low) / (high - low)));
  const place = (intensity: number, rate: number): Point => [
    box.left + (box.right - box.left) * along(intensity, x),
    box.bottom - (box.bottom - box.top) * along(rate, y),
  ];
  return { box, x, y, place };
}

function axes({ box, x, y, place }: Scales): string[] {
  const parts: string[] = [segment([box.left, box.bottom], [box.right, box.bottom], `stroke="${ink.axis}"`)];
  for (let power = Math.ceil(x[0]); power <= x[1]; power++) {
    const [at] = place(10 ** power, 1);
    parts.push(segment([at, box.top], [at, box.bottom], `stroke="${ink.grid}"`));
    parts.push(text(at, box.bottom + 18, powerText(power), `${small} text-anchor="middle"`));
  }
  for (let power = Math.ceil(y[0]); power <= y[1]; power++) {
    const [, at] = place(1, 10 ** power);
    parts.push(segment([box.left, at], [box.right, at], `stroke="${ink.grid}"`));
    parts.push(text(box.left - 10, at + 4, powerText(power), `${small} text-anchor="end"`));
  }
  const [centre, middle] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
  const [titleX, titleY] = [22, box.bottom + 40];
  parts.push(text(centre, titleY, "FLOP/byte (distinct bytes)", `${small} text-anchor="middle"`));
  const turned = `${small} text-anchor="middle" transform="rotate(-90 ${titleX} ${middle})"`;
  parts.push(text(titleX, middle, "GFLOP/s", turned));
  return parts;
}

function powerText(power: number): string {
  return power >= 0 ? (10 ** power).toLocaleString("en") : (10 ** power).toFixed(-power);
}

function peakLine({ box, place }: Scales, peak: number): string[] {
  const [, y] = place(1, peak);
  return [
    segment([box.left, y], [box.right, y], `stroke="${ink.text}" stroke-width="1.5"`),
    text(box.left + 8, y - 7, `multiply-adds: ${peak.toFixed(0)} GFLOP/s`, `font-size="12" fill="${ink.text}"`),
  ];
}

/** The name of the faster one stands above its line, that of the other one below: they may be close. */
function bandwidthLines(scales: Scales, { memory, cache, multiplyAdds }: Profile["peaks"]): string[] {
  const isCacheFaster = cache.rate >= memory.rate;
  return [
    ...bandwidthLine(scales, multiplyAdds.rate, {
      rate: memory.rate,
      name: "memory",
      dashes: "",
      isAbove: !isCacheFaster,
    }),
    ...bandwidthLine(scales, multiplyAdds.rate, {
      rate: cache.rate,
      name: "caches",
      dashes: "6 4",
      isAbove: isCacheFaster,
    }),
  ];
}

interface Bandwidth {
  readonly rate: number;
  readonly name: string;
  readonly dashes: string;
  readonly isAbove: boolean;
}

/** `operations a second = bandwidth · intensity`, from the bottom or the left edge up to the peak. */
function bandwidthLine({ x, y, place }: Scales, peak: number, { rate, name, dashes, isAbove }: Bandwidth): string[] {
  const first = Math.max(10 ** x[0], 10 ** y[0] / rate);
  const last = Math.min(10 ** x[1], peak / rate);
  if (!(rate > 0) || first >= last) return [];
  const [from, to] = [place(first, first * rate), place(last, last * rate)];
  const angle = ((Math.atan2(to[1] - from[1], to[0] - from[0]) * 180) / Math.PI).toFixed(1);
  const at: Point = [from[0] + 0.12 * (to[0] - from[0]), from[1] + 0.12 * (to[1] - from[1])];
  const turned = `transform="rotate(${angle} ${at[0].toFixed(1)} ${at[1].toFixed(1)})"`;
  return [
    segment(from, to, `stroke="${ink.faint}" stroke-width="1.5" stroke-dasharray="${dashes || "none"}"`),
    text(at[0], at[1] + (isAbove ? -7 : 16), `copies in ${name}: ${rate.toFixed(0)} GB/s`, `${small} ${turned}`),
  ];
}

function radiusOf({ kernel }: Dot, total: number): number {
  return Number((2.5 + 16 * Math.sqrt(kernel.milliseconds / total)).toFixed(1));
}

function dotOf(dot: Dot, { place }: Scales, total: number): string {
  const { kernel, intensity, rate } = dot;
  const title = `${kernel.name}: ${kernel.milliseconds.toFixed(3)} ms, ${rate.toFixed(1)} GFLOP/s, ${intensity.toFixed(1)} FLOP/byte`;
  const style = `fill="${phaseColours[kernel.phase]}" fill-opacity="0.55" stroke="#ffffff" stroke-width="0.7"`;
  return mark(place(intensity, rate), radiusOf(dot, total), style, title);
}

/** Names beside the dots, to the right or the left, wherever they meet no other name. */
function labelsOf(dots: readonly Dot[], { box, place }: Scales): string[] {
  const taken: Box[] = [];
  return dots.flatMap(({ kernel, intensity, rate }) => {
    const [x, y] = place(intensity, rate);
    const name = kernel.role === "forward" ? kernel.layer : `${kernel.layer}: ${kernel.role}`;
    const width = textWidth(name, labelSize);
    for (const [left, anchor] of [
      [x + 12, "start"],
      [x - 12 - width, "end"],
    ] as const) {
      const area = { left, right: left + width, top: y - 6, bottom: y + 6 };
      if (area.left < box.left || area.right > box.right || taken.some((other) => meet(area, other))) continue;
      taken.push(area);
      const rim = `paint-order="stroke" stroke="#ffffff" stroke-width="3" stroke-linejoin="round"`;
      const style = `font-size="${labelSize}" fill="${ink.text}" text-anchor="${anchor}" ${rim}`;
      return [text(anchor === "start" ? left : left + width, y + 4, name, style)];
    }
    return [];
  });
}

function meet(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
