/** A data set in memory: pictures as bytes, channels planar, and their classes. */
export interface Split {
  /** `[count, C, H, W]` bytes. */
  readonly images: Uint8Array;
  /** `[count]`, each below the number of classes. */
  readonly labels: Uint8Array;
  readonly count: number;
}

export interface DataSet {
  readonly name: string;
  readonly classes: readonly string[];
  /** Channels, height, width. */
  readonly image: readonly [number, number, number];
  readonly train: Split;
  readonly test: Split;
  /** Where it came from, for people: a folder, a download, "generated". */
  readonly note: string;
}
