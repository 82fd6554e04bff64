/**
 * Integers numbered in the order in which they come, each once: what a `Set` or a `Map` would hold, several times faster where
 * thousands of small ones are filled and thrown away, as for what a tile touches.
 *
 * What holds: a table that is emptied keeps its memory.
 */
export interface NumberTable {
  readonly size: number;
  /** The number of the integer, which is added if it is new. */
  add(value: number): number;
  has(value: number): boolean;
  /** In their order. */
  values(): Float64Array;
  clear(): void;
}

const leastSlots = 64;

/** Slots are found by Fibonacci hashing and linear probing; at most half of them are taken. */
export function createNumberTable(): NumberTable {
  let shift = 32 - Math.log2(leastSlots);
  /** The number of a value, counted from 1 on since the last time that the table was emptied; smaller ones are of before. */
  let slots = new Int32Array(leastSlots);
  let stored = new Float64Array(leastSlots / 2);
  let before = 0;
  let size = 0;
  const slotOf = (value: number): number => {
    let slot = Math.imul(value | 0, 0x9e3779b1) >>> shift;
    for (;;) {
      const number = (slots[slot] ?? 0) - before;
      if (number <= 0 || stored[number - 1] === value) return slot;
      slot = (slot + 1) & (slots.length - 1);
    }
  };
  const grow = (): void => {
    const values = stored.slice(0, size);
    shift--;
    slots = new Int32Array(slots.length * 2);
    stored = new Float64Array(slots.length / 2);
    [before, size] = [0, 0];
    for (const value of values) add(value);
  };
  const add = (value: number): number => {
    let slot = slotOf(value);
    const number = (slots[slot] ?? 0) - before;
    if (number > 0) return number - 1;
    if (size === stored.length) {
      grow();
      slot = slotOf(value);
    }
    stored[size++] = value;
    slots[slot] = before + size;
    return size - 1;
  };
  return {
    get size() {
      return size;
    },
    add,
    has: (value) => (slots[slotOf(value)] ?? 0) > before,
    values: () => stored.slice(0, size),
    clear() {
      before += size;
      size = 0;
      if (before < 2 ** 30) return;
      slots.fill(0);
      before = 0;
    },
  };
}
