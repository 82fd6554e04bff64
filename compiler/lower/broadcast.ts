/**
 * Broadcasts: loads that are the same in all lanes are fetched by one load in which each lane takes another of them,
 * and handed out lane by lane. Measured on software adapters, a broadcast costs a twentieth of a load.
 */
import { add, clamp, divide, type Index, index, multiply, remainder, subtract, variable } from "../nest/integer.ts";
import { subgroupLaneName } from "../nest/loopNest.ts";
import type { Emitter } from "./emitter.ts";
import type { Term } from "./terms.ts";

type LoadTerm = Term & { readonly shape: { kind: "load"; buffer: string; index: Index } };

function uniformLoads(roots: readonly Term[], laneVariables: ReadonlySet<string>): LoadTerm[] {
  const found = new Map<number, LoadTerm>();
  const seen = new Set<number>();
  const visit = (term: Term): void => {
    if (seen.has(term.id)) return;
    seen.add(term.id);
    const isUniform = ![...term.variables].some((name) => laneVariables.has(name));
    if (term.shape.kind === "load" && isUniform) found.set(term.id, term as LoadTerm);
    if (term.shape.kind !== "loop") term.children.forEach(visit);
  };
  roots.forEach(visit);
  return [...found.values()];
}

/** `constants[t] = constants[0] + a·(t div period) + b·(t mod period)`, if they are of that form. */
export function findPattern(constants: readonly number[]): { period: number; a: number; b: number } | undefined {
  const [first = 0, second = first] = constants;
  const b = second - first;
  const turn = constants.findIndex((value, t) => t > 0 && value - (constants[t - 1] ?? 0) !== b);
  const period = turn < 0 ? constants.length : turn;
  const a = turn < 0 ? 0 : (constants[period] ?? 0) - first;
  const fits = constants.every((value, t) => value === first + a * Math.floor(t / period) + b * (t % period));
  return fits ? { period, a, b } : undefined;
}

/** Fewer uniform loads than this are loaded one by one. */
const smallestGroup = 3;

export function bindBroadcasts(
  emitter: Emitter,
  roots: readonly Term[],
  laneVariables: ReadonlySet<string>,
  subgroupSize: number,
): void {
  const groups = new Map<string, LoadTerm[]>();
  for (const term of uniformLoads(roots, laneVariables)) {
    const key = `${term.shape.buffer} ${subtract(term.shape.index, term.shape.index.constant).key}`;
    groups.set(key, [...(groups.get(key) ?? []), term]);
  }
  const lane = index(variable(subgroupLaneName, subgroupSize));
  for (const terms of groups.values()) {
    if (terms.length < smallestGroup) continue;
    const sorted = terms.toSorted((p, q) => p.shape.index.constant - q.shape.index.constant);
    const pattern = findPattern(sorted.map((term) => term.shape.index.constant));
    const [head] = sorted;
    if (!pattern || !head) continue;
    for (let start = 0; start < sorted.length; start += subgroupSize) {
      const place = clamp(add(lane, start), 0, sorted.length - 1);
      const at = add(
        head.shape.index,
        multiply(divide(place, pattern.period), pattern.a),
        multiply(remainder(place, pattern.period), pattern.b),
      );
      const name = emitter.name(`${head.shape.buffer}Lanes`);
      emitter.push({ kind: "let", name, value: { kind: "load", buffer: head.shape.buffer, index: at } });
      sorted.slice(start, start + subgroupSize).forEach((term, s) => {
        emitter.define(term, { kind: "broadcast", name, subgroupLane: s });
      });
    }
  }
}
