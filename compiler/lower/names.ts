/** Fresh names for the variables and buffers of a nest. */
export interface Names {
  /** The hint itself, or the hint with a number where it is taken. */
  readonly fresh: (hint: string) => string;
}

export function createNames(reserved: readonly string[]): Names {
  const taken = new Set<string>(reserved);
  const counts = new Map<string, number>();
  return {
    fresh: (hint) => {
      let number = counts.get(hint) ?? 0;
      // The second `conv1` is `conv1_1`: `conv11` would look like another layer.
      const stem = /\d$/.test(hint) ? `${hint}_` : hint;
      let chosen = hint;
      // `x1` may be the hint of something else.
      do chosen = number === 0 ? hint : `${stem}${number}`;
      while ((number++, taken.has(chosen)));
      counts.set(hint, number);
      taken.add(chosen);
      return chosen;
    },
  };
}
