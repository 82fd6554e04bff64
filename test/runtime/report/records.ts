/** Records of runs that went as given. */
import type { EpochRecord } from "../../../runtime/train/epochRecord.ts";

/** One epoch for each accuracy; the losses fall as it grows. */
export function recordsOf(...accuracies: readonly number[]): EpochRecord[] {
  return accuracies.map((testAccuracy, i) => ({
    epoch: i + 1,
    trainLoss: 2.3 - 2 * testAccuracy,
    testLoss: 2.4 - 2 * testAccuracy,
    testAccuracy,
    seconds: 12.34,
    imagesPerSecond: 4051.7,
  }));
}
