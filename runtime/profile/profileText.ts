/**
 * A profile as tables of text: kernels by their time, then what layers and kinds of kernels take in all.
 *
 * In: a profile. Out: lines, columns aligned. What holds: shares are of the sum of the kernels' times.
 */
import { type KernelProfile, phases, type Profile } from "./profile.ts";

export interface ProfileTextOptions {
  /** Rows of the table of kernels; the rest is one row. */
  readonly kernels: number;
}

/** What some kernels take together. */
export interface Total {
  readonly name: string;
  readonly count: number;
  readonly milliseconds: number;
  readonly operations: number;
  readonly bytes: number;
}

export function totalOf(name: string, kernels: readonly KernelProfile[]): Total {
  const sum = (of: (kernel: KernelProfile) => number): number => kernels.reduce((total, one) => total + of(one), 0);
  return {
    name,
    count: kernels.length,
    milliseconds: sum((kernel) => kernel.milliseconds),
    operations: sum((kernel) => kernel.operations),
    bytes: sum((kernel) => kernel.bytes),
  };
}

/** Totals by what a kernel is said to be, the longest first. */
export function totalsBy(kernels: readonly KernelProfile[], nameOf: (kernel: KernelProfile) => string): Total[] {
  const groups = new Map<string, KernelProfile[]>();
  for (const kernel of kernels) groups.set(nameOf(kernel), [...(groups.get(nameOf(kernel)) ?? []), kernel]);
  return [...groups]
    .map(([name, members]) => totalOf(name, members))
    .toSorted((a, b) => b.milliseconds - a.milliseconds);
}

export const layerName = ({ layer, line }: KernelProfile): string => (line > 0 ? `${layer} (line ${line})` : layer);

export function profileText(profile: Profile, options: ProfileTextOptions): string {
  const { kernels, peaks } = profile;
  const byTime = kernels.toSorted((a, b) => b.milliseconds - a.milliseconds);
  const all = totalOf("all kernels", kernels);
  const shown = byTime.slice(0, options.kernels).map((kernel) => totalOf(kernel.name, [kernel]));
  const rest = byTime.slice(options.kernels);
  if (rest.length > 0) shown.push(totalOf(`${rest.length} more kernels`, rest));
  const rows = (totals: readonly Total[]): string[][] =>
    totals.map((total) => row(total, all, peaks.multiplyAdds.rate));
  const head = ["ms", "share", "MFLOP", "MB", "FLOP/B", "GFLOP/s", "of peak"];
  const ofPhases = phases.flatMap((phase) => {
    const members = kernels.filter((kernel) => kernel.phase === phase);
    return members.length > 0 ? [totalOf(phase, members)] : [];
  });
  return [
    ...heading(profile),
    "",
    ...table([...head, "kernel"], rows([...shown, all])),
    "",
    ...table([...head, "layer"], rows(totalsBy(kernels, layerName).slice(0, options.kernels))),
    "",
    ...table([...head, "kind"], rows(ofPhases)),
    "",
  ].join("\n");
}

function heading({ model, program, batch, device, peaks, stepMilliseconds, kernels }: Profile): string[] {
  const { multiplyAdds, memory, cache } = peaks;
  const milliseconds = totalOf("", kernels).milliseconds;
  const images = Math.round((1000 * batch) / stepMilliseconds).toLocaleString("en");
  return [
    `${model}, ${program}, batch ${batch}, on ${device.name} (${device.driver})`,
    `a run takes ${stepMilliseconds.toFixed(2)} ms (${images} images/s); ` +
      `its ${kernels.length} kernels one by one ${milliseconds.toFixed(2)} ms`,
    `peak ${multiplyAdds.rate.toFixed(0)} GFLOP/s (${multiplyAdds.shape}); copies ${memory.rate.toFixed(0)} GB/s ` +
      `in memory, ${cache.rate.toFixed(0)} GB/s in caches`,
  ];
}

function row(total: Total, all: Total, peak: number): string[] {
  const { name, milliseconds, operations, bytes } = total;
  const rate = operations / 1e6 / Math.max(1e-6, milliseconds);
  const share = (part: number): string => `${(100 * part).toFixed(1)} %`;
  return [
    milliseconds.toFixed(3),
    share(milliseconds / Math.max(1e-6, all.milliseconds)),
    (operations / 1e6).toFixed(2),
    (bytes / 1e6).toFixed(2),
    bytes > 0 ? (operations / bytes).toFixed(1) : "",
    rate.toFixed(1),
    peak > 0 ? share(rate / peak) : "",
    name,
  ];
}

/** Numbers to the right, the last column to the left. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((cells) => cells[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === cells.length - 1 ? cell : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  return [
    line(head),
    "-".repeat(
      Math.min(
        110,
        widths.reduce((sum, width) => sum + width + 2, -2),
      ),
    ),
    ...rows.map(line),
  ];
}
