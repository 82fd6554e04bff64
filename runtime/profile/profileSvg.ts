/**
 * A profile as a picture: a run as a timeline above, the roofline of its kernels below.
 *
 * In: a profile. Out: SVG. What holds: all kernels are in both parts, those without arithmetic in the timeline only.
 */
import { ink, segment, small, svgDocument, text, textWidth, tooltip } from "../report/svg.ts";
import { phaseColours } from "./colours.ts";
import { type KernelProfile, phases, type Profile } from "./profile.ts";
import { roofline } from "./roofline.ts";
import { totalOf } from "./profileText.ts";

const width = 1120;
const margin = { left: 76, right: 40 };
const rowHeight = 46;
const barHeight = 30;
const rooflineHeight = 470;
const fontSize = 11;

export function profileSvg(profile: Profile): string {
  const { model, program, batch, device, stepMilliseconds } = profile;
  const rows = rowsOf(profile.kernels);
  const timelineTop = 96;
  const timelineBottom = timelineTop + rows.length * rowHeight;
  const height = timelineBottom + rooflineHeight;
  const title = `${model}: ${program}, batch ${batch}, ${stepMilliseconds.toFixed(2)} ms`;
  return svgDocument(width, height, [
    text(margin.left, 34, title, `font-size="17" font-weight="bold" fill="${ink.text}"`),
    text(margin.left, 54, `${device.name}, ${device.driver}`, small),
    ...legend(profile),
    ...rows.flatMap((row, i) => timelineRow(row, timelineTop + i * rowHeight)),
    ...roofline(profile, {
      left: margin.left,
      right: width - margin.right,
      top: timelineBottom + 24,
      bottom: height - 56,
    }),
  ]);
}

function legend({ kernels }: Profile): string[] {
  const all = totalOf("", kernels).milliseconds;
  return phases.flatMap((phase, i) => {
    const { milliseconds, count } = totalOf(
      phase,
      kernels.filter((kernel) => kernel.phase === phase),
    );
    if (count === 0) return [];
    const x = margin.left + i * 190;
    const share = `${phase} ${((100 * milliseconds) / all).toFixed(0)} %`;
    return [
      `<rect x="${x}" y="67" width="12" height="12" fill="${phaseColours[phase]}"/>`,
      text(x + 18, 78, share, `font-size="12" fill="${ink.text}"`),
    ];
  });
}

/** A piece of a kernel's time that lies in one row. */
interface Piece {
  readonly kernel: KernelProfile;
  readonly start: number;
  readonly end: number;
}

interface Row {
  /** In milliseconds. */
  readonly start: number;
  readonly length: number;
  readonly pieces: readonly Piece[];
}

/** Time in rows of equal length: one for every sixteen kernels or so, six at most. */
function rowsOf(kernels: readonly KernelProfile[]): Row[] {
  const total = totalOf("", kernels).milliseconds;
  const count = Math.min(6, Math.max(1, Math.ceil(kernels.length / 16)));
  const length = Math.max(1e-6, total / count);
  const pieces: Piece[] = [];
  let now = 0;
  for (const kernel of kernels) {
    pieces.push({ kernel, start: now, end: now + kernel.milliseconds });
    now += kernel.milliseconds;
  }
  return Array.from({ length: count }, (_, i) => {
    const [start, end] = [i * length, (i + 1) * length];
    const inside = pieces.filter((piece) => piece.start < end && piece.end > start);
    return {
      start,
      length,
      pieces: inside.map((piece) => ({
        kernel: piece.kernel,
        start: Math.max(start, piece.start),
        end: Math.min(end, piece.end),
      })),
    };
  });
}

function timelineRow({ start, length, pieces }: Row, top: number): string[] {
  const scale = (width - margin.left - margin.right) / length;
  const across = (time: number): number => margin.left + (time - start) * scale;
  const bottom = top + barHeight;
  return [
    text(margin.left - 10, top + 20, `${start.toFixed(length < 1 ? 2 : 1)} ms`, `${small} text-anchor="end"`),
    segment([margin.left, bottom], [width - margin.right, bottom], `stroke="${ink.axis}"`),
    ...pieces.map(({ kernel, start: from, end }) => bar(kernel, across(from), across(end), top)),
  ];
}

function bar(kernel: KernelProfile, left: number, right: number, top: number): string {
  const label = labelThatFits(kernel, right - left - 6);
  const box =
    `<rect x="${left.toFixed(2)}" y="${top}" width="${(right - left).toFixed(2)}" height="${barHeight}" ` +
    `fill="${phaseColours[kernel.phase]}" stroke="#ffffff" stroke-width="${right - left > 3 ? 1 : 0.3}">` +
    `${tooltip(`${kernel.name}: ${kernel.milliseconds.toFixed(3)} ms`)}</rect>`;
  if (label === "") return box;
  const style = `font-size="${fontSize}" fill="#ffffff" text-anchor="middle"`;
  return `${box}\n${text((left + right) / 2, top + 19, label, style)}`;
}

/** The name, the layer with its role, or the layer alone; nothing where none has room. */
function labelThatFits({ layer, role }: KernelProfile, room: number): string {
  const candidates = role === "forward" ? [layer] : [`${layer}: ${role}`, layer];
  return candidates.find((candidate) => textWidth(candidate, fontSize) <= room) ?? "";
}
