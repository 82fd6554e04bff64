/**
 * Room for bytes that a device will be given.
 *
 * What holds: where it is in the device's own memory, what lies there is not copied once more.
 */
export interface Room {
  readonly bytes: Uint8Array;
  /** What `bytes.copyWithin` does; engines do that slowly where memory is shared. */
  readonly copyWithin: (target: number, start: number, end: number) => void;
}

/** Undefined where a device has no room of its own, or none left. */
export type RoomFor = (length: number) => Room | undefined;

/** In ordinary memory. */
export function ordinaryRoom(length: number): Room {
  const bytes = new Uint8Array(length);
  return { bytes, copyWithin: (target, start, end) => void bytes.copyWithin(target, start, end) };
}
