/** What a list of times comes to. */
import { median } from "./median.mjs";

export { median };

export interface Summary {
  readonly median: number;
  readonly smallest: number;
  readonly largest: number;
}

export function summarise(values: readonly number[]): Summary {
  return { median: median(values), smallest: Math.min(...values), largest: Math.max(...values) };
}

/** Ratios of times that were taken in the same rounds: what disturbs both alike falls out. */
export function ratios(times: readonly number[], reference: readonly number[]): Summary | undefined {
  const pairs = times.flatMap((time, round) => {
    const other = reference[round];
    return other === undefined ? [] : [time / other];
  });
  return pairs.length > 0 ? summarise(pairs) : undefined;
}

/** The largest difference, as a part of the largest value; infinite where the lists differ in length or are not finite. */
export function difference(values: readonly number[], reference: readonly number[]): number {
  const count = Math.min(values.length, reference.length);
  if (count === 0) return Infinity;
  const largest = Math.max(...reference.slice(0, count).map(Math.abs));
  const most = Math.max(...values.slice(0, count).map((value, i) => Math.abs(value - (reference[i] ?? NaN))));
  return Number.isFinite(most) ? most / largest : Infinity;
}
