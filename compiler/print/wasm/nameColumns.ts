/**
 * Loads across the lanes get names, side by side, so that blocks of them are put in order and loaded as one.
 *
 * In: a nest. Out: the same with more definitions, where straight-line code is put in order.
 */
import type { Expression, LoopNest, Statement } from "../../nest/loopNest.ts";
import { mapLoads } from "../../nest/mapAccesses.ts";
import { type Analysis, analyse, vectorLanes } from "./analysis.ts";
import { farApart } from "./columns.ts";
import { sumKey } from "./integers.ts";
import { areSomeArranged, isArranged } from "./ordering.ts";

type Load = Extract<Expression, { kind: "load" }>;

interface Named {
  readonly name: string;
  readonly load: Load;
  /** Loads with the same key differ by a constant. */
  readonly key: string;
  readonly constant: number;
}

export function nameColumns(nest: LoopNest): LoopNest {
  if (nest.lanes !== vectorLanes || !areSomeArranged(nest.body)) return nest;
  const analysis = analyse(nest);
  let count = 0;
  const freshName = (): string => `column${++count}`;
  const visit = (statements: readonly Statement[]): readonly Statement[] =>
    isArranged(statements)
      ? nameIn(statements, analysis, freshName)
      : statements.map((of) => (of.kind === "loop" || of.kind === "if" ? { ...of, body: visit(of.body) } : of));
  return { ...nest, body: visit(nest.body) };
}

function nameIn(statements: readonly Statement[], analysis: Analysis, freshName: () => string): readonly Statement[] {
  const found = new Map<string, Named>();
  /** `given`: the name that it has already. */
  const nameOf = (load: Load, given?: string): string | undefined => {
    const form = analysis.laneForm(load.index);
    if (form.kind !== "linear" || Math.abs(form.factor) < farApart) return undefined;
    const key = `${load.buffer}@${form.factor}@${sumKey(form.rest.terms)}`;
    const { constant } = form.rest;
    const named = found.get(`${key}@${constant}`) ?? { name: given ?? freshName(), load, key, constant };
    found.set(`${key}@${constant}`, named);
    return named.name;
  };
  const rest = statements.flatMap((statement) => {
    if (statement.kind === "let" && statement.value.kind === "load") {
      const name = nameOf(statement.value, statement.name);
      if (name === statement.name) return [];
    }
    return [
      mapLoads(statement, (load, isGuarded): Expression => {
        const name = isGuarded ? undefined : nameOf(load);
        return name === undefined ? load : { kind: "reference", name };
      }),
    ];
  });
  const byPlace = (a: Named, b: Named): number => (a.key === b.key ? a.constant - b.constant : a.key < b.key ? -1 : 1);
  const definitions = [...found.values()].toSorted(byPlace).map(({ name, load }): Statement => {
    return { kind: "let", name, value: load };
  });
  return [...definitions, ...rest];
}
