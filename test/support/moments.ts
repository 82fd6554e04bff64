/** Means, variances and correlations of what is drawn, with the room that chance needs. */
import { expect } from "vitest";

export const meanOf = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0) / numbers.length;
export const varianceOf = (numbers: readonly number[]): number => {
  const mean = meanOf(numbers);
  return meanOf(numbers.map((value) => (value - mean) ** 2));
};

/** Mean and variance within five standard errors; `kurtosis` is that of the distribution (1.8 of a uniform one, 3 of a normal one). */
export function expectMoments(numbers: readonly number[], mean: number, variance: number, kurtosis: number): void {
  const count = numbers.length;
  expect(Math.abs(meanOf(numbers) - mean)).toBeLessThan(5 * Math.sqrt(variance / count));
  expect(Math.abs(varianceOf(numbers) - variance)).toBeLessThan(5 * variance * Math.sqrt((kurtosis - 1) / count));
}

export function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  const together = meanOf(a.map((value, i) => (value - meanA) * ((b[i] ?? NaN) - meanB)));
  return together / Math.sqrt(varianceOf(a) * varianceOf(b));
}
