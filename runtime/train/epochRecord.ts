/** One line of `metrics.jsonl`: what an epoch gave. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  /** Mean loss over the epoch's training batches, as they were trained on. */
  readonly trainLoss: number;
  readonly testLoss: number;
  /** Share of right answers on the test set, 0 to 1. */
  readonly testAccuracy: number;
  /** Training time of the epoch, without evaluation. */
  readonly seconds: number;
  /** Training images a second. */
  readonly imagesPerSecond: number;
}
