/**
 * What padding costs a schedule for WebAssembly: turns of a reduction that only add zeros are skipped (`lower/skips.ts`), but all
 * lanes and the whole tile turn alike.
 */
import { shareInside } from "../nest/inside.ts";
import { variablesOf } from "../nest/integer.ts";
import type { Analysis, Axis } from "./analysis.ts";

/** Padding is worth a thought where at least this part of what an axis goes through lies in it. */
const leastPadding = 1 / 8;

type Accesses = Analysis["accesses"];

/** Counting takes time, and every way to lay lanes and tiles asks again. */
const counted = new WeakMap<Accesses, Map<string, number>>();

/** The part of what an axis goes through that is not padding; of the coordinates that another axis has no part in. */
function usefulShare(accesses: Accesses, axis: string, without = ""): number {
  const known = counted.get(accesses) ?? new Map<string, number>();
  counted.set(accesses, known);
  const key = `${axis} ${without}`;
  const share = known.get(key) ?? countShare(accesses, (names) => names.has(axis) && !names.has(without));
  known.set(key, share);
  return share;
}

function countShare(accesses: Accesses, isConcerned: (names: ReadonlySet<string>) => boolean): number {
  const shares = accesses
    .filter(({ kind, guarded }) => kind === "body" && guarded)
    .flatMap(({ coordinates, shape }) =>
      coordinates.map((of, d) => (isConcerned(variablesOf(of)) ? shareInside(of, 0, (shape[d] ?? 1) - 1) : 1)),
    );
  return Math.min(1, ...shares);
}

/** Whether turns along an axis of the reduction are worth skipping: not where the lanes meet its padding at different turns. */
export function isSkippable(analysis: Analysis, axis: string, vector: string | undefined): boolean {
  return usefulShare(analysis.accesses, axis, vector) <= 1 - leastPadding;
}

/** How many times as much as is needed places do that go through a reduction together, so many of a domain axis. */
export function paddingWaste(accesses: Accesses, { name, extent, isDomain }: Axis, together: number): number {
  const share = isDomain ? usefulShare(accesses, name) : 1;
  if (share > 1 - leastPadding) return 1;
  // Each tap of a window is useful at as many neighbouring places; of the groups of places, one more may meet some of them.
  const useful = share * extent;
  return Math.min(extent, useful + together - 1) / useful;
}
