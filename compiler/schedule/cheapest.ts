/**
 * The cheapest of many things of which a bound is known before the price: the price is asked only of those that may count.
 */
export interface Bounded {
  /** At most the price. */
  readonly least: number;
}

/**
 * The `count` cheapest, the cheapest first; of equal prices, what came first. What costs infinity is left out. `price` is told the
 * most that still counts, above which it need not say anything.
 */
export function cheapest<T extends Bounded, P extends { readonly cost: number }>(
  all: readonly T[],
  count: number,
  price: (one: T, most: number) => P | undefined,
): P[] {
  const order = all.map((one, place) => ({ one, place })).sort((a, b) => a.one.least - b.one.least);
  let best: { readonly priced: P; readonly place: number }[] = [];
  for (const { one, place } of order) {
    const worst = best[count - 1]?.priced.cost ?? Infinity;
    if (one.least > worst) break;
    const priced = price(one, worst);
    if (!priced || priced.cost === Infinity || priced.cost > worst) continue;
    const after = best.findIndex(
      (other) => other.priced.cost > priced.cost || (other.priced.cost === priced.cost && other.place > place),
    );
    best.splice(after < 0 ? best.length : after, 0, { priced, place });
    best = best.slice(0, count);
  }
  return best.map(({ priced }) => priced);
}

/** The cheapest of some things, of equal ones the first; undefined where all cost infinity. */
export function cheapestOf<T>(all: readonly T[], price: (one: T) => number): { one: T; cost: number } | undefined {
  let best: { one: T; cost: number } | undefined;
  for (const one of all) {
    const cost = price(one);
    if (cost < (best?.cost ?? Infinity)) best = { one, cost };
  }
  return best;
}
