/**
 * How often an index lies in a range.
 *
 * In: an index over variables that start at 0, and a range. Out: the part of all values of the variables for which it lies inside.
 */
import { type Index, index, substitute } from "./integer.ts";

/** Values that are counted. */
const mostCounted = 4096;

/** 1 too where that cannot be counted: it depends on something else than variables, or on too many values. */
export function shareInside(of: Index, minimum: number, maximum: number): number {
  const variables = variablesIn(of);
  if (!variables || (of.minimum >= minimum && of.maximum <= maximum)) return 1;
  const count = variables.reduce((product, { extent }) => product * extent, 1);
  if (count > mostCounted) return 1;
  let inside = 0;
  for (let number = 0; number < count; number++) {
    let rest = number;
    const at = new Map(
      variables.map(({ name, extent }) => {
        const here = rest % extent;
        rest = Math.floor(rest / extent);
        return [name, index(here)];
      }),
    );
    const value = substitute(of, (name) => at.get(name)).constant;
    if (value >= minimum && value <= maximum) inside++;
  }
  return inside / count;
}

/** The variables that an index depends on, if on nothing else and on each directly. */
function variablesIn(of: Index): { readonly name: string; readonly extent: number }[] | undefined {
  const found: { readonly name: string; readonly extent: number }[] = [];
  for (const { atom } of of.terms) {
    if (atom.kind !== "variable" || atom.minimum !== 0) return undefined;
    found.push({ name: atom.name, extent: atom.maximum + 1 });
  }
  return found;
}
