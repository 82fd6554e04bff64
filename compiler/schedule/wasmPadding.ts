/**
 * What padding costs a schedule for WebAssembly: turns of a reduction that only add zeros are skipped (`lower/skips.ts`), but all
 * lanes and the whole tile turn alike.
 */
import { shareInside } from "../nest/inside.ts";
import { variablesOf } from "../nest/integer.ts";
import type { Access, Axis } from "./analysis.ts";

/** Padding is worth a thought where at least this part of what an axis goes through lies in it. */
const leastPadding = 1 / 8;

/** How many times as much as is needed places do that go through a reduction together, so many of a domain axis. */
export function paddingWaste(body: readonly Access[], { name, extent, isDomain }: Axis, together: number): number {
  if (!isDomain) return 1;
  const shares = body.flatMap(({ guarded, coordinates, shape }) =>
    coordinates.map((of, d) => (guarded && variablesOf(of).has(name) ? shareInside(of, 0, (shape[d] ?? 1) - 1) : 1)),
  );
  const share = Math.min(1, ...shares);
  if (share > 1 - leastPadding) return 1;
  // Each tap of a window is useful at as many neighbouring places; of the groups of places, one more may meet some of them.
  const useful = share * extent;
  return Math.min(extent, useful + together - 1) / useful;
}
