/** A data set in memory: pictures as bytes, channels planar, and their classes. */
export interface Split {
  /** `[count, C, H, W]` bytes; they may lie in a device's own memory (`runtime/room.ts`). */
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
  /**
   * Given while files are still being read: names, shapes and counts hold already, images and labels once it resolves. It
   * rejects with a `RuntimeFailure` of kind "data".
   */
  readonly whole?: Promise<void>;
}
