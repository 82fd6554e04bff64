/**
 * Which kernels run side by side in one dispatch: a dispatch costs tens of microseconds, and the next one waits for the
 * last workgroup of the one before.
 *
 * In: what each kernel reads and writes, in an order in which they may run. Out: groups of them in order. What holds: no
 * kernel of a group touches what another one of it writes; whatever a kernel needs is written by an earlier group.
 */

/** Elements `start` to `end - 1` of a piece of memory. */
export interface MemoryRange {
  readonly memory: string;
  readonly start: number;
  readonly end: number;
}

export interface MemoryUse {
  readonly reads: readonly MemoryRange[];
  readonly writes: readonly MemoryRange[];
  /** Loads and stores in its text. */
  readonly accesses: number;
  /** What it has to do, in steps of a contraction. */
  readonly steps: number;
}

/** Adapters compile long kernels in more than proportional time; two of half the length are compiled sooner than one. */
const mostAccesses = 100;
/**
 * Steps of a kernel that may run beside others: on software adapters all that stands in an `if` is slower (each load asks
 * which lanes are there), by more than a dispatch costs if there is much to do.
 */
const mostSteps = 3_500_000;

export function meet(some: readonly MemoryRange[], others: readonly MemoryRange[]): boolean {
  return some.some((a) => others.some((b) => a.memory === b.memory && a.start < b.end && b.start < a.end));
}

export function depends(later: MemoryUse, earlier: MemoryUse): boolean {
  return meet(later.reads, earlier.writes) || meet(later.writes, earlier.writes) || meet(later.writes, earlier.reads);
}

/** Whether it has so much to do that it stays alone, whatever the others are. */
export function standsAlone({ steps }: MemoryUse): boolean {
  return steps > mostSteps;
}

/**
 * Each kernel joins the earliest group that is behind all it depends on and has room for its tensors. Returns kernel
 * numbers, group by group.
 */
export function groupSideBySide(uses: readonly MemoryUse[], mostRanges: number): number[][] {
  const groups: { readonly members: number[]; readonly ranges: Set<string>; accesses: number; isLong: boolean }[] = [];
  const groupOf: number[] = [];
  uses.forEach((use, i) => {
    const ranges = [...use.reads, ...use.writes].map(({ memory, start }) => `${memory}+${start}`);
    let at = 0;
    for (const [j, earlier] of uses.slice(0, i).entries())
      if ((groupOf[j] ?? 0) >= at && depends(use, earlier)) at = (groupOf[j] ?? 0) + 1;
    const isLong = standsAlone(use);
    const hasRoom = (group: (typeof groups)[number]): boolean =>
      !isLong &&
      !group.isLong &&
      group.accesses + use.accesses <= mostAccesses &&
      new Set([...group.ranges, ...ranges]).size <= mostRanges;
    const found = groups.findIndex((group, g) => g >= at && hasRoom(group));
    const joined = found < 0 ? groups.length : found;
    const group = (groups[joined] ??= { members: [], ranges: new Set(), accesses: 0, isLong });
    group.members.push(i);
    group.accesses += use.accesses;
    ranges.forEach((range) => group.ranges.add(range));
    groupOf.push(joined);
  });
  return groups.map(({ members }) => members);
}
