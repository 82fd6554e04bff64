/**
 * What tuning found, as text: a row for each kernel, the whole step before and after.
 */
import type { TuneResult } from "./tune.ts";

export function tuneText(result: TuneResult): string {
  const { kernels, total, share } = result;
  const head = "  default ms    tuned ms  ratio  times  candidates  kernel";
  const rows = kernels.map(({ defaultMilliseconds, milliseconds, count, tried, refused, name }) => {
    const ratio = defaultMilliseconds / milliseconds;
    const candidates = `${tried}${refused > 0 ? ` (${refused} wrong)` : ""}`;
    return [
      defaultMilliseconds.toFixed(4).padStart(12),
      milliseconds.toFixed(4).padStart(12),
      ratio.toFixed(2).padStart(7),
      String(count).padStart(7),
      candidates.padStart(12),
      `  ${name}`,
    ].join("");
  });
  const isEmpty = kernels.length === 0;
  const left = total - kernels.length;
  const sum = (of: "milliseconds" | "defaultMilliseconds"): number =>
    kernels.reduce((all, kernel) => all + kernel.count * kernel[of], 0);
  const alone = sum("defaultMilliseconds") / sum("milliseconds");
  const measured = `what was measured takes ${Math.round(100 * share)} % of a step`;
  return [
    ...(isEmpty ? [] : [head, ...rows, ""]),
    ...(left > 0 && !isEmpty
      ? [`${left} of ${total} kernels were not measured, for want of time, choices or memory; ${measured}`]
      : []),
    ...(isEmpty
      ? ["no kernel was measured: `cnnc tune` takes more time with --seconds"]
      : [`kernels one by one: default ${alone.toFixed(3)} times the tuned ones`]),
    ...(isEmpty ? [] : [stepText(result)]),
    "",
  ].join("\n");
}

function stepText({ step, schedules }: TuneResult): string {
  if (!step)
    return schedules.size === 0
      ? "no schedule was faster than the default one"
      : "whole steps were not compared, since tuning was stopped";
  const { defaultMilliseconds, milliseconds } = step;
  const ratio = defaultMilliseconds / milliseconds;
  const text = `a step: default ${defaultMilliseconds.toFixed(3)} ms, tuned ${milliseconds.toFixed(3)} ms, ratio ${ratio.toFixed(3)}`;
  return ratio > 1 ? text : `${text}; the default schedules stay`;
}
